"""How a peer's process is started and ended."""
