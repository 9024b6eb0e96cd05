"""``python -m scripts.zoo``: make the bundled models from packages, or only parts of it.

Without options everything is built in a temporary folder beside ``assets/zoo`` and takes its place
when complete. ``--experts`` trains the experts of one family again from the base that is there,
``--only NAME`` the strangers or a set for teaching beside what is there; with the narrow family
also the sparse set and the checkpoints, which are made from it. ``--sketch`` rebuilds sketches,
``--finish`` everything that is computed from weights (references, sketches, shipped runs, cards),
with ``--only`` that of one set. ``--check`` scores the committed weights again and exits 1 where
they differ from the card.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from merging.sets.bundled import ROOT
from scripts.zoo import finish, lesson_models, stranger, table, teaching
from scripts.zoo.models import load_head, load_model, rounded, save_heads, save_model, timed
from scripts.zoo.sources import Data

FAMILIES = ("gentle", "bold")
SETS = (*FAMILIES, stranger.NAME, *teaching.TEACHING)
FROM_NARROW = ("narrow", "sparse", lesson_models.RUN)


def main() -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/build_zoo", description=__doc__)
    parser.add_argument("--experts", choices=FAMILIES, help="train one family again")
    parser.add_argument("--only", choices=SETS[2:], help="train and finish one set alone")
    parser.add_argument("--sketch", action="store_true", help="rebuild sketches only")
    parser.add_argument("--finish", action="store_true", help="recompute all but the weights")
    parser.add_argument("--check", action="store_true", help="score again, compare with the card")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    begin = time.perf_counter()
    if options.check:
        return check()
    if options.sketch:
        for name in SETS:
            finish.write_sketch(ROOT, name)
    elif options.finish:
        finish_all(ROOT, (options.only,) if options.only else SETS)
    elif options.experts:
        again(options.experts)
    elif options.only:
        again(options.only)
    else:
        build()
    print(f"done in {(time.perf_counter() - begin) / 60:.1f} min")
    return 0


def build() -> None:
    """Train everything, then put it in place of what was there."""
    from scripts.zoo import train

    work = ROOT.with_name("zoo.partial")
    shutil.rmtree(work, ignore_errors=True)
    tasks, extra = collect()
    seconds: dict[str, float] = {}
    base = timed(seconds, "base", lambda: train.train_base(tasks, extra, train.BASE))
    save_model(base, work / "base")
    save_heads(rounded(base).eval(), tasks, work / "heads")
    for task in tasks:
        save_items(task, work)
    for family in FAMILIES:
        seconds |= train_family(family, tasks, extra, work)
    for work_on in (stranger.train, *_trainers(teaching.TEACHING)):
        seconds |= work_on(tasks, extra, work)
    write_facts(work, describe(tasks, work, seconds))
    finish_all(work)
    shutil.rmtree(ROOT, ignore_errors=True)
    work.rename(ROOT)


def again(name: str) -> None:
    """Train one family's experts again from the base and heads that are there, or another set.

    What is computed from weights is computed for that set only, or for all after a family, since
    the strangers are measured by an expert of another set.
    """
    tasks, extra = collect()
    seconds = json.loads((ROOT / "facts.json").read_text())["training"]["seconds"]
    names: tuple[str, ...] = SETS if name in FAMILIES else (name,)
    if name in (FROM_NARROW[0], FROM_NARROW[-1]):
        names = FROM_NARROW
    if name in FAMILIES:
        seconds |= train_family(name, tasks, extra, ROOT)
    elif name == stranger.NAME:
        seconds |= stranger.train(tasks, extra, ROOT)
    else:
        for work_on in _trainers(names):
            seconds |= work_on(tasks, extra, ROOT)
    write_facts(ROOT, describe(tasks, ROOT, seconds))
    finish_all(ROOT, names)


def _trainers(names: Iterable[str]) -> list[teaching.Train]:
    """Return what trains sets for teaching, once where two fall out of the same training."""
    return list(dict.fromkeys(teaching.TEACHING[name].train for name in names))


def write_facts(root: Path, facts: dict) -> None:
    """Write what the cards need and the weights do not know."""
    (root / "facts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def train_family(
    family: str, tasks: list[Data], extra: tuple[np.ndarray, np.ndarray], root: Path
) -> dict[str, float]:
    """Train and write the experts of a family; return the seconds each took."""
    from scripts.zoo import train

    base, again = load_model(root / "base"), train.rehearsal_images(tasks, extra)
    schedule = {"gentle": train.GENTLE, "bold": train.BOLD}[family]
    seconds: dict[str, float] = {}
    for task in tasks:
        head = load_head(root / "heads", task.id)
        work = partial(train.train_expert, base, task, head, again, schedule)
        save_model(timed(seconds, f"{family} {task.id}", work), root / family / task.id)
    return seconds


def collect() -> tuple[list[Data], tuple[np.ndarray, np.ndarray]]:
    """Return the five tasks and the extra set that only the base sees."""
    from scripts.zoo import glyphs, sources

    tasks = [sources.digits(), sources.fashion(), sources.optical()]
    return [*tasks, glyphs.scripts(), glyphs.pictograms()], glyphs.other_scripts()


def finish_all(root: Path, names: tuple[str, ...] = SETS) -> None:
    """Compute references, sketches, shipped runs and cards from the weights."""
    facts = json.loads((root / "facts.json").read_text())
    for name in names:
        print(f"finish {name}", flush=True)
        if name == stranger.NAME:
            stranger.complete(root, facts)
            continue
        if name in teaching.TEACHING:
            teaching.complete(root, facts, name)
            continue
        finish.write_stub(root, name, facts)
        finish.write_references(root, name)
        finish.write_sketch(root, name)
        finish.write_runs(root, name)
        finish.write_scores(root, name)
    facts["sets"] = {n: teaching.sizes(root, n) for n in SETS if (root / n / "card.json").exists()}
    write_facts(root, facts)
    table.update(root)
    for path in root.rglob("*.safetensors"):
        path.chmod(0o644)


def check() -> int:
    """Compare the committed weights with their cards."""
    problems = [p for name in FAMILIES for p in finish.check_set(ROOT, name)]
    problems += stranger.check(ROOT)
    problems += [p for name in teaching.TEACHING for p in teaching.check(ROOT, name)]
    print("\n".join(problems) or "all scores agree with the cards")
    return 1 if problems else 0


def save_items(task: Data, root: Path) -> None:
    """Write a task's evaluation items, first half for tuning, second for reporting."""
    (root / "eval").mkdir(parents=True, exist_ok=True)
    pixels, labels = (torch.from_numpy(np.array(part)) for part in task.evaluation)
    middle = len(labels) // 2
    parts = {"tuning": slice(0, middle), "reporting": slice(middle, None)}
    items = {}
    for half, where in parts.items():
        items[f"{half}/images"] = pixels[where].contiguous()
        items[f"{half}/labels"] = labels[where].contiguous()
    save_file(items, root / "eval" / f"{task.id}.safetensors")


