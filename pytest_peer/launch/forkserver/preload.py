"""Which modules a fork server imports once for all of its peers."""

#: Of what is imported, what the user has not chosen.
OURS = ("cloudpickle", "coverage", "pytest")
#: In the order of import. A change concerns the servers that are started after it.
modules: list[str] = ["cloudpickle"]
