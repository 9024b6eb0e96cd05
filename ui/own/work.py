"""Work in the background: check a recipe of own models, and merge it into a download."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from merging.checkpoints.adapter_alone import modules_of
from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.engine import make_plan
from merging.engine.adapter_output import write_adapter
from merging.engine.adapters import check_alone, merge_adapters
from merging.engine.commit import commit
from merging.engine.sink import outputs_of
from merging.errors import CompatibilityError, MergeError, SourceError
from merging.export.verify import record, verify
from merging.jobs import Report
from merging.preflight import Finding, Findings, check
from merging.preflight.check import unreadable
from merging.preflight.findings import sorted_findings
from merging.recipe import Recipe
from merging.units import size_text
from ui.own.outputs import pack
from ui.own.shelf import Shelf

MOST_BYTES = 4_000_000_000  # of a model that the page hands out
WRITTEN, LOOKED = 0.8, 0.9  # share done when the model is written, and when it was looked at
SPARE = 500_000_000  # bytes of disk that are left alone
HOW = {
    "factors": "A and B were merged apart, as peft does",
    "joined": "the sum is exact",
    "cut": "the true deltas were merged and cut to the rank",
}
COMMAND = "python -m merging merge RECIPE --out DIR"


@dataclass(frozen=True, slots=True)
class Task:
    """What a visitor asks for.

    Attributes:
        recipe: Of listed models.
        output: model or adapter.
        rank: Of an adapter, 0 for the largest of the inputs.
    """

    recipe: Recipe
    output: str = "model"
    rank: int = 0

    @property
    def key(self) -> str:
        """Equal tasks have equal keys."""
        return f"{self.output} {self.rank if self.output == 'adapter' else ''} {self.recipe.key()}"

    @property
    def name(self) -> str:
        """Name of the written folder."""
        return f"merged-{self.recipe.method}-{self.recipe.key()}"


def findings(task: Task, shelf: Shelf, folder: Path) -> Findings:
    """Return what speaks against a task; what refuses it blocks.

    Args:
        task: What is asked for.
        shelf: The models.
        folder: Where the result would be written.
    """
    try:
        if task.output == "adapter":
            return _adapter_findings(task, shelf)
        base, experts = shelf.open(task.recipe)
        found = list(check(task.recipe, base, experts, folder=folder).entries)
        reference = base or experts[task.recipe.ordered().experts[0].id]
        found += _too_large(written_bytes(task.recipe, reference), folder)
    except SourceError as error:
        found = [unreadable(error)]
    except MergeError as error:
        found = [Finding("blocks", "refused", str(error))]
    told = (
        replace(f, message=_here(shelf.hidden(f.message)), remedy=_here(f.remedy)) for f in found
    )
    return sorted_findings(list(told))


def _here(text: str) -> str:
    """A sentence about a line of a recipe's file, for who has the page's controls instead."""
    return text.replace(
        "Write tokenizer: union (or base) into the recipe",
        "Choose a vocabulary (all tokens of all models, or the base's)",
    )


def written_bytes(recipe: Recipe, reference: Checkpoint) -> int:
    """Return how large the weights become on disk, rows of added tokens left out.

    Args:
        recipe: Names the written type.
        reference: The base, or the first expert.
    """
    wide = {"float32": 4, "float16": 2, "bfloat16": 2}.get(recipe.dtype or "")
    return sum(
        math.prod(info.shape)
        * (wide if wide and info.dtype.is_floating_point else info.dtype.itemsize)
        for info in reference.tensors().values()
    )


def _adapter_findings(task: Task, shelf: Shelf) -> Findings:
    check_alone(task.recipe)
    adapters = shelf.adapters(task.recipe)
    modules = modules_of(tuple(adapters.values()))
    if not modules:
        raise CompatibilityError("The adapters change no module by B·A: nothing can be merged.")
    most = max(p.rank for a in adapters.values() for p in a.pairs.values())
    message = (
        f"{len(adapters)} adapter(s) on {len(modules)} modules, ranks up to {most}. The base's "
        "weights are not read, so whether the adapters fit it is not looked at."
    )
    return sorted_findings([Finding("tells", "adapter", message)])


def _too_large(size: int, folder: Path) -> list[Finding]:
    free = max(0, (shutil.disk_usage(folder).free - SPARE) // 2)  # a folder and its archive
    most = min(MOST_BYTES, free)
    if size <= most:
        return []
    why = "free disk space" if free < MOST_BYTES else "this page's limit"
    message = f"The model takes {size_text(size)}; {size_text(most)} can be handed out ({why})."
    remedy = f"Save the recipe beside your models and use the command line: {COMMAND}."
    values = (size_text(size), size_text(most))
    return [Finding("blocks", "download", message, remedy, values=values)]


def part(report: Report, start: float, end: float) -> Report:
    """Return a report of a part of the work, from ``start`` to ``end`` of the whole."""

    def told(fraction: float, message: str) -> None:
        report(start + (end - start) * min(1.0, fraction), message)

    return told


def merge(task: Task, shelf: Shelf, folder: Path, report: Report) -> tuple[str, ...]:
    """Merge into a folder, look at it, and pack it into ``folder.zip``.

    Args:
        task: What is asked for.
        shelf: The models.
        folder: Does not exist yet; its parent does.
        report: Told the share done and a word; it may raise ``Cancelled``.

    Returns:
        What was done and found, in sentences.

    Raises:
        MergeError: The task is refused, or what was written does not pass its check.
    """
    report(0.0, "checking")
    found = findings(task, shelf, folder.parent)
    if found.blocks:
        raise CompatibilityError(blocked(found))
    make: Callable[[Task, Shelf, Path, Report], list[str]]
    make = _adapter if task.output == "adapter" else _model
    told = make(task, shelf, folder, report)
    pack(folder, part(report, LOOKED, 1.0))
    return tuple(told)


def blocked(found: Findings) -> str:
    """Say how many findings block a merge, and the first of them."""
    blocks = [f for f in found.entries if f.severity == "blocks"]
    count = "1 finding blocks" if len(blocks) == 1 else f"{len(blocks)} findings block"
    first = f"{'' if len(blocks) == 1 else 'The first: '}{blocks[0].message}"
    return f"{count} the merge. {first}{f' {blocks[0].remedy}' if blocks[0].remedy else ''}"


def _model(task: Task, shelf: Shelf, folder: Path, report: Report) -> list[str]:
    base, experts = shelf.open(task.recipe)
    plan = make_plan(task.recipe, base, experts)
    outcome = commit(plan, folder, part(report, 0.02, WRITTEN))
    whole = task.recipe.spec.whole is not None
    slots = {} if whole else outputs_of(plan)
    expected = {n: TensorInfo(s.shape, s.dtype) for n, s in slots.items()}
    verdict = verify(folder, expected or None, report=part(report, WRITTEN, LOOKED))
    if not verdict.ok:
        raise CompatibilityError(
            f"What was written does not pass its check, and nothing was kept: {verdict.text()}"
        )
    record(folder, verdict)
    actions = [entry.action for entry in outcome.report]
    merged = actions.count("merge")
    return [
        f"{merged} tensors merged, {len(actions) - merged} copied or left out, in "
        f"{outcome.seconds:.1f} s on {outcome.device}.",
        f"Checked: {verdict.text().rstrip('.')}.",
    ]


def _adapter(task: Task, shelf: Shelf, folder: Path, report: Report) -> list[str]:
    adapters = shelf.adapters(task.recipe)
    recipe = replace(task.recipe, tokenizer=None, pad_to_multiple_of=1, chat_template=None)
    made = merge_adapters(recipe, adapters, task.rank or None, part(report, 0.02, WRITTEN))
    write_adapter(made, folder)
    ranks = sorted({f.a.shape[0] for f in made.factors.values()})
    return [
        f"An adapter of rank {', '.join(map(str, ranks))} on {len(made.factors)} modules; "
        f"{HOW[made.how]}, in {made.seconds:.1f} s.",
        f"Energy kept: {made.kept:.2%}.",
    ]
