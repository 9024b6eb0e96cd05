"""A model put together from runs of layers of others, seen as one checkpoint."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from torch import Tensor

from merging.checkpoints.base import Checkpoint, Opened, TensorInfo
from merging.errors import CompatibilityError, SourceError
from merging.recipe.layers import Layers, height
from merging.recipe.local import spots_of

_NUMBER = re.compile(r"(?:^|(?<=\.))\d+(?=\.)")
COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
LISTED = ("layer_types",)


@dataclass(frozen=True, slots=True)
class _Open:
    """Open files of the models behind a view."""

    files: Mapping[int, Opened]
    origin: Mapping[str, tuple[int, str]]

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return a run of elements; see ``Opened``."""
        number, theirs = self.origin[name]
        return self.files[number].run(theirs, start, stop)

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Read a run of elements; see ``Opened``."""
        number, theirs = self.origin[name]
        self.files[number].read(theirs, start, out)

    def expect(self, name: str, start: int, stop: int) -> None:
        """Tell that a run will be read soon."""
        number, theirs = self.origin[name]
        self.files[number].expect(theirs, start, stop)


@dataclass(frozen=True, slots=True)
class SlicedCheckpoint:
    """Layers of models one after another, renumbered from 0.

    What stands before the layers comes from the model of the first run, what stands behind them
    from that of the last.

    Attributes:
        name: Name for messages.
        runs: Layers in order.
        models: The model of each run.
        origin: Number of the run and name there, by name here.
    """

    name: str
    runs: tuple[Layers, ...]
    models: tuple[Checkpoint, ...]
    origin: Mapping[str, tuple[int, str]]

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        infos = [model.tensors() for model in self.models]
        return {name: infos[number][theirs] for name, (number, theirs) in self.origin.items()}

    def load(self, name: str) -> Tensor:
        """Return one tensor as stored.

        Raises:
            SourceError: There is no such tensor.
        """
        if name not in self.origin:
            raise SourceError(f"Model {self.name} has no tensor {name!r}.")
        number, theirs = self.origin[name]
        return self.models[number].load(theirs)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Yield the models with all their files open, each model once."""
        with ExitStack() as stack:
            unique = {id(m): stack.enter_context(m.opened()) for m in _each(self.models)}
            files = {number: unique[id(model)] for number, model in enumerate(self.models)}
            yield _Open(files, self.origin)

    def identity(self) -> str:
        """Return a hash of the runs and of the content of their models."""
        return self._hash({id(m): m.identity() for m in _each(self.models)})

    def mark(self) -> str:
        """Return a cheap mark of the content."""
        return self._hash({id(m): m.mark() for m in _each(self.models)})

    def config(self) -> Mapping[str, Any]:
        """Return the first model's config with the number of layers put right."""
        found = dict(self.models[0].config())
        layers = height(self.runs)
        found |= {key: layers for key in COUNTS if isinstance(found.get(key), int)}
        for key in LISTED:
            kinds = [model.config().get(key) for model in self.models]
            if all(isinstance(k, list) for k in kinds) and key in found:
                runs = zip(kinds, self.runs, strict=True)
                found[key] = [kind for k, run in runs for kind in (k or [])[run.start : run.stop]]
        return found

    def _hash(self, known: Mapping[int, str]) -> str:
        parts = zip(self.runs, self.models, strict=True)
        text = "|".join(f"{run.start}:{run.stop}:{known[id(model)]}" for run, model in parts)
        return sha256(text.encode()).hexdigest()[:16]


def sliced(name: str, runs: Sequence[Layers], models: Mapping[str, Checkpoint]) -> SlicedCheckpoint:
    """Put a model together from runs of layers.

    Args:
        name: Name for messages.
        runs: Layers in order, at least one.
        models: A checkpoint for every model that a run names.

    Raises:
        CompatibilityError: A model has several stacks of layers, or fewer layers than are asked.
    """
    chosen = tuple(models[run.model] for run in runs)
    origin: dict[str, tuple[int, str]] = {}
    begin = 0
    for number, (run, model) in enumerate(zip(runs, chosen, strict=True)):
        layers = _layers(model, run)
        for place in range(run.start, run.stop):
            for theirs in layers[place]:
                ours = _NUMBER.sub(str(begin + place - run.start), theirs, count=1)
                origin[ours] = number, theirs
        begin += run.stop - run.start
    for number in {0, len(runs) - 1}:
        for spot in spots_of(chosen[number].tensors()).values():
            if spot.layer is None and number == (len(runs) - 1 if spot.after else 0):
                origin[spot.tensor] = number, spot.tensor
    return SlicedCheckpoint(name, tuple(runs), chosen, dict(sorted(origin.items())))


def _layers(model: Checkpoint, run: Layers) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    stacks = set()
    for spot in spots_of(model.tensors()).values():
        if spot.layer is not None:
            found.setdefault(spot.layer, []).append(spot.tensor)
            match = _NUMBER.search(spot.tensor)
            stacks.add(spot.tensor[: match.start()] if match else "")
    if len(stacks) > 1:
        raise CompatibilityError(
            f"{model.name} has several stacks of layers ({', '.join(sorted(stacks)[:4])}), so "
            "layer numbers do not tell which is meant. Merge it whole."
        )
    missing = [n for n in range(run.start, run.stop) if n not in found]
    if missing:
        raise CompatibilityError(
            f"{model.name} has {len(found)} layers, and the recipe asks for layer {missing[0]} of "
            "it. Lower the end of the run."
        )
    return found


def _each(models: Sequence[Checkpoint]) -> list[Checkpoint]:
    return list({id(model): model for model in models}.values())
