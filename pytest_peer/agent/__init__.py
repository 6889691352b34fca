"""Code that runs in the peer. It is sent there and never imported by the origin.

In the peer it is the package ``pytest_peer_agent``, which mirrors the tree:
``pytest_peer_agent.agent`` and ``pytest_peer_agent.link.protocol``. So relative imports mean the
same in both. These modules import only the standard library of Python 3.8, and add no name to the
user's namespaces.
"""
