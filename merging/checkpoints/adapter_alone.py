"""Adapters without their base: deltas over a base of zeros, which needs no memory."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from merging.checkpoints.adapter_file import AdapterFile, Pair
from merging.checkpoints.base import Checkpoint, Opened, TensorInfo
from merging.checkpoints.changes import Change, Decoded, LowRank, Rows
from merging.checkpoints.patched import PatchedCheckpoint
from merging.errors import CompatibilityError


@dataclass(frozen=True, slots=True)
class ZeroCheckpoint:
    """A model of zeros."""

    name: str
    infos: Mapping[str, TensorInfo]

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        return self.infos

    def load(self, name: str) -> Tensor:
        """Return zeros."""
        return torch.zeros(self.infos[name].shape, dtype=self.infos[name].dtype)

    def opened(self) -> AbstractContextManager[Opened]:
        """Return a context that yields the model itself."""
        return nullcontext(self)

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return zeros; see ``Opened``."""
        return torch.zeros(stop - start, dtype=self.infos[name].dtype)

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Fill with zeros; see ``Opened``."""
        out.zero_()

    def expect(self, name: str, start: int, stop: int) -> None:
        """Do nothing: there is nothing to read."""

    def mark(self) -> str:
        """Return a mark: zeros stay zeros."""
        return self.identity()

    def identity(self) -> str:
        """Return what decides the content: nothing but shapes."""
        return f"zeros of {len(self.infos)} tensors"

    def config(self) -> Mapping[str, Any]:
        """Return nothing: there is no ``config.json``."""
        return {}


def modules_of(adapters: Sequence[AdapterFile]) -> dict[str, Pair]:
    """Return the modules that any of the adapters changes, with the factors of the first.

    Raises:
        CompatibilityError: Two adapters disagree on the shape of a module, or one holds what is
            no sum with a base: whole tensors, biases, DoRA.
    """
    found: dict[str, Pair] = {}
    owner: dict[str, str] = {}
    for adapter in adapters:
        _check_alone(adapter)
        for module, pair in adapter.pairs.items():
            first = found.setdefault(module, pair)
            owner.setdefault(module, adapter.name)
            if (first.shape, first.embedding) != (pair.shape, pair.embedding):
                raise CompatibilityError(
                    f"{module!r} is changed by B·A of shape {first.shape} in {owner[module]} and "
                    f"{pair.shape} in {adapter.name}. They were made for different bases."
                )
    return dict(sorted(found.items()))


def zeros(modules: Mapping[str, Pair]) -> ZeroCheckpoint:
    """Return the base of zeros for some modules, named ``MODULE.weight``.

    Shapes are those of B·A, (tokens, dimensions) for embeddings; float64.
    """
    infos = {f"{m}.weight": TensorInfo(_shape(p), torch.float64) for m, p in modules.items()}
    return ZeroCheckpoint("the base of zeros", infos)


def deltas(adapter: AdapterFile, base: ZeroCheckpoint) -> Checkpoint:
    """Return an adapter's deltas as a model over zeros; zeros where it changes nothing."""
    changes = {
        name: _change(adapter, module, info)
        for name, info in base.infos.items()
        if (module := name.removesuffix(".weight")) in adapter.pairs
    }
    return PatchedCheckpoint(adapter.name, base, adapter.weights, changes, base.infos)


def _change(adapter: AdapterFile, module: str, info: TensorInfo) -> Change:
    def decode(before: Rows) -> Decoded:
        b, a = adapter.factors(module)
        if adapter.pairs[module].embedding:
            return LowRank(a.T.contiguous(), b.T.contiguous())
        return LowRank(b, a)

    return Change(info, True, decode)


def _shape(pair: Pair) -> tuple[int, ...]:
    return pair.shape[::-1] if pair.embedding else pair.shape


def _check_alone(adapter: AdapterFile) -> None:
    if adapter.whole or adapter.biases:
        key = next(iter((*adapter.whole.values(), *adapter.biases.values())))
        raise CompatibilityError(
            f"Adapter {adapter.name} holds {key!r}, which is no B·A: without the base's weights "
            "its change is not known. Name the base and merge into a model instead."
        )
    if adapter.config.dora:
        raise CompatibilityError(
            f"Adapter {adapter.name} uses DoRA, whose change depends on the base's weights. Name "
            "the base and merge into a model instead."
        )
