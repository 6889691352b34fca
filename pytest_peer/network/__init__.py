"""A network of its own for the peers of a test: the process that holds it, its switch, its faults."""
