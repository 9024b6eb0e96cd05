"""A model seen in another vocabulary: its embedding and output rows stand in the target's order.

A row that a model lacks is filled by a stated rule: the mean over the experts that have the token,
so that their average results; else the base's row; else the mean of the model's own rows (or zero,
on request). A recipe may set rows of single tokens otherwise. The view says how many rows of each
kind it has.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint, Opened, TensorInfo
from merging.checkpoints.tokens import Tokens
from merging.checkpoints.vocabulary import Target
from merging.errors import SourceError

Fill = Literal["mean", "zero"]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Where the rows of a view come from.

    Attributes:
        own: From the model itself.
        experts: Mean over the experts that have the token.
        base: From the base, where no expert has the token.
        made: Of no model: the mean of the model's own rows, or zero on request.
        given: Set by the recipe.
    """

    own: int
    experts: int
    base: int
    made: int
    given: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """One row of the target that a recipe sets.

    Attributes:
        at: Its place.
        model: Name of the model whose row it is, or "" for zeros.
        row: Of that model.
        force: Whether models that have the token get it too.
    """

    at: int
    model: str
    row: int
    force: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Models that are aligned together.

    Attributes:
        models: By name, the base (if there is one) and the experts.
        places: Row of each model for every row of the target, -1 for none; shape (rows,).
        base: Name of the base, or "".
        target: The vocabulary of the result.
        fill: What a row is that no model has.
        given: Rows that the recipe sets.
    """

    models: Mapping[str, Checkpoint]
    places: Mapping[str, Tensor]
    base: str
    target: Target
    fill: Fill = "mean"
    given: tuple[Given, ...] = ()

    def owners(self, name: str, tensor: str) -> list[str]:
        """Return the experts, other than a model itself, that can fill its rows of a tensor."""
        mine = self.models[name].tensors()[tensor].shape[1:]
        return [n for n in self.models if n not in (name, self.base) and self._has(n, tensor, mine)]

    def has_base(self, name: str, tensor: str) -> bool:
        """Whether the base can fill rows of a model's tensor."""
        mine = self.models[name].tensors()[tensor].shape[1:]
        return self.base not in ("", name) and self._has(self.base, tensor, mine)

    def _has(self, other: str, tensor: str, tail: tuple[int, ...]) -> bool:
        info = self.models[other].tensors().get(tensor)
        return info is not None and info.shape[1:] == tail


@dataclass(frozen=True, slots=True)
class AlignedCheckpoint:
    """A model whose rows stand in the order of a target vocabulary.

    Attributes:
        inner: The model.
        group: The models it is aligned with.
        aligned: Its tensors that have a row for every token.
        tokens: Its own tokens, for the ids in its config.
    """

    inner: Checkpoint
    group: Group
    aligned: frozenset[str]
    tokens: Tokens

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.inner.name

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor, with the target's number of rows."""
        rows = len(self.group.target.tokens)
        return {
            n: TensorInfo((rows, *i.shape[1:]), i.dtype) if n in self.aligned else i
            for n, i in self.inner.tensors().items()
        }

    def load(self, name: str) -> Tensor:
        """Return one tensor.

        Raises:
            SourceError: There is no such tensor, or a file cannot be read.
        """
        if name not in self.aligned:
            return self.inner.load(name)
        shape = self.tensors()[name].shape
        with self.opened() as files:
            return files.run(name, 0, math.prod(shape)).reshape(shape)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Yield the model with the files open of all models that it takes rows from."""
        with ExitStack() as stack:
            files = {n: stack.enter_context(m.opened()) for n, m in self.group.models.items()}
            yield _Aligned(self, files)

    def identity(self) -> str:
        """Return a hash of all models that rows may come from and of the target."""
        return self._hashed([m.identity() for m in self.group.models.values()])

    def mark(self) -> str:
        """Return a cheap mark of the same."""
        return self._hashed([m.mark() for m in self.group.models.values()])

    def config(self) -> Mapping[str, Any]:
        """Return the model's config with the target's ``vocab_size`` and ids of special tokens."""
        return self._renumbered(self.inner.config())

    def counts(self) -> RowCounts:
        """Return where its rows come from, for tensors that all models have."""
        places, base = self.group.places, self.group.base
        own = places[self.name] >= 0
        rows = [one.at for one in self.group.given if one.force or not own[one.at]]
        given = torch.zeros_like(own)
        given[rows] = True
        others = [p >= 0 for n, p in places.items() if n not in (self.name, base)]
        expert = torch.stack(others).any(0) & ~own if others else torch.zeros_like(own)
        based = torch.zeros_like(own)
        if base and base != self.name:
            based = (places[base] >= 0) & ~own & ~expert
        made = ~(own | expert | based)
        kinds = (*(kind & ~given for kind in (own, expert, based, made)), given)
        return RowCounts(*(int(kind.sum()) for kind in kinds))

    def sentence(self) -> str:
        """Return in words where its rows come from."""
        told, target = self.counts(), self.group.target
        whose = "the union of all" if target.source == "union" else f"that of {target.source}"
        last = "zero" if self.group.fill == "zero" else "the mean of its rows"
        said = f", {told.given} as the recipe says" if told.given else ""
        return (
            f"{self.name} in {len(target.tokens)} rows, {whose}: {told.own} of its own, "
            f"{told.experts} mean of the experts that have the token, {told.base} of the base, "
            f"{told.made} of no model ({last}){said}"
        )

    def _hashed(self, marks: list[str]) -> str:
        target = "\n".join("" if t is None else repr(t) for t in self.group.target.tokens)
        given = [repr(one) for one in self.group.given]
        facts = "\n".join([self.name, self.group.fill, *marks, *given, target])
        return sha256(facts.encode("utf-8", "backslashreplace")).hexdigest()[:16]

    def _renumbered(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config, and the one of its language model, in the target's numbers."""
        ids = self.group.target.ids()
        new = {at: ids.get(t) for t, at in self.tokens.ids.items()}
        found = dict(config)
        if "vocab_size" in found:
            found["vocab_size"] = len(self.group.target.tokens)
        for key, value in found.items():
            if key.endswith("_token_id") and isinstance(value, int):
                found[key] = new.get(value, value)
            elif key.endswith("_token_id") and isinstance(value, list):
                moved = (new.get(v, v) if isinstance(v, int) else v for v in value)
                found[key] = [v for v in moved if v is not None]
            elif key == "text_config" and isinstance(value, dict):
                found[key] = self._renumbered(value)
        return found


