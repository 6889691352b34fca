"""Modules for peers in which this package or pytest is not installed; see `launch.bootstrap`."""
