"""Frozen dataclasses of figures as JSON and as tables."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from merging.analysis.conflict import ConflictCount
from merging.checkpoints.buckets import Bucket
from merging.cli.json import dumps, plain
from merging.cli.table import figures_text


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    @property
    def parts(self) -> list[int]:
        return [1, 2]


@dataclass(frozen=True)
class Figures:
    key: str
    cells: dict[Bucket, ConflictCount]
    pairs: dict[tuple[str, int], Interval]
    length: float | None
    experts: tuple[Interval, ...] = ()


FIGURES = Figures(
    "abc",
    {Bucket("L3", "up"): ConflictCount((5, 10, 60), 15)},
    {("digits", 2): Interval(0.25, 0.5)},
    math.inf,
    (Interval(0.0, math.nan),),
)


def test_dataclasses_become_objects_with_words_as_keys() -> None:
    assert json.loads(dumps(FIGURES)) == {
        "key": "abc",
        "cells": {
            "L3 up": {
                **{"survivors": [5, 10, 60], "contested": 15},
                **{"total": 75, "shared": 60, "too_few": False, "share": 0.25},
                **{"share_of_all": 0.2, "chance": 0.5, "chance_of_all": 0.4},
            }
        },
        "pairs": {"digits 2": {"low": 0.25, "high": 0.5, "width": 0.25}},
        "length": None,
        "experts": [{"low": 0.0, "high": None, "width": None}],
    }


def test_other_values_have_a_form_too() -> None:
    told = plain({"t": torch.tensor([[1.5, math.inf]]), "p": Path("a/b"), 3: True, "s": {7}})
    assert told == {"t": [[1.5, None]], "p": "a/b", "3": True, "s": [7]}
    assert dumps({"name": "日本\n"}) == '{"name": "\\u65e5\\u672c\\n"}'
    with pytest.raises(TypeError, match="object has no form in JSON"):
        plain([object()])


def test_figures_as_text() -> None:
    data: dict[str, Any] = {
        "method": "ties",
        "length": 1.23456,
        "whole": {"total": 1_234_567, "share": None, "too_few": True},
        "cells": {"L0 q": {"share": 0.5, "kept": [1, 2]}, "Final norm": {"share": 0.25}},
        "experts": [{"id": "digits", "kept": 1.0}, {"id": "fashion", "kept": 0.125}],
        "others": [1, 2],
        "none": {},
    }
    assert figures_text(data).split("\n") == [
        "method  ties",
        "length  1.235",
        "others  1 2",
        "none",
        "",
        "whole",
        "  total    1,234,567",
        "  share    -",
        "  too_few  yes",
        "",
        "cells",
        "              share  kept",
        "  L0 q          0.5   1 2",
        "  Final norm   0.25",
        "",
        "experts",
        "            kept",
        "  digits       1",
        "  fashion  0.125",
    ]


def test_tables_of_what_is_nested_deeper() -> None:
    assert figures_text(plain(FIGURES)).split("\n")[-4:] == [
        "",
        "experts",
        "     low  high  width",
        "  0    0     -      -",
    ]
    assert figures_text({"a": {"b": {"c": {"d": 1, "e": 2}}}}).split("\n") == [
        "a",
        "           c",
        "  b  d=1 e=2",
    ]
