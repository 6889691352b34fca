"""Who waits for whom: blocked calls, siblings, barriers, marks, orders of steps."""
