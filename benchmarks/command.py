"""The command line: what to measure, how often, and where the tables go."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import counts
import machine
import measurements
import systems
import table
import targets
from rounds import Row, measure
from systems import isolation

ROUNDS = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if an installed system failed."""
    arguments = _parser().parse_args(argv)
    amounts = counts.QUICK if arguments.quick else counts.Counts(idle=arguments.idle)
    chosen = [each for each in measurements.all_of(amounts) if _wanted(each.name, arguments.only)]
    if arguments.list:
        print(*(each.name for each in chosen), sep="\n")
        return 0
    if arguments.make_venv:
        isolation.make_environment()

    every = [
        system
        for column in systems.COLUMNS.values()
        for system in column
        if _wanted(system.name, arguments.systems)
    ]
    rounds = 1 if arguments.quick else arguments.rounds
    versions = dict.fromkeys(version for system in every if (version := system.version()))
    head = f"{machine.described()}; {', '.join([*versions, f'rounds: {rounds}'])}"
    rows: list[Row] = []
    try:
        for measurement in chosen:
            print(f"{measurement.name} ...", file=sys.stderr, flush=True)
            quick = dataclasses.replace(measurement, warm=False) if arguments.quick else measurement
            rows += measure(quick, every, rounds)
    finally:
        for system in every:
            system.close()

    ours = next((name for name in systems.OURS if any(row.values.get(name) for row in rows)), None)
    columns = {
        title: names
        for title, column in systems.COLUMNS.items()
        if (names := [each.name for each in column if each in every])
    }
    text = f"{head}\n\n{table.markdown(rows, columns, ours)}"
    if not arguments.quick:
        text += f"\n{targets.markdown(rows, ours or systems.OURS[0])}"
    print(text, end="")
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    return int(any(why.startswith("failed") for row in rows for why in row.missing.values()))


def _wanted(name: str, patterns: list[str] | None) -> bool:
    return patterns is None or any(fnmatch(name, pattern) for pattern in patterns)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compare.py",
        description="Compare peers with execnet, multiprocessing, Erlang's peer and others.",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        help=f"default {ROUNDS}; long measurements have fewer",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="measurements, as --list shows them; may have *"
    )
    parser.add_argument(
        "--systems",
        nargs="+",
        metavar="NAME",
        help="only these, as 'peer*'; the table has their names",
    )
    parser.add_argument("--list", action="store_true", help="only show the names of measurements")
    parser.add_argument("--quick", action="store_true", help="take one small round, as a check")
    parser.add_argument(
        "--idle", type=int, default=0, metavar="N", help="also start N peers that stay idle"
    )
    parser.add_argument(
        "--make-venv",
        action="store_true",
        help="install pytest-forked, pytest-isolate and their pytest into benchmarks/.venv",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
    return parser
