"""Merge and score every method on both families: the README's table, no number typed by hand.

    scripts/report [--out DIR] [--only ID ...]
    scripts/report --recipe RECIPE.yaml --out DIR

Each method runs at its presets ("as in the paper") and, where it has a strength λ, once more at
the λ of ``GRID`` that is best on the tuning half. Shown is the reporting half; one process per
core, one thread each, as the app computes. Without ``--out`` the figures go to
assets/docs/scores.json and the table into the README. With ``--recipe`` that one is told as a page
of its own instead, DIR/report.html, by the app's sentences and charts.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from merging.engine import one_thread
from merging.evaluation import Bits, normalised
from merging.evaluation.record import RunRecord
from merging.experiment import merge_and_evaluate
from merging.methods.registry import METHODS, method
from merging.methods.spec import MethodSpec
from merging.recipe import make_recipe
from merging.sets import ModelSet, missing, open_set, references, zoo_root
from scripts.report_page import write_report
from scripts.zoo.finish import best, score_references, write_json
from scripts.zoo.table import percent_cell

ROOT = Path(__file__).resolve().parents[1]
SCORES = ROOT / "assets" / "docs" / "scores.json"
START, END = "<!-- methods table -->", "<!-- end of methods table -->"
FAMILIES = ("gentle", "bold")
GRID = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0)


def measure(only: list[str]) -> dict[str, Any]:
    """Score the methods on both families."""
    chosen = [spec.id for spec in METHODS if not only or spec.id in only]
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=one_thread) as pool:
        entries = list(pool.map(_method, chosen))
    return {"grid": list(GRID), "base": _base(), "methods": entries}


def _base() -> dict[str, Any]:
    found = {name: references(name) for name in FAMILIES}
    return {name: asdict(normalised(r.base, r.own)[1]) for name, r in found.items()}


@cache
def _own(name: str) -> dict[str, Bits]:
    """What each task's own expert answers correctly, tuning half."""
    return score_references(zoo_root(), name, "tuning")["own"]


def _method(method_id: str) -> dict[str, Any]:
    spec = method(method_id)
    entry: dict[str, Any] = {"id": spec.id, "label": spec.label, "family": spec.family}
    for name in FAMILIES:
        opened = open_set(name)
        lacking = missing(spec, opened)
        if lacking:
            return entry | {"missing": lacking}
        entry[name] = _family(spec, opened)
        entry["experts"] = entry[name].pop("experts")
        print(f"{name:8}{spec.label:26}{percent_cell(entry[name]['preset']['mean'])}", flush=True)
    return entry


def _family(spec: MethodSpec, opened: ModelSet) -> dict[str, Any]:
    experts = list(opened.experts)[: spec.needs.most]
    preset = make_recipe(spec.id, experts, set=opened.id)
    found = {"experts": experts, "preset": _figures(opened, merge_and_evaluate(preset))}
    scale = next((p for p in spec.params if p.name == "scale"), None)
    if scale is not None:
        tries = [preset.patched({"scale": s}) for s in GRID if scale.minimum <= s <= scale.maximum]
        winner = best(opened.root, tries, _own(opened.id))
        figures = _figures(opened, merge_and_evaluate(winner))
        found["chosen"] = {"scale": winner.settings().number("scale"), **figures}
    return found


def _figures(opened: ModelSet, record: RunRecord) -> dict[str, Any]:
    shares, mean = normalised(record.correct, references(opened.id).own)
    worst = min(shares, key=lambda task: shares[task].value)
    label = next(t["label"] for t in opened.card["tasks"] if t["id"] == worst)
    return {
        "mean": asdict(mean),
        "worst": {"task": label, "value": shares[worst].value},
        "per_task": record.per_task,
    }


def table(scores: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [
        "Mean over the five tasks of the share of the own expert's accuracy, in per cent, with",
        "95 % intervals, and the task with the lowest share; reporting half. Left: the presets, as",
        "in the paper. Right: λ chosen on the tuning half among",
        f"{', '.join(f'{s:g}' for s in scores['grid'])}.",
        "¹ first two experts, ² first expert only (the other tasks are then the base's), ³ each",
        "task with a model of its own. Random methods: one draw, whose noise the interval lacks.",
        "Greedy soup chooses on every sixth image of the tuning half, so that it answers in time.",
        "",
        "| method | gentle | gentle, λ chosen | bold | bold, λ chosen |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines.append(
        f"| Untouched base | {' | | '.join(map(percent_cell, scores['base'].values()))} | |"
    )
    for family in dict.fromkeys(entry["family"] for entry in scores["methods"]):
        lines.append(f"| *{family}* | | | | |")
        lines += [_row(entry) for entry in scores["methods"] if entry["family"] == family]
    return "\n".join(lines)


def _row(entry: dict[str, Any]) -> str:
    if "missing" in entry:
        return f"| {entry['label']} | {entry['missing']} | | | |"
    mark = {1: " ²", 2: " ¹"}.get(len(entry["experts"]), "")
    mark += " ³" if entry["gentle"]["preset"]["per_task"] else ""
    cells = [entry["label"] + mark]
    for name in FAMILIES:
        cells.append(_cell(entry[name]["preset"]))
        chosen = entry[name].get("chosen")
        cells.append(f"{_cell(chosen)}, λ = {chosen['scale']:g}" if chosen else "")
    return f"| {' | '.join(cells)} |"


def _cell(figures: dict[str, Any]) -> str:
    worst = figures["worst"]
    return f"{percent_cell(figures['mean'])}, {worst['task']} {100 * worst['value']:.1f}"


def update(readme: Path, scores: dict[str, Any]) -> None:
    """Write the table between its markers."""
    head, rest = readme.read_text("utf-8").split(START, 1)
    tail = rest.split(END, 1)[1]
    readme.write_text(f"{head}{START}\n{table(scores)}\n{END}{tail}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/report", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--recipe", type=Path)
    options = parser.parse_args()
    if options.recipe:
        print(write_report(options.recipe, options.out or Path("out/report")))
        return 0
    scores = measure(options.only)
    print(table(scores))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(options.out / "scores.json", scores)
    elif not options.only:
        write_json(SCORES, scores)
        update(ROOT / "README.md", scores)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
