"""Scores of runs and of sweeps as CSV: a line for every run or point, half and task. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from merging.evaluation import Estimate, compare, normalised, wilson
from merging.search.points import Answers, Point
from merging.search.sweep import SweepResult
from ui.runbook import ListedRun
from ui.views.guard import LAMBDA, Guarded
from ui.views.sentences import settings_line
from ui.views.tasks import in_order

MEAN = "mean of all tasks"
FIGURES = (
    "items", "accuracy", "accuracy low", "accuracy high", "share of own", "share low", "share high",
)  # fmt: skip
GAP = ("minus first run", "gap low", "gap high")
RUNS = ("run", "set", "settings", "recipe", "half", "task", *FIGURES, *GAP)
GUARD = ("points that held-out tasks may lose", "largest λ allowed", "guard")
SWEEP = (
    "set", "settings", "half", "point", "recipe", "task", *FIGURES, "mark", "error", *GUARD,
)  # fmt: skip
Row = Sequence[object]


def runs_csv(runs: Sequence[ListedRun], owns: Sequence[Answers], names: Mapping[str, str]) -> str:
    """Return the scores of runs, on the reporting half.

    Args:
        runs: The first is what others of its set are compared with.
        owns: What the own experts of each run's set answer there.
        names: Words for task ids.
    """
    rows: list[Row] = []
    for run, own in zip(runs, owns, strict=True):
        recipe, correct = run.record.recipe, run.record.correct
        shares, mean = normalised(correct, own)
        head = (run.name, recipe.set or "", settings_line(recipe), run.key, "reporting")
        gaps = _gaps(run, runs[0], own)
        for task in in_order(names, correct):
            bits = correct[task]
            figures = (
                len(bits),
                *_three(wilson(int(bits.sum()), len(bits))),
                *_three(shares[task]),
            )
            rows.append((*head, names.get(task, task), *figures, *gaps.get(task, ("",) * 3)))
        rows.append((*head, MEAN, *("",) * 4, *_three(mean), *gaps.get(MEAN, ("",) * 3)))
    return _text(RUNS, rows)


def sweep_csv(result: SweepResult, names: Mapping[str, str], guarded: Guarded | None = None) -> str:
    """Return all points of a sweep on the half for choosing, and the best one on the other.

    Args:
        result: Whole or in part.
        names: Words for task ids, in the order of the lines.
        guarded: What a guard on held-out tasks allows of it, or None.
    """
    drawn = any(axis.kind == "seed" for axis in result.plan.axes)
    simplest = None if drawn else result.simplest  # a draw is no setting
    marks = {simplest: "simplest within noise", result.best: "best"}
    if result.best is not None and result.best == simplest:
        marks[result.best] = "best, simplest within noise"
    rows: list[Row] = []
    scored = [(point, marks.get(place, "")) for place, point in enumerate(result.points)]
    if result.chosen is not None:
        scored.append((result.chosen, "best"))
    for point, mark in scored:
        told = _guard(point, guarded)
        rows += [(*row, *told) for row in _point(point, names, mark)]
    swept = (result.plan.recipe.set or "", settings_line(result.plan.recipe))
    return _text(SWEEP, [(*swept, *row) for row in rows])


def _point(point: Point, names: Mapping[str, str], mark: str) -> list[Row]:
    key = point.recipe.key() if point.recipe is not None else ""
    head = (point.half, point.settings, key)
    if point.error:
        return [(*head, "", *("",) * len(FIGURES), "", point.error)]
    rows: list[Row] = []
    for task in in_order(names, point.correct):
        bits, share = point.correct[task], _three(point.shares.get(task))
        figures = (len(bits), *_three(point.accuracy[task]), *share)
        rows.append((*head, names.get(task, task), *figures, mark, ""))
    rows.append((*head, MEAN, *("",) * 4, *_three(point.mean), mark, ""))
    return rows


def _guard(point: Point, guarded: Guarded | None) -> Row:
    if guarded is None:
        return ("",) * len(GUARD)
    limit = "none" if guarded.guard.limit is None else guarded.guard.limit
    if point.recipe is None or point.error:
        return (guarded.bound, limit, "")
    scale = float(point.recipe.settings().common[LAMBDA])
    return (guarded.bound, limit, "allowed" if guarded.allows(scale) else "beyond")


def _gaps(run: ListedRun, first: ListedRun, own: Answers) -> dict[str, Row]:
    if run is first or run.record.recipe.set != first.record.recipe.set:
        return {}
    found = compare(run.record.correct, first.record.correct, own)
    gaps: dict[str, Row] = {task: _three(gap) for task, (_, gap) in found.tasks.items()}
    return {**gaps, MEAN: _three(found.mean[1])}


def _three(estimate: Estimate | None) -> Row:
    if estimate is None:
        return ("",) * 3
    return tuple(round(x, 5) for x in (estimate.value, estimate.low, estimate.high))


def _text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: object) -> object:
    """Keep spreadsheets from reading a text as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") and cell else cell
