"""Where each tensor of a written model lies: safetensors files, their headers and their index.

A file is eight bytes with the header's length, the header (JSON, padded with spaces to eight
bytes), then the tensors without a gap. Wider types come first, so that every tensor begins at a
multiple of its own element size.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod

import torch

from merging.checkpoints.layouts import ROOT, Home
from merging.errors import CompatibilityError, ParameterError

WHOLE_FILE = ROOT.file
INDEX = ".index.json"  # stands behind the name of the file that would hold all
INDEX_FILE = f"{WHOLE_FILE}{INDEX}"

_METADATA = "__metadata__"
_TYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor of the output.

    Attributes:
        name: Unique in the model.
        dtype: Type it is stored in.
        shape: Its shape; ``()`` for a scalar.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of the output.

    Attributes:
        name: File name; one folder may stand before it.
        slots: Its tensors in the order in which they lie.
        starts: First byte of each of them, counted from the beginning of the file.
        header: Everything before the first tensor, its length included.
        size: Bytes of the whole file.
        home: Module that its tensors are of; they are stored without its prefix.
    """

    name: str
    slots: tuple[Slot, ...]
    starts: tuple[int, ...]
    header: bytes
    size: int
    home: Home = ROOT


def lay_out(
    slots: Sequence[Slot],
    shard_bytes: int,
    metadata: Mapping[str, str],
    homes: Sequence[Home] = (ROOT,),
) -> tuple[Shard, ...]:
    """Distribute tensors over files, filling one after the other in the given order.

    Args:
        slots: The tensors; none gives one file without tensors.
        shard_bytes: Most bytes of tensors in a file, at least 1; a larger tensor has its own file.
        metadata: Written into every header; ``format`` is ``pt`` unless given.
        homes: Modules; each tensor goes to that with the longest prefix of its name.

    Returns:
        For each module ``model.safetensors``, or ``model-00001-of-00003.safetensors`` and so on.

    Raises:
        CompatibilityError: A tensor cannot be stored, is of no module, or two have one name.
        ParameterError: ``shard_bytes`` is less than 1.
    """
    if shard_bytes < 1:
        raise ParameterError(f"A shard holds at least 1 byte, not {shard_bytes}.")
    _check(slots)
    told = {"format": "pt", **metadata}
    inside: dict[Home, list[Slot]] = {}
    for slot in slots:
        inside.setdefault(_home(slot, homes), []).append(slot)
    shards: list[Shard] = []
    for home, theirs in (inside or {homes[0]: []}).items():
        groups = _groups(theirs, shard_bytes)
        for i, group in enumerate(groups, 1):
            shards.append(_shard(_name(home.file, i, len(groups)), group, told, home))
    return tuple(shards)


def index_texts(shards: Sequence[Shard]) -> dict[str, str]:
    """Return the text of the index of every module in several files, by its name."""
    found = {}
    for home in dict.fromkeys(shard.home for shard in shards):
        theirs = [shard for shard in shards if shard.home == home]
        if len(theirs) > 1:
            found[f"{home.file}{INDEX}"] = index_text(theirs)
    return found


def index_text(shards: Sequence[Shard]) -> str:
    """Text of ``model.safetensors.index.json``: which tensor lies in which file beside it."""
    total = sum(slot.size for shard in shards for slot in shard.slots)
    where = {
        slot.name.removeprefix(shard.home.prefix): shard.name.rpartition("/")[2]
        for shard in shards
        for slot in shard.slots
    }
    index = {"metadata": {"total_size": total}, "weight_map": where}
    return json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def fingerprint(shards: Sequence[Shard]) -> str:
    """Hash of a layout: equal exactly when every file has the same name and header."""
    digest = sha256()
    for shard in shards:
        digest.update(shard.name.encode() + b"\0" + shard.header)
    return digest.hexdigest()


def _check(slots: Sequence[Slot]) -> None:
    """Refuse what a safetensors file cannot hold."""
    names: set[str] = set()
    for slot in slots:
        if slot.dtype not in _TYPES:
            raise CompatibilityError(
                f"{slot.name!r} has type {slot.dtype}, which cannot be written. "
                "Choose another output type."
            )
        if slot.name == _METADATA or slot.name in names:
            reason = "is reserved" if slot.name == _METADATA else "occurs twice"
            raise CompatibilityError(f"Tensor name {slot.name!r} {reason}. Rename the tensor.")
        names.add(slot.name)


def _home(slot: Slot, homes: Sequence[Home]) -> Home:
    """The module that a tensor is of."""
    fitting = [home for home in homes if slot.name.startswith(home.prefix)]
    if not fitting:
        raise CompatibilityError(f"{slot.name!r} is of none of the model's modules.")
    return max(fitting, key=lambda home: len(home.prefix))


def _groups(slots: Sequence[Slot], shard_bytes: int) -> list[list[Slot]]:
    groups: list[list[Slot]] = [[]]
    filled = 0
    for slot in slots:
        if groups[-1] and filled + slot.size > shard_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(slot)
        filled += slot.size
    return groups


def _name(whole: str, number: int, count: int) -> str:
    """File name as huggingface's loaders expect it."""
    stem, dot, ending = whole.rpartition(".")
    return whole if count == 1 else f"{stem}-{number:05d}-of-{count:05d}{dot}{ending}"


def _shard(name: str, group: Sequence[Slot], metadata: Mapping[str, str], home: Home) -> Shard:
    """Lay one file out."""
    slots = tuple(sorted(group, key=lambda slot: -slot.dtype.itemsize))
    entries: dict[str, object] = {_METADATA: dict(metadata)}
    ends = [0]
    for slot in slots:
        ends.append(ends[-1] + slot.size)
        entries[slot.name.removeprefix(home.prefix)] = {
            "dtype": _TYPES[slot.dtype],
            "shape": list(slot.shape),
            "data_offsets": ends[-2:],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    header = len(text).to_bytes(8, "little") + text
    starts = tuple(len(header) + end for end in ends[:-1])
    return Shard(name, slots, starts, header, len(header) + ends[-1], home)
