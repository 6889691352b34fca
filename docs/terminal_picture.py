"""Make docs/failure.svg: what a terminal shows when a test with peers fails.

Run `python docs/terminal_picture.py` with the group `docs` installed. The script runs the test in
docs/picture with pytest, and draws the output as it comes. Only the path of the temporary directory
is shortened.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

DOCS = Path(__file__).parent
PICTURE = DOCS / "failure.svg"
TEST = DOCS / "picture" / "test_shop.py"
#: What the picture says was typed.
COMMAND = ["pytest", "--tb=short", "-q", TEST.name]
#: Characters in a line, and lines: more than that is too small to read on a page.
COLUMNS, LINES = 84, 40
#: Seconds for the run; it takes one or two.
LIMIT = 60

# Dark enough for bold text, and readable beside a page of either colour.
THEME = TerminalTheme(
    (30, 34, 42),
    (220, 223, 228),
    [
        (92, 99, 112),
        (240, 113, 120),
        (152, 195, 121),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 182, 194),
        (220, 223, 228),
    ],
)


def main() -> None:
    output = failing_run()
    lines = [f"\x1b[1m$ {' '.join(COMMAND)}\x1b[0m", *output.splitlines()]
    if len(lines) > LINES:
        raise SystemExit(f"the picture has {len(lines)} lines, more than {LINES}")
    PICTURE.write_text(drawn("\n".join(lines)), encoding="utf-8")
    print(f"{PICTURE}: {len(lines)} lines")


def failing_run() -> str:
    """Run the test as a user would, and return what pytest writes to a terminal."""
    with tempfile.TemporaryDirectory() as root:
        shop = Path(root, "home", "you", "shop")  # a directory without settings of pytest
        shop.mkdir(parents=True)
        shutil.copy(TEST, shop)
        environment = {
            **os.environ,
            "COLUMNS": str(COLUMNS),
            "LOGNAME": "you",  # a part of the name of pytest's temporary directory
            "PYTEST_DEBUG_TEMPROOT": root,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        environment.pop("PYTEST_ADDOPTS", None)
        done = subprocess.run(
            [sys.executable, "-m", *COMMAND, "--color=yes", "-p", "pytest_peer.plugin"],
            cwd=shop,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        if done.returncode != 1:
            raise SystemExit(
                f"the test should fail, but pytest returned {done.returncode}\n{done.stdout}"
            )
        return done.stdout.replace(f"{root}/home", "/home").replace(root, "/tmp")


def drawn(ansi: str) -> str:
    """Draw text with escape sequences as SVG that needs nothing from the network."""
    console = Console(
        record=True,
        width=COLUMNS + 1,
        file=StringIO(),
        color_system="standard",
        legacy_windows=False,
    )
    console.print(Text.from_ansi(ansi))
    without_web_font = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    fonts = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    svg = console.export_svg(
        title="a failing test with seven peers",
        theme=THEME,
        code_format=without_web_font.replace("Fira Code, monospace", fonts),
        unique_id="failure",
    )
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


if __name__ == "__main__":
    main()
