"""The process that holds a network: its namespaces, its interfaces, what it does for the origin."""
