"""Code that runs in the peer. It is sent there and never imported by the origin.

In the peer it is a part of the package ``pytest_peer_agent``, which mirrors the tree. These modules
import only the standard library of Python 3.8, and add no name to the user's namespaces.
"""
