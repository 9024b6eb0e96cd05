"""Extract an expert's task vector into a small file, and measure what the file loses."""

import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.delta import FORMAT, SUFFIX, sample_of
from merging.checkpoints.delta_pack import Parts, pack_bits, pack_density, pack_rank, unpack
from merging.checkpoints.patched import PatchedCheckpoint
from merging.engine.claim import FULL
from merging.engine.plan import Plan, make_plan
from merging.engine.reading import Progress
from merging.errors import CompatibilityError, RecipeError, ResourceError, SourceError
from merging.recipe import make_recipe

EXPERT = "expert"
_MEANS: dict[str, Callable[[Tensor, float], Parts]] = {
    "rank": lambda delta, rank: pack_rank(delta, int(rank)),
    "density": pack_density,
    "bits": lambda delta, bits: pack_bits(delta, int(bits)),
}


@dataclass(frozen=True, slots=True)
class Packing:
    """How tensors are made small.

    Attributes:
        kind: rank, density or bits.
        setting: A whole number from 1, a share in (0, 1], or 4 or 6.

    Raises:
        RecipeError: Another kind, or a setting out of range.
    """

    kind: str
    setting: float

    def __post_init__(self) -> None:
        value = self.setting
        good = {
            "rank": value >= 1 and value == int(value),
            "density": 0 < value <= 1,
            "bits": value in (4, 6),
        }
        if not good.get(self.kind, False):
            raise RecipeError(
                f"{self.kind} is {value:g}. A delta is stored with rank (a whole number from 1), "
                "density (above 0, at most 1) or bits (4 or 6)."
            )


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written and what it lost.

    Attributes:
        file: The delta file.
        size: Its bytes.
        tensors: Number of tensors that changed.
        loss: ‖delta - stored‖ / ‖delta‖ over all of them.
        worst: The largest such value of one tensor.
        worst_tensor: Which one.
        left_out: Names of tensors that differ but are not merged (task heads, statistics), with
            the reason.
    """

    file: Path
    size: int
    tensors: int
    loss: float
    worst: float
    worst_tensor: str
    left_out: tuple[tuple[str, str], ...]


def extract(
    base: Checkpoint,
    expert: Checkpoint,
    packing: Packing,
    out: Path,
    progress: Progress = lambda fraction, message: None,
) -> Extracted:
    """Write an expert's task vector as a delta file, whole or not at all.

    Args:
        base: What the expert was made from.
        expert: A folder, an adapter over the base, or another delta.
        packing: How to make it small.
        out: The file; must be new and end in ``.safetensors``.
        progress: Called with the share done and a word; it may raise ``Cancelled``.

    Raises:
        CompatibilityError: The two do not fit together, are equal, or a number is not finite.
        SourceError: ``out`` exists or cannot be written, or a model cannot be read.
        ResourceError: The disk is full.
    """
    _check_target(out)
    plan = make_plan(make_recipe("task_arithmetic", [EXPERT]), base, {EXPERT: expert})
    steps = [s for s in plan.steps if s.action in ("merge", "tie")]
    parts: dict[str, Tensor] = {}
    squares: dict[str, tuple[float, float]] = {}
    for index, step in enumerate(steps):
        progress(index / len(steps), f"extract {step.tensor}")
        delta = _delta(base, expert, step.tensor)
        if not bool(delta.any()):
            continue
        packed = _MEANS[packing.kind](delta, packing.setting)
        lost = delta.reshape(-1) - unpack(packed, tuple(delta.shape)).reshape(-1)
        squares[step.tensor] = float(lost.square().sum()), float(delta.square().sum())
        parts |= {f"{step.tensor}/{part}": tensor for part, tensor in packed.items()}
    if not squares:
        raise CompatibilityError(f"{expert.name} has the weights of {base.name}: nothing to store.")
    loss, each = _losses(squares)
    worst = max(each, key=lambda name: each[name])
    about = {
        "format": FORMAT,
        "kind": packing.kind,
        "setting": json.dumps(packing.setting),
        "base": base.identity(),
        "base_sample": sample_of(base),
        "expert": expert.name,
        "loss": f"{loss:.6g}",
        "worst": f"{each[worst]:.6g}",
        "worst_tensor": worst,
    }
    size = _write(out, parts, about)
    progress(1.0, "extracted")
    return Extracted(out, size, len(squares), loss, each[worst], worst, _left_out(plan, expert))


def _losses(squares: Mapping[str, tuple[float, float]]) -> tuple[float, dict[str, float]]:
    """Relative loss of all tensors together and of each."""
    lost, all_of_it = (sum(pair[i] for pair in squares.values()) for i in (0, 1))
    each = {name: math.sqrt(a / b) for name, (a, b) in squares.items()}
    return math.sqrt(lost / all_of_it), each


def _left_out(plan: Plan, expert: Checkpoint) -> tuple[tuple[str, str], ...]:
    """Tensors that differ or are the expert's own, and are not merged."""
    found = []
    for step in plan.steps:
        if step.action == "leave_out":
            found.append((step.tensor, step.reason))
        elif step.action == "copy" and plan.base is not None:
            ours, theirs = plan.base.load(step.tensor), expert.load(step.tensor)
            if ours.shape != theirs.shape or not torch.equal(ours, theirs):
                found.append((step.tensor, step.reason))
    return tuple(found)


def _delta(base: Checkpoint, expert: Checkpoint, name: str) -> Tensor:
    """Expert minus base in float64; exact where the expert is a change of this base."""
    if isinstance(expert, PatchedCheckpoint) and expert.base is base:
        delta = expert.delta(name)
    else:
        delta = expert.load(name).double() - base.load(name).double()
    if not bool(torch.isfinite(delta).all()):
        bad = expert if not bool(torch.isfinite(expert.load(name)).all()) else base
        raise CompatibilityError(
            f"{bad.name} holds a number in {name!r} that is infinite or not a number. "
            "The file is damaged or its training diverged."
        )
    return delta


def _check_target(out: Path) -> None:
    if out.suffix != SUFFIX:
        raise SourceError(f"--out is {out.name!r}; a delta is a file that ends in {SUFFIX}.")
    if os.path.lexists(out):
        raise SourceError(f"{str(out)!r} exists already. Choose another --out.")


def _write(out: Path, parts: dict[str, Tensor], about: dict[str, str]) -> int:
    """Write under another name and rename when complete; return the bytes."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(parts, partial, about)
        _check_target(out)
        partial.replace(out)
        return out.stat().st_size
    except (OSError, safetensors.SafetensorError) as error:
        full = "os error 28" in str(error) or getattr(error, "errno", None) in FULL
        kind = ResourceError if full else SourceError
        raise kind(f"Cannot write {str(out)!r}: {error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
