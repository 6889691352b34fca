"""Which modules a fork server imports once for all of its peers."""

#: In the order of import. A change concerns the servers that are started after it.
modules: list[str] = ["cloudpickle"]
