"""Who waits for whom: what several processes do in a test, in which order."""
