"""Plain figures as text: a line for each value, a table for what has rows."""

from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]
NAMES = ("id", "expert", "name", "tensor", "dialect")  # what tells the rows of a list apart


def figures_text(data: Row) -> str:
    """Return nested figures as text.

    Args:
        data: As ``merging.cli.json.plain`` returns them. Single values come first, one a line; an
            object of single values becomes a section; objects of objects and lists of objects
            become tables with a column for every figure.
    """
    single = {name: value for name, value in data.items() if not _nested(value)}
    parts = ["\n".join(_pairs(single))] if single else []
    for name, value in data.items():
        if _nested(value):
            parts.append("\n".join([name, *(f"  {line}" for line in _section(value))]))
    return "\n\n".join(parts)


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    """Yield rows with their columns one below the other, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([f"{first:{widths[0]}}", *cells]).rstrip()


def _nested(value: object) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value)


def _section(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        rows = [entry if isinstance(entry, Mapping) else {"value": entry} for entry in value]
        yield from _table({_name_of(row, i): row for i, row in enumerate(rows)})
    elif all(isinstance(entry, Mapping) for entry in value.values()):
        yield from _table(value)
    else:
        yield from _pairs(value)


def _name_of(row: Row, index: int) -> str:
    return next((str(row[key]) for key in NAMES if key in row), str(index))


def _table(rows: Mapping[str, Row]) -> Iterator[str]:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    columns = [c for c in columns if c not in NAMES]
    body = [[name, *(_cell(row.get(c, "")) for c in columns)] for name, row in rows.items()]
    return _aligned([["", *columns], *body])


def _pairs(values: Row) -> Iterator[str]:
    width = max(map(len, values))
    for name, value in values.items():
        yield f"{name:{width}}  {_cell(value)}".rstrip()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(entry)}" for name, entry in value.items())
    return str(value)
