"""Code that runs in the peer. It is sent there as source and never imported by the origin.

The peer has it as the package ``pytest_peer_agent``, which mirrors the tree: ``pytest_peer_agent.agent``
and ``pytest_peer_agent.link.protocol``. So relative imports mean the same here and there.
These modules import only the standard library of Python 3.8, and add no name to the user's namespaces.
"""