def describe(tasks: list[Data], root: Path, seconds: dict[str, float]) -> dict:
    """Return what the cards say that the weights do not know."""
    from scripts.zoo import train

    return {
        "preprocess": {"mean": train.MEAN, "std": train.STD},
        "parameters": sum(p.numel() for p in load_model(root / "base").parameters()),
        "tasks": [
            {
                "id": task.id,
                "label": task.label,
                "classes": list(task.classes),
                "train": len(task.train[1]),
                "tuning": len(task.evaluation[1]) // 2,
                "reporting": len(task.evaluation[1]) - len(task.evaluation[1]) // 2,
                "source": task.source,
                "licence": task.licence,
                "split": task.split,
            }
            for task in tasks
        ],
        "training": {
            "base": asdict(train.BASE) | {"labels_per_task": train.BASE_LABELS},
            "gentle": asdict(train.GENTLE),
            "bold": asdict(train.BOLD),
            "stranger": asdict(train.STRANGER) | {"labels_per_task": train.BASE_LABELS},
            **{
                name: {what: asdict(schedule) for what, schedule in about.schedules.items()}
                for name, about in teaching.TEACHING.items()
            },
            "seconds": {name: round(value) for name, value in seconds.items()},
        },
    }


if __name__ == "__main__":
    sys.exit(main())
