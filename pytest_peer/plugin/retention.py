"""What is kept in ``--peer-artifacts DIR``, and under which name; pure."""

from __future__ import annotations

import hashlib
import re

#: Of a directory's name. File systems allow 255 bytes, some 143, and below it there are more names.
MAX_LENGTH = 100

#: What can be told apart after slashes and colons have become dashes.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*(?:/[A-Za-z0-9_.]+)*(?:::[A-Za-z0-9_.]+)*")
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]+")


def is_kept(setup: str | None, call: str | None, teardown: str | None, unasked_deaths: int) -> bool:
    """Whether the artifacts of a test's peers are kept.

    :param setup: the phase's outcome, pytest's word, as are `call` and `teardown`; ``None`` for a phase that was not reported. That
        of the teardown always is, unless the run was interrupted; what hung then is worth looking at.
    :param unasked_deaths: how many peers went down in the test although nobody asked them to.
    """
    return unasked_deaths > 0 or teardown is None or "failed" in (setup, call, teardown)


def directory_name(nodeid: str) -> str:
    """A name for the directory of a test: readable, for every file system, and another one for another test.

    ``tests/test_a.py::test_b`` becomes ``tests-test_a.py--test_b``. One with other characters, or too long, ends with a hash.
    """
    text = _FOREIGN.sub("_", nodeid.replace("::", "--").replace("/", "-"))
    if _PLAIN.fullmatch(nodeid) and len(text) <= MAX_LENGTH:
        return text
    digest = hashlib.sha256(nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    text = text.strip("._-")
    left = MAX_LENGTH - len(digest) - 1
    if len(text) > left:
        head = left // 3  # the end has the name of the test
        text = f"{text[:head]}..{text[len(text) - (left - head - 2) :]}"
    return f"{text}-{digest}".lstrip("-")
