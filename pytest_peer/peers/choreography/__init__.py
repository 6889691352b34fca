"""Who waits for whom: points, barriers, siblings, orders of steps."""
