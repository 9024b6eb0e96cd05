"""Sketches in files: written under a temporary name, and hostile until checked when read."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.errors import ResourceError, SourceError
from merging.recipe.model import MOST_EXPERTS
from merging.sketch.model import Sketch
from merging.sketch.parts import Part
from merging.sketch.quantiles import SHARES

FORMAT = "merge-explorer-sketch/2"
MOST_FACTS = 64 << 20
MOST_WEIGHTS = 1 << 40
_SAMPLES = ("base", "deltas")
_SUMS = ("nonzero", "l1", "dots")


def save_sketch(sketch: Sketch, path: Path, weights: str | None = None) -> None:
    """Write a sketch; the file appears under its name only when complete.

    Args:
        sketch: What to write.
        path: The file.
        weights: Hash of the weights, of ``weights_identity``. With it the samples are left out:
            who loads the sketch has the weights beside it.

    Raises:
        ResourceError: The file cannot be written.
    """
    arrays = {name: getattr(sketch, name) for name in (*_SUMS, "levels", "model_levels")}
    arrays["drawn"] = sketch.index[_drawn(sketch.parts)].to(torch.int64)
    if weights is None:
        arrays |= {name: getattr(sketch, name) for name in _SAMPLES}
    facts = {
        "format": FORMAT,
        "identity": sketch.identity,
        "seed": sketch.seed,
        "quick": sketch.quick,
        "experts": sketch.experts,
        "parts": [[p.tensor, p.shape, p.sampled] for p in sketch.parts],
        "weights": weights,
    }
    partial = path.with_suffix(".partial")
    try:
        save_file({n: a.contiguous() for n, a in arrays.items()}, partial,
                  {"sketch": json.dumps(facts)})  # fmt: skip
        partial.rename(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise ResourceError(f"The sketch {path.name} could not be written: {error}") from error


def load_sketch(
    path: Path, base: Checkpoint | None = None, experts: Mapping[str, Checkpoint] | None = None
) -> Sketch:
    """Read and check a sketch.

    Args:
        path: The file.
        base, experts: The weights, for a sketch that was saved without samples.

    Raises:
        SourceError: It cannot be read, is damaged or of another version, or belongs to other
            weights than those given.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = _facts(path, (file.metadata() or {}).get("sketch", ""))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SourceError(f"Cannot read the sketch {path.name}: {error}") from error
    parts = _parts(path, facts["parts"])
    ids = _experts(path, facts["experts"])
    index = _index(path, parts, arrays.get("drawn"))
    if facts.get("weights") is not None:
        arrays |= _read_samples(path, facts, parts, index, base, experts)
    _check_arrays(path, arrays, parts, len(ids))
    names = (*_SAMPLES, *_SUMS, "levels", "model_levels")
    return Sketch(
        identity=str(facts["identity"])[:64],
        seed=int(facts["seed"]),
        quick=bool(facts["quick"]),
        experts=ids,
        parts=parts,
        index=index,
        **{name: arrays[name] for name in names},
    )


def weights_identity(base: Checkpoint, experts: Mapping[str, Checkpoint]) -> str:
    """Return a hash of the content of base and experts, 16 hexadecimal digits."""
    told = [base.identity(), *(f"{e}:{experts[e].identity()}" for e in sorted(experts))]
    return sha256("\n".join(told).encode()).hexdigest()[:16]


def _facts(path: Path, text: str) -> dict[str, Any]:
    if len(text) > MOST_FACTS:
        raise SourceError(f"The sketch {path.name} is damaged: its description is too long.")
    try:
        facts = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise SourceError(f"The sketch {path.name} is damaged: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise SourceError(
            f"{path.name} is not a sketch of format {FORMAT}. Build it again from its models."
        )
    seed, quick = facts.get("seed"), facts.get("quick")
    if (
        type(seed) is not int
        or type(quick) is not bool
        or not isinstance(facts.get("identity"), str)
    ):
        raise _damaged(path, "its description")
    return facts