class _Aligned:
    """The open files of a view; see ``merging.checkpoints.base.Opened``."""

    def __init__(self, view: AlignedCheckpoint, files: Mapping[str, Opened]) -> None:
        self._view, self._files = view, files
        self._means: dict[str, Tensor] = {}
        self._lock = threading.Lock()

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return a run of elements."""
        view = self._view
        if name not in view.aligned:
            return self._files[view.name].run(name, start, stop)
        width = math.prod(view.inner.tensors()[name].shape[1:])
        first, last = start // width, -(-stop // width)
        rows = self._rows(name, first, last, width)
        return rows.flatten()[start - first * width : stop - first * width]

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Read a run of elements into memory of the caller."""
        if name in self._view.aligned:
            out.view(-1).copy_(self.run(name, start, start + out.numel()))
        else:
            self._files[self._view.name].read(name, start, out)

    def expect(self, name: str, start: int, stop: int) -> None:
        """Pass on what is read soon, where it lies in one place."""
        if name not in self._view.aligned:
            self._files[self._view.name].expect(name, start, stop)

    def _rows(self, name: str, first: int, last: int, width: int) -> Tensor:
        """Rows of the target, shape (last - first, width), in the type that the model stores."""
        view, group = self._view, self._view.group
        dtype = view.inner.tensors()[name].dtype
        out = torch.zeros(last - first, width, dtype=dtype)
        places = {n: p[first:last] for n, p in group.places.items()}
        missing = places[view.name] < 0
        self._copy(out, view.name, name, places[view.name], width)
        if bool(missing.any()):
            self._fill(out, name, places, missing)
        for one in group.given:
            if first <= one.at < last and (one.force or bool(missing[one.at - first])):
                out[one.at - first] = self._given(one, name, width).to(dtype)
        return out

    def _given(self, one: Given, name: str, width: int) -> Tensor:
        """The row that the recipe sets, shape (width,)."""
        if not one.model:
            return torch.zeros(width)
        return self._files[one.model].run(name, one.row * width, (one.row + 1) * width)

    def _fill(self, out: Tensor, name: str, places: Mapping[str, Tensor], missing: Tensor) -> None:
        """Fill the rows that the model lacks by the stated rule."""
        view, group = self._view, self._view.group
        width = out.shape[1]
        total = torch.zeros(out.shape, dtype=torch.float64)
        count = torch.zeros(len(out), 1, dtype=torch.float64)
        for owner in group.owners(view.name, name):
            theirs = torch.where(missing, places[owner], -1)
            self._copy(total, owner, name, theirs, width, add=True)
            count += (theirs >= 0).unsqueeze(1)
        if group.has_base(view.name, name):
            theirs = torch.where(missing & (count[:, 0] == 0), places[group.base], -1)
            self._copy(total, group.base, name, theirs, width, add=True)
            count += (theirs >= 0).unsqueeze(1)
        filled = missing & (count[:, 0] > 0)
        out[filled] = (total[filled] / count[filled]).to(out.dtype)
        if bool((missing & ~filled).any()) and group.fill == "mean":
            out[missing & ~filled] = self._mean(name, width).to(out.dtype)

    def _copy(
        self, out: Tensor, model: str, name: str, places: Tensor, width: int, add: bool = False
    ) -> None:
        """Copy (or add) rows of a model, reading what lies in one piece at once."""
        there: list[int] = (places >= 0).nonzero()[:, 0].tolist()
        rows: list[int] = places[there].tolist()
        begin = 0
        while begin < len(there):
            end, row, at = begin + 1, rows[begin], there[begin]
            while end < len(there) and (there[end] - at, rows[end] - row) == (end - begin,) * 2:
                end += 1
            many = end - begin
            found = self._files[model].run(name, row * width, (row + many) * width)
            piece = found.reshape(many, width)
            out[at : at + many] = out[at : at + many] + piece if add else piece
            begin = end

    def _mean(self, name: str, width: int) -> Tensor:
        """Mean of the model's own rows, shape (width,), float64."""
        with self._lock:
            if name not in self._means:
                rows = self._view.inner.tensors()[name].shape[0]
                total = torch.zeros(width, dtype=torch.float64)
                step = max(1, (1 << 20) // max(1, width))
                for first in range(0, rows, step):
                    last = min(rows, first + step)
                    part = self._files[self._view.name].run(name, first * width, last * width)
                    total += part.reshape(-1, width).double().sum(0)
                if not bool(total.isfinite().all()):
                    raise SourceError(
                        f"Model {self._view.name}: {name!r} holds a number that is infinite or "
                        "not a number. The file is damaged or its training diverged."
                    )
                self._means[name] = total / rows
            return self._means[name]
