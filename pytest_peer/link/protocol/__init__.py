"""The wire protocol, for both sides of the link.

These modules are also sent to the peer as source. They import only each other and the standard
library of Python 3.8.
"""
