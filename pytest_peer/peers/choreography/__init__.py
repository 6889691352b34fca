"""Who waits for whom: facts of the kernel, points, barriers, orders of steps."""
