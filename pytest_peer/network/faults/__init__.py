"""The faults of a network, as a test has them in hand; the nemesis, which chooses them."""
