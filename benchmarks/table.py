"""The table: a row for a figure, a column for a system."""

from __future__ import annotations

from rounds import Row

#: Systems with few figures share a column.
OTHERS = "others"


def markdown(rows: list[Row], columns: dict[str, list[str]], reference: str | None) -> str:
    """Return a table in Markdown.

    :param columns: the names of the systems for each title.
    :param reference: the system that ratios compare the others with.
    """
    lines = [["", "unit", *columns]]
    lines += [
        [row.figure.label, row.figure.unit]
        + [_cell(row, title, systems, reference) for title, systems in columns.items()]
        for row in rows
    ]
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    padded = [
        [text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines
    ]
    rule = ["-" * width for width in widths]
    return "".join(f"| {' | '.join(line)} |\n" for line in [padded[0], rule, *padded[1:]])


def number(value: float, digits: int = 3) -> str:
    """Format with so many significant digits."""
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        return f"{rounded:,.0f}"
    return f"{rounded:#.{digits}g}"


def _cell(row: Row, title: str, systems: list[str], reference: str | None) -> str:
    cells = []
    for system in systems:
        text = _figure(row, system, reference)
        if text and title == OTHERS:
            text = f"{system} {text}"
        if text:
            cells.append(text)
    if title == "floor" and cells and row.figure.floor:
        cells.append(row.figure.floor)
    return ", ".join(cells)


def _figure(row: Row, system: str, reference: str | None) -> str:
    median = row.median(system)
    if median is None:
        return row.missing.get(system, "")
    text = number(row.figure.shown(median))
    ratio = None
    if reference is not None and system != reference:
        ratio = row.ratio(system, reference)
    return text if ratio is None else f"{text} ({number(ratio, 2)}x)"
