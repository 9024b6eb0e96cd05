"""What tests of figures share: figures, arrays of them, and what a dragged slider does to one."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from merging.analysis import Figure
from merging.analysis.figures import Shares

NAMES = {"one": "First", "two": "Second", "three": "Third"}
ORDER = ("one", "two", "three")
LITERAL_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(")
CLEAR = "rgba(0,0,0,0)"


def figure(value: float, half: float = 0.0, basis: int = 1000) -> Figure:
    return Figure(value, value - half, value + half, half == 0, basis)


def shares(values: ArrayLike, half: float = 0.0, few: ArrayLike | bool = False) -> Shares:
    value = np.asarray(values, np.float64)
    basis = np.where(np.broadcast_to(few, value.shape), 10, 1000).astype(np.int64)
    return Shares(value, value - half, value + half, basis, half == 0)


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(t for t in figure["data"] if t["name"] == name)


def dragged(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the traces of a figure after the marks of another were moved on it."""
    assert before["revision"] == after["revision"]
    data = copy.deepcopy(before["data"])
    for move in after["restyle"]:
        data[move["trace"]].update(move["update"])
    return data


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from texts(value)


def check_plain(figure: dict[str, Any]) -> None:
    """A value is JSON, names its colours, and has a table without ragged rows."""
    assert json.loads(json.dumps(figure, allow_nan=False)) == figure
    assert [t for t in texts(figure) if t != CLEAR and LITERAL_COLOUR.search(t)] == []
    width = len(figure["table"]["columns"])
    assert all(len(row) == width for row in figure["table"]["rows"])
    assert figure["label"] and figure["sentence"].startswith(figure["label"])


def by_name(figure: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the traces of a figure by what they are called."""
    return {trace["name"]: trace for trace in figure["data"]}