def _parts(path: Path, told: Any) -> tuple[Part, ...]:
    parts, start = [], 0
    for entry in told if isinstance(told, list) else []:
        match entry:
            case [str(tensor), list(shape), int(sampled)] if all(
                type(n) is int and 0 < n <= MOST_WEIGHTS for n in (*shape, sampled)
            ):
                count = 1
                for size in shape:
                    count *= size
                if sampled > count or count > MOST_WEIGHTS:
                    raise _damaged(path, "the list of its tensors")
                parts.append(Part(tensor, tuple(shape), count, sampled, start))
                start += sampled
            case _:
                raise _damaged(path, "the list of its tensors")
    if not parts or len({part.tensor for part in parts}) < len(parts):
        raise _damaged(path, "the list of its tensors")
    return tuple(parts)


def _experts(path: Path, told: Any) -> tuple[str, ...]:
    named = isinstance(told, list) and all(isinstance(e, str) and e for e in told)
    if not named or not 0 < len(told) <= MOST_EXPERTS or sorted(set(told)) != told:
        raise _damaged(path, "the list of its experts")
    return tuple(told)


def _drawn(parts: tuple[Part, ...]) -> Tensor:
    """Mark the columns of tensors that are not whole, bool, shape (columns,)."""
    marks = [np.full(part.sampled, not part.whole) for part in parts]
    return torch.from_numpy(np.concatenate(marks))


def _index(path: Path, parts: tuple[Part, ...], drawn: Tensor | None) -> Tensor:
    sampled = [part for part in parts if not part.whole]
    known = sum(part.sampled for part in sampled)
    if drawn is None or drawn.dtype != torch.int64 or tuple(drawn.shape) != (known,):
        raise _damaged(path, "drawn")
    rest = iter(torch.split(drawn, [part.sampled for part in sampled]))
    found = []
    for part in parts:
        own = torch.arange(part.count) if part.whole else next(rest)
        if int(own[0]) < 0 or int(own[-1]) >= part.count or bool((own.diff() <= 0).any()):
            raise _damaged(path, "drawn")
        found.append(own)
    return torch.cat(found)


def _read_samples(
    path: Path,
    facts: dict[str, Any],
    parts: tuple[Part, ...],
    index: Tensor,
    base: Checkpoint | None,
    experts: Mapping[str, Checkpoint] | None,
) -> dict[str, Tensor]:
    """Take the samples from the weights that a sketch belongs to."""
    if base is None or experts is None:
        raise SourceError(f"The sketch {path.name} holds no samples. Name its base and experts.")
    if weights_identity(base, experts) != facts["weights"]:
        raise SourceError(f"The sketch {path.name} belongs to other weights. Build it again.")
    start = _flat(base, parts, index)
    found = [_flat(experts[name], parts, index) - start for name in sorted(experts)]
    return {"base": start, "deltas": torch.stack(found)}


def _flat(model: Checkpoint, parts: tuple[Part, ...], index: Tensor) -> Tensor:
    with model.opened() as opened:
        columns = []
        for part in parts:
            whole = opened.run(part.tensor, 0, part.count)
            columns.append(whole[index[part.start : part.stop]].float())
        return torch.cat(columns)


def _check_arrays(
    path: Path, arrays: dict[str, Tensor], parts: tuple[Part, ...], experts: int
) -> None:
    tensors, columns = len(parts), parts[-1].stop
    sampled = sum(not part.whole for part in parts)
    wanted = {
        "base": ((columns,), torch.float32),
        "deltas": ((experts, columns), torch.float32),
        "nonzero": ((tensors, experts), torch.float64),
        "l1": ((tensors, experts), torch.float64),
        "dots": ((tensors, experts, experts), torch.float64),
        "levels": ((sampled, experts, 3, len(SHARES)), torch.float32),
        "model_levels": ((experts, 3, len(SHARES)), torch.float32),
    }
    for name, (shape, dtype) in wanted.items():
        found = arrays.get(name)
        if found is None or tuple(found.shape) != shape or found.dtype != dtype:
            raise _damaged(path, name)
        if not bool(torch.isfinite(found).all()):
            raise _damaged(path, name)
    for name in ("nonzero", "l1", "levels", "model_levels"):
        if bool((arrays[name] < 0).any()):
            raise _damaged(path, name)
    for name in ("levels", "model_levels"):
        values, shares = arrays[name][..., 0, :], arrays[name][..., 1:, :]
        if bool((values.diff() > 0).any()) or bool((shares > 1).any() | (shares.diff() < 0).any()):
            raise _damaged(path, name)


def _damaged(path: Path, what: str) -> SourceError:
    return SourceError(
        f"The sketch {path.name} is damaged: {what} cannot be right. Build it again."
    )
