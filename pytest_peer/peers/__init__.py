"""The library: the handle of a peer, groups, the supervisor, and the life cycle."""
