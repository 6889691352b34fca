"""The test itself as a host of its network."""
