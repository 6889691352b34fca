"""Exceptions whose classes are hard to pickle."""

from __future__ import annotations

import dataclasses
import os
import sys
import types
import warnings
from typing import Any


class TwoArguments(Exception):
    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} failed with {code}")
        self.name = name
        self.code = code


class KeywordsOnly(Exception):
    def __init__(self, *, path: str) -> None:
        super().__init__()
        self.path = path


class NoArguments(Exception):
    def __init__(self) -> None:
        super().__init__("always", "these")


class Formatting(Exception):
    """Its `args` can be given to `__init__` again, with another result."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no {name}")


class CodedOSError(OSError):
    def __init__(self, code: int) -> None:
        super().__init__(code, os.strerror(code), "some/file")


class CodedExit(SystemExit):
    def __init__(self, name: str, code: int) -> None:
        super().__init__(code)
        self.name = name


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class ReducedToAnother(Exception):
    def __reduce__(self) -> Any:
        return ValueError, ("another",)


class ManyErrors(Exception):
    """Has what an exception group has, and is none."""

    def __init__(self, text: str, exceptions: Any) -> None:
        super().__init__(text)
        self.exceptions = exceptions


class Speechless(Exception):
    def __repr__(self) -> str:
        raise ValueError("no repr")

    __str__ = __repr__


def made_here(name: str) -> Any:
    """A class whose module exists in this process only."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec("class Here(Exception): pass", module.__dict__)
    return module.Here


def made_warning(module: str) -> None:
    """Warn by a class of a module that is made now, and so is only in this process."""
    made = types.ModuleType(module)
    sys.modules[module] = made
    exec("class Old(DeprecationWarning): pass", vars(made))
    warnings.warn("too old", vars(made)["Old"], stacklevel=1)
