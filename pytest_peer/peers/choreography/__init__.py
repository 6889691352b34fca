"""Who waits for whom: blocked calls, services, siblings, barriers, marks, orders of steps."""
