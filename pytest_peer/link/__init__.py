"""RPC over the control link, at the origin. Only `gateway` imports execnet."""
