"""Run lists as text: what a browser keeps, what a visitor exports and hands in again. Pure."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from merging.errors import MergeError, RecipeError
from merging.evaluation import Bits
from merging.evaluation.record import RunRecord
from merging.recipe import Recipe, parse_recipe, write_recipe
from merging.units import counted
from ui.runbook import MOST_RUNS, SHIPPED, ListedRun, RunList, check_name

FORMAT = "merge-explorer-list/1"
LONGEST = 2_000_000
LONGEST_WORD = 40
MOST_NAMED = 5  # runs in one sentence

# Items of each task that a recipe's set is scored on; raises a MergeError for a recipe that the
# page cannot merge.
Items = Callable[[Recipe], Mapping[str, int]]


def write_runs(listed: RunList) -> str:
    """Return a run list as JSON text."""
    return json.dumps({"format": FORMAT, "runs": [_written(run) for run in listed.runs]})


def _written(run: ListedRun) -> dict[str, Any]:
    record = run.record
    return {
        "name": run.name,
        "when": run.when,
        "parent": run.parent,
        "recipe": write_recipe(record.recipe),
        "correct": {task: _packed(bits) for task, bits in record.correct.items()},
        "merge_seconds": record.merge_seconds,
        "score_seconds": record.score_seconds,
        "device": record.device,
        "per_task": record.per_task,
    }


def _packed(bits: Bits) -> str:
    return base64.b64encode(np.packbits(bits).tobytes()).decode("ascii")


def read_runs(text: object, items: Items) -> tuple[RunList, tuple[str, ...]]:
    """Read a run list that may have been written by anyone.

    Args:
        text: JSON.
        items: Checks a recipe and tells what its set is scored on.

    Returns:
        The runs that can be used, and for each other one why not.

    Raises:
        RecipeError: It is no run list at all.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise RecipeError("This is no list of runs, or one that is too long.")
    try:
        sent = json.loads(text)
        entries = sent["runs"] if sent["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecipeError("This is no list of runs. Export one from this page.") from error
    if not isinstance(entries, list):
        raise RecipeError(f"This is no list of runs of format {FORMAT}.")
    runs, problems = RunList(), []
    for number, entry in enumerate(entries[:MOST_RUNS], 1):
        try:
            runs = runs.joined([_read(entry, items)])
        except MergeError as error:
            problems.append(f"Run {number} of the list is left out: {error}")
    if len(entries) > MOST_RUNS:
        problems.append(f"Only the first {MOST_RUNS} of {len(entries)} runs are taken.")
    return runs, tuple(problems)


def again_words(listed: RunList, found: RunList, after: RunList) -> str:
    """Return which imported runs were on a list already, by the names there, or had no room.

    That every list begins with the shipped run is told only where nothing else was imported.

    Args:
        listed: Before the import.
        found: The imported runs.
        after: The list with them.
    """
    again = [mine for run in found.runs if (mine := listed.find(run.key)) is not None]
    new, added = len(found.runs) - len(again), len(after.runs) - len(listed.runs)
    names = [mine.name for mine in again if not (new and mine.when == SHIPPED)]
    more = len(names) - MOST_NAMED
    told = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    said = [f"Already listed: {told}."] if names else []
    if added < new:
        said.append(
            f"A list holds {MOST_RUNS} runs: {added} of {new} were added. Delete some to make room."
        )
    elif names:
        said.append(f"{counted(added, 'run')} added." if added else "Nothing was added.")
    return " ".join(said)


def _read(entry: object, items: Items) -> ListedRun:
    if not isinstance(entry, dict):
        raise RecipeError("it is no run.")
    recipe = parse_recipe(_text(entry, "recipe", 65_536))
    correct = entry.get("correct")
    wanted = items(recipe)
    if not isinstance(correct, dict) or set(correct) != set(wanted):
        raise RecipeError("its scores are not of the tasks of its set.")
    record = RunRecord(
        key=recipe.key(),
        recipe=recipe,
        correct={task: _unpacked(correct[task], count) for task, count in wanted.items()},
        report=(),
        merge_seconds=_seconds(entry, "merge_seconds"),
        score_seconds=_seconds(entry, "score_seconds"),
        device=_text(entry, "device", LONGEST_WORD),
        per_task=entry.get("per_task") is True,
    )
    parent = _text(entry, "parent", LONGEST_WORD)
    when = _text(entry, "when", LONGEST_WORD)
    return ListedRun(record, check_name(entry.get("name")), when, parent)


def _text(entry: Mapping[str, object], name: str, longest: int) -> str:
    text = entry.get(name)
    if not isinstance(text, str) or len(text) > longest:
        raise RecipeError(f"its {name} is no text, or one that is too long.")
    return text


def _seconds(entry: Mapping[str, object], name: str) -> float:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise RecipeError(f"its {name} is no duration.")
    return float(value)


def _unpacked(text: object, count: int) -> Bits:
    """Return the answers of a task, one bit for each item."""
    try:
        packed = base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecipeError("its scores cannot be read.") from error
    if len(packed) != -(-count // 8):
        raise RecipeError(f"its scores are not of {count} items.")
    bits: Bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(np.bool_)
    return bits
