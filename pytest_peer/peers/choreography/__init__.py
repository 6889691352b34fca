"""Who waits for whom: facts of the kernel about peers, in place of sleeps."""
