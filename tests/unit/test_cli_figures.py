"""Frozen dataclasses of figures as JSON and as tables."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from merging.analysis.conflict import ConflictCount
from merging.checkpoints.buckets import Bucket
from merging.cli.json import dumps, plain


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
                **{"survivors": [5, 10, 60], "contested": 15, "population": None},
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
