"""A preview as data and as a table: what a recipe does to every bucket, expert and control."""

from collections.abc import Iterator, Sequence
from typing import Any

from merging.analysis import Conflict, Figure
from merging.checkpoints.buckets import row_order
from merging.recipe import Recipe
from merging.sketch import ExpertPreview, Inert, Preview

PARTS = ("agree", "disjoint", "contested", "untouched")


def diagnosis(recipe: Recipe, preview: Preview, inert: Sequence[Inert]) -> dict[str, Any]:
    """Return all figures of a preview as plain values.

    A figure is an object of ``value``, ``low`` and ``high`` (95 % interval), ``exact``, ``basis``
    (coordinates that count) and ``too_few`` (under 50 of them); None where there is none.

    Args:
        recipe: What was previewed.
        preview: Its answer.
        inert: Controls that change nothing.
    """
    cells = {}
    for bucket in sorted(preview.cells, key=lambda b: (row_order(b.row), b.module)):
        found = preview.at(bucket)
        cells[f"{bucket.row} {bucket.module}"] = {
            **_conflict(found.conflict),
            "norm": _figure(found.norm),
            "flips": _figure(found.flips),
            "experts": {e.expert: _expert(e) for e in found.experts},
        }
    return {
        "method": recipe.method,
        "dialect": recipe.dialect,
        "recipe": recipe.key(),
        **_conflict(preview.whole),
        "norm": _figure(preview.norm),
        "length": _figure(preview.length),
        "flips": _figure(preview.flips),
        "experts": {e.expert: {**_expert(e), "cut": e.cut} for e in preview.experts},
        "cells": cells,
        "inert": [{"control": i.name, "expert": i.expert} for i in inert],
    }


def diagnosis_text(told: dict[str, Any]) -> str:
    """Return the data of ``diagnosis`` as tables for people; shares in percent."""
    lines = [f"{told['method']} ({told['dialect']}), recipe {told['recipe']}", ""]
    if told["norm"] is not None:
        norm, length = _number(told["norm"]), _number(told["length"])
        lines += [f"length of the merged change   {norm}: {length} of a task vector's"]
    if told["flips"] is not None:
        lines += [f"signs that flip against the other recipe   {_share(told['flips'])} %"]
    lines += ["", *_aligned([_EXPERTS, *map(_expert_row, told["experts"].items())]), ""]
    lines += _aligned([_CELLS, _cell_row("whole model", told), *map(_row, told["cells"].items())])
    if told["inert"]:
        names = (f"{i['control']} {i['expert']}".strip() for i in told["inert"])
        lines += ["", f"changes nothing here: {', '.join(names)}"]
    return "\n".join([*lines, "", _NOTE])


_EXPERTS = ["expert", "changes kept", "energy kept", "share of contests won"]
_CELLS = ["", *PARTS, "of those kept by two or more", "by chance"]
_NOTE = (
    "Shares are of all weights, those of an expert of all that it changed, ± half of the 95 % "
    "interval where they were sampled. By chance: "
    "the contested share if all kept signs were coin tosses."
)


def _conflict(conflict: Conflict) -> dict[str, Any]:
    parts = {part: _figure(getattr(conflict, part)) for part in PARTS}
    return {**parts, "share": _figure(conflict.share), "chance": _figure(conflict.chance)}


def _expert(expert: ExpertPreview) -> dict[str, Any]:
    return {name: _figure(getattr(expert, name)) for name in ("kept", "energy", "won")}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "exact": figure.exact,
        "basis": figure.basis,
        "too_few": figure.too_few,
    }


def _row(item: tuple[str, dict[str, Any]]) -> list[str]:
    return _cell_row(*item)


def _cell_row(name: str, told: dict[str, Any]) -> list[str]:
    return [name, *(_share(told[part]) for part in (*PARTS, "share", "chance"))]


def _expert_row(item: tuple[str, dict[str, Any]]) -> list[str]:
    name, told = item
    kept = [_share(told[part], certain=True) for part in ("kept", "energy")]
    return [name, *kept, _share(told["won"])]


def _share(figure: dict[str, Any] | None, certain: bool = False) -> str:
    """A share in percent; one that is ``certain`` needs no number of coordinates if exact."""
    if figure is None:
        return "-"
    if figure["too_few"] and not (certain and figure["exact"]):
        return "too few"
    value, half = 100 * figure["value"], 50 * (figure["high"] - figure["low"])
    return f"{value:.1f}" if figure["exact"] else f"{value:.1f} ± {half:.1f}"


def _number(figure: dict[str, Any]) -> str:
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['value']:.4g}" + ("" if figure["exact"] else f" ± {half:.2g}")


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([f"{first:{widths[0]}}", *cells]).rstrip()
