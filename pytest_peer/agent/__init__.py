"""Code that runs in the peer. It is sent there and never imported by the origin."""
