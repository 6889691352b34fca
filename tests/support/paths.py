"""Where the files of the tests are."""

from __future__ import annotations

from pathlib import Path

#: The modules that tests share; on `sys.path` of the tests, and of the programs that they start.
SUPPORT = Path(__file__).parent
#: The root of the repository.
ROOT = SUPPORT.parents[1]
