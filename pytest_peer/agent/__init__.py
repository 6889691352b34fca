"""Our code inside the peer. It is sent there as source and never imported by the origin.

Rules: the standard library of Python 3.8 and nothing else; no name of ours in the user's way.
"""
