"""What a fork server imports once for all of its peers, for whom the import then takes no time."""

from __future__ import annotations

#: Module names, in the order of import. What is changed here is for servers that are started afterwards.
modules: list[str] = ["cloudpickle"]
