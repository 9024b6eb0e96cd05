"""Open what was written and see whether it is what was planned, and whether it works."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from merging.checkpoints import FolderCheckpoint, open_folder
from merging.checkpoints.base import TensorInfo
from merging.errors import Cancelled, MergeError, ResourceError
from merging.export.trial import Trial, try_model
from merging.jobs import Report

CHUNK = 1 << 22  # elements looked at in one go
REPORT_FILE = "merge_report.json"
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at a written folder found.

    Attributes:
        problems: What is wrong, in sentences; empty where all is well.
        tensors: Number of tensors that were read.
        loaded: Did transformers load it? None where that was not tried.
        forward: Was the output of one forward pass finite? None where there was none.
        notes: What was not tried and why, and what else to know.
    """

    problems: tuple[str, ...]
    tensors: int
    loaded: bool | None = None
    forward: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Is nothing wrong with what was looked at?"""
        return not self.problems

    def text(self) -> str:
        """Return the verdict in one or two sentences."""
        if self.problems:
            return " ".join(self.problems)
        said = [f"read back: {self.tensors} tensors, all there and finite"]
        if self.loaded:
            said.append("transformers loads it")
        if self.forward:
            said.append("a forward pass is finite")
        return "; ".join([*said, *self.notes])


def verify(
    folder: Path,
    expected: Mapping[str, TensorInfo] | None = None,
    memory: int | None = None,
    report: Report = lambda fraction, message: None,
) -> Verdict:
    """Check a written model folder.

    Every tensor must be there with its shape and type and hold finite numbers only. Where
    transformers knows the config and the model fits the memory, it is loaded (safetensors only,
    no code of strangers) and run once on neutral inputs.

    Args:
        folder: What was written.
        expected: Shape and type of every tensor, or None where they are not known.
        memory: Bytes that may be used to load the model, or None for what is free.
        report: Told the share of the tensors that was read.

    Raises:
        Cancelled: As raised by ``report``.
    """
    try:
        model = open_folder(folder)
        problems = [*_differences(model.tensors(), expected), *_not_finite(model, report)]
    except Cancelled:
        raise
    except (MergeError, OSError) as error:
        return Verdict((f"What was written cannot be read: {error}",), 0)
    count = len(model.tensors())
    if problems:
        return Verdict(tuple(problems), count, notes=("It was not loaded after that.",))
    found: Trial = try_model(folder, model.tensors(), memory)
    return Verdict(found.problems, count, found.loaded, found.forward, found.notes)


def record(folder: Path, verdict: Verdict) -> None:
    """Put a verdict into the report of a written folder.

    Raises:
        ResourceError: The report cannot be read or written.
    """
    path = folder / REPORT_FILE
    partial = folder / f"{REPORT_FILE}.partial"
    try:
        report = json.loads(path.read_text("utf-8"))
        report = {"verified": {"ok": verdict.ok, **asdict(verdict)}, **report}
        partial.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        os.replace(partial, path)
    except (OSError, ValueError, TypeError) as error:
        partial.unlink(missing_ok=True)
        raise ResourceError(
            f"{str(path)!r} cannot be completed with what the check found: {error}. The model "
            "itself is written; check the disk."
        ) from error


def _differences(
    found: Mapping[str, TensorInfo], expected: Mapping[str, TensorInfo] | None
) -> list[str]:
    if expected is None:
        return []
    said = []
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing:
        said.append(f"{len(missing)} tensors are missing: {_named(missing)}.")
    if extra:
        said.append(f"{len(extra)} tensors were not planned: {_named(extra)}.")
    wrong = [n for n in sorted(expected) if n in found and found[n] != expected[n]]
    said += [
        f"{n!r} is {_about(found[n])}; planned was {_about(expected[n])}."
        for n in wrong[:MOST_NAMED]
    ]
    if len(wrong) > MOST_NAMED:
        said.append(f"{len(wrong)} tensors in all have another shape or type than planned.")
    return said


def _not_finite(model: FolderCheckpoint, report: Report) -> list[str]:
    """Read every weight, a chunk at a time."""
    bad: list[str] = []
    infos = model.tensors()
    with model.opened() as opened:
        for place, (name, info) in enumerate(infos.items()):
            report(place / len(infos), "looking at what was written")
            size = torch.Size(info.shape).numel()
            if info.dtype.is_floating_point and any(
                not bool(torch.isfinite(opened.run(name, i, min(size, i + CHUNK))).all())
                for i in range(0, size, CHUNK)
            ):
                bad.append(name)
    if not bad:
        return []
    return [f"{len(bad)} tensors hold values that are not finite: {_named(bad)}."]


def _about(info: TensorInfo) -> str:
    shape: Any = list(info.shape)
    return f"{shape} of {str(info.dtype).removeprefix('torch.')}"


def _named(names: list[str]) -> str:
    shown = ", ".join(repr(n)[:120] for n in names[:MOST_NAMED])
    return shown + (" and more" if len(names) > MOST_NAMED else "")
