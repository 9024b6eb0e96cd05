"""Delta files, ``format: merge-explorer-delta/1``: a task vector as one small safetensors file.

Metadata (texts):
    format         merge-explorer-delta/1
    kind           density, rank or bits, and ``setting``: the number that was asked for
    base           hash of the base's files (``Checkpoint.identity``), for people
    base_sample    hash of names, shapes, types and a few numbers of each tensor of the base: the
                   file is refused over a base with another one
    expert         name of the expert
    loss, worst, worst_tensor
                   ‖delta - stored‖ / ‖delta‖ over all tensors, its largest value of one tensor,
                   and which

Tensors: parts of each changed tensor as ``merging.checkpoints.delta_pack`` says; a tensor that is
not there did not change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.changes import Change, Decoded, Dense, LowRank, Rows, matrix_of, widened
from merging.checkpoints.delta_pack import problem, unpack
from merging.checkpoints.folder import FolderCheckpoint, open_file
from merging.checkpoints.patched import PatchedCheckpoint, patched
from merging.errors import SourceError

FORMAT = "merge-explorer-delta/1"
SUFFIX = ".safetensors"
_RUNS, _RUN = 16, 64  # numbers of a tensor that a sample looks at


@dataclass(frozen=True, slots=True)
class DeltaFile:
    """A delta file, its numbers not yet read.

    Attributes:
        name: Name for messages.
        weights: The file.
        about: Its metadata.
        parts: Names of parts by tensor.
    """

    name: str
    weights: FolderCheckpoint
    about: Mapping[str, str]
    parts: Mapping[str, tuple[str, ...]]


def read_delta(path: Path, name: str) -> DeltaFile:
    """Open a delta file without reading its numbers.

    Raises:
        SourceError: It is no safetensors file, or not of this format and version.
    """
    weights = open_file(path, name)
    try:
        with safe_open(path, framework="pt") as handle:
            about = dict(handle.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise SourceError(f"Delta {name}: cannot read {path.name}: {error}") from error
    found = about.get("format")
    if found != FORMAT:
        raise SourceError(
            f"Delta {name}: format is {found!r:.60}; this version reads {FORMAT!r}. Make one with "
            "python -m merging extract, or name a model's folder."
        )
    parts: dict[str, list[str]] = {}
    for key in weights.infos:
        tensor, _, part = key.rpartition("/")
        parts.setdefault(tensor, []).append(part)
    return DeltaFile(name, weights, about, {t: tuple(p) for t, p in parts.items()})


def delta_over(delta: DeltaFile, base: Checkpoint) -> PatchedCheckpoint:
    """Put a stored delta upon its base.

    Returns:
        A checkpoint whose changed tensors are float32 (float64 where the base's are).

    Raises:
        SourceError: The base is another than the one it was taken from, or a part does not fit.
    """
    if delta.about.get("base_sample") != sample_of(base):
        raise SourceError(
            f"Delta {delta.name} was taken from another base than {base.name}: their numbers "
            f"differ. It changes the base whose identity is {delta.about.get('base', '?')!r:.40}."
        )
    infos, changes = base.tensors(), {}
    for tensor, parts in delta.parts.items():
        if tensor not in infos:
            raise SourceError(f"Delta {delta.name} changes {tensor!r}, which {base.name} lacks.")
        stored = {p: delta.weights.infos[f"{tensor}/{p}"] for p in parts}
        why = problem({p: (i.shape, i.dtype) for p, i in stored.items()}, infos[tensor].shape)
        if why:
            raise SourceError(f"Delta {delta.name}: {tensor!r} {why}. The file is damaged.")
        changes[tensor] = _change(delta, tensor, parts, base)
    return patched(delta.name, base, delta.weights, changes)


def sample_of(model: Checkpoint) -> str:
    """Return a hash of a model that needs little reading and does not depend on its shards.

    It covers every tensor's name, shape and type and up to 1,024 of its numbers, in 16 runs
    evenly spread.

    Returns:
        16 hexadecimal digits.
    """
    digest = sha256()
    with model.opened() as opened:
        for name, info in sorted(model.tensors().items()):
            digest.update(f"{name}|{info.dtype}|{info.shape}|".encode())
            count = torch.Size(info.shape).numel()
            for index in range(_RUNS if count else 0):
                start = (count - min(_RUN, count)) * index // (_RUNS - 1)
                run = opened.run(name, start, min(count, start + _RUN)).cpu().contiguous()
                digest.update(run.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _change(delta: DeltaFile, tensor: str, parts: tuple[str, ...], base: Checkpoint) -> Change:
    info = base.tensors()[tensor]

    def decode(before: Rows) -> Decoded:
        stored = {part: _read(delta, f"{tensor}/{part}") for part in parts}
        columns = matrix_of(info.shape)[1]
        if "left" in stored:
            return LowRank(stored["left"].double(), stored["right"].double())
        if "dense" in stored:
            return Dense(stored["dense"].reshape(matrix_of(info.shape)), adds=True)
        if "index" not in stored:
            return _Packed(stored, columns)
        index, count = stored["index"].long(), torch.Size(info.shape).numel()
        rising = bool((index[1:] > index[:-1]).all())
        if len(index) and not (rising and int(index[0]) >= 0 and int(index[-1]) < count):
            raise SourceError(
                f"Delta {delta.name}: the indices of {tensor!r} do not rise within 0 to "
                f"{count - 1}. The file is damaged."
            )
        return _Sparse(index, stored["value"], columns)

    return Change(widened(info), True, decode)


@dataclass(frozen=True, slots=True)
class _Sparse:
    """Entries by rising flat index."""

    index: Tensor
    value: Tensor
    columns: int

    def rows(self, first: int, last: int, base: Tensor) -> Tensor:
        """Return changed weights; see ``Decoded``."""
        ends = torch.tensor([first * self.columns, last * self.columns])
        low, high = torch.searchsorted(self.index, ends).tolist()
        changed = base.flatten().clone()
        changed[self.index[low:high] - int(ends[0])] += self.value[low:high].double()
        return changed.reshape(base.shape)


@dataclass(frozen=True, slots=True)
class _Packed:
    """Rows of few bits with a scale each."""

    parts: Mapping[str, Tensor]
    columns: int

    def rows(self, first: int, last: int, base: Tensor) -> Tensor:
        """Return changed weights; see ``Decoded``."""
        part = {name: tensor[first:last] for name, tensor in self.parts.items()}
        return base + unpack(part, (last - first, self.columns))


def _read(delta: DeltaFile, key: str) -> Tensor:
    found = delta.weights.load(key)
    if found.dtype.is_floating_point and not bool(found.isfinite().all()):
        bad = found[~found.isfinite()].flatten()[0]
        raise SourceError(f"Delta {delta.name}: {key!r} holds {float(bad)}. The file is damaged.")
    return found
