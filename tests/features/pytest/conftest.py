"""What the tests of the marker `in_peer` share."""

from __future__ import annotations

import pytest
from inner_pytest import Inner

#: In reach of the inner tests: whether this is the process of pytest.
PLACES = """
def is_here():
    return os.environ["ORIGIN"] == str(os.getpid())

def note(*words):
    with open(os.environ["NOTES"], "a") as notes:
        print(*words, "here" if is_here() else "there", file=notes)
"""


class Marked:
    """A module of inner tests, and what they have noted."""

    def __init__(self, inner: Inner) -> None:
        self._inner = inner
        self._notes = inner.path / "notes"

    def __call__(self, source: str, options: str = "", mark: bool = True) -> None:
        """Write the module; with `mark`, all its tests have the marker, with these options."""
        header = f"pytestmark = pytest.mark.in_peer({options})\n" if mark else ""
        self._inner.write(PLACES + header + source)

    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines() if self._notes.exists() else []


@pytest.fixture
def marked(inner: Inner) -> Marked:
    inner.write(
        """
        os.environ["ORIGIN"] = str(os.getpid())
        os.environ["NOTES"] = os.path.abspath("notes")
        """,
        "conftest.py",
    )
    return Marked(inner)
