"""Stand-ins for modules that are not installed in the peer. They are sent as source.

`launch.bootstrap` has the table of their names.
"""
