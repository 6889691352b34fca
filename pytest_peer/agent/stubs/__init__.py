"""Modules for peers in which this package or pytest is not installed. They are sent as source.

`launch.bootstrap` has the table of their names.
"""
