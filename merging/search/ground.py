"""The ground that maps are made of: a set's models as vectors, and what judges a vector."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Module

from merging.checkpoints import Checkpoint
from merging.engine import Outcome
from merging.errors import CompatibilityError, unknown
from merging.evaluation import Bits, Task
from merging.evaluation.judged import Judged, judge
from merging.evaluation.kept import KeptModel
from merging.jobs import Report
from merging.search.flat import Layout
from merging.search.measure import TUNING, SetMeasure
from merging.search.pace import part
from merging.search.points import Answers
from merging.sets import ModelSet, open_set, set_names

ITEMS = 100
BASE = "base"
BETWEEN = "/"


class Ground(Protocol):
    """What gives a set's models as vectors of weights and judges any vector."""

    def models(self) -> tuple[str, ...]:
        """Return the names that ``weights`` knows: the base, experts, models of other sets."""
        ...

    def tasks(self) -> tuple[str, ...]:
        """Return the ids of the tasks that models are judged on."""
        ...

    def weights(self, model: str) -> Tensor:
        """Return a model, shape (weights,), float32."""
        ...

    def judge(self, weights: Tensor, report: Report, only: Collection[str] | None = None) -> Judged:
        """Return what a model makes of the items for choosing; any thread may ask.

        Args:
            weights: Of the model.
            report: May raise ``Cancelled``.
            only: Tasks to judge it on; None for all.
        """
        ...

    def own(self, report: Report, only: Collection[str] | None = None) -> Answers:
        """Return which of these items each task's own expert answers; any thread may ask.

        Args:
            report: May raise ``Cancelled``.
            only: Tasks to tell of; None for all. One that no expert was trained on is left out.
        """
        ...


class SetGround:
    """A bundled set with some items of each task, from the tuning half."""

    def __init__(self, name: str, root: Path | None = None, items: int = ITEMS) -> None:
        """Open a set.

        Args:
            name: Of the set.
            root: Folder of the sets.
            items: Items of each task, spread evenly; all where it has fewer.

        Raises:
            UnknownNameError: There is no such set.
            SourceError: Its files cannot be read.
        """
        self._measure = SetMeasure(name, root, items)
        self._root, self._opened = root, self._measure.opened
        self.layout = Layout.of(self._opened.base)
        self._lock = threading.Lock()
        self._own: dict[str, Bits] = {}
        self._idle: dict[str, list[KeptModel]] = {}

    @property
    def name(self) -> str:
        """Of the set."""
        return self._opened.id

    @property
    def experts(self) -> tuple[str, ...]:
        """The set's own experts, in its order."""
        return tuple(self._opened.experts)

    def average(self, experts: Sequence[str]) -> Tensor:
        """Return the mean of some models, at least one, as a vector.

        Raises:
            MergeError: As ``weights``.
        """
        return torch.stack([self.weights(name) for name in experts]).mean(0)

    def tasks(self) -> tuple[str, ...]:
        """Return the ids of the set's tasks."""
        return tuple(task["id"] for task in self._opened.card["tasks"])

    def models(self) -> tuple[str, ...]:
        """Return base, experts, and experts of other sets that fit, as "set/expert"."""
        return tuple(self._known)

    def weights(self, model: str) -> Tensor:
        """Return a model as a vector.

        Raises:
            UnknownNameError: There is no such model.
            CompatibilityError: It does not fit the base.
        """
        if model not in self._known:
            raise unknown("model", model, self._known)
        return self.layout.read(self._known[model], model)

    def vector(self, outcome: Outcome) -> Tensor:
        """Return a merged model as a vector.

        Raises:
            CompatibilityError: The merge gave one model for each task, or another architecture.
        """
        if outcome.per_task is not None or outcome.config:
            raise CompatibilityError(
                "This method gives no single model of the base's shape: it has no place on a map."
            )
        return self.layout.flat(outcome.tensors, "the merged model")

    def judge(self, weights: Tensor, report: Report, only: Collection[str] | None = None) -> Judged:
        """Return what a model makes of the items, scored in float32 as it is, not rounded.

        Raises:
            EvaluationError: It cannot be built.
            Cancelled: As raised by ``report``.
        """
        asked = [t for t in self._measure.tasks(TUNING) if only is None or t.id in only]
        every = {**self._rest, **self.layout.views(weights)}
        with self._built(self._opened.base.config(), every) as model:
            return judge(model, asked, report)

    def own(self, report: Report, only: Collection[str] | None = None) -> Answers:
        """Return what each task's own expert answers, each measured once, in its stored weights.

        Raises:
            MergeError: It cannot be measured.
        """
        asked = [t for t in self._own_experts if only is None or t in only]
        lacking = [task for task in asked if task not in self._own]
        for place, task in enumerate(lacking):
            expert, items = self._own_experts[task]
            weights = {name: expert.load(name) for name in expert.tensors()}
            told = part(report, place / len(lacking), (place + 1) / len(lacking))
            with self._built(expert.config(), weights) as model:
                self._own[task] = judge(model, [items], told).correct[task]
        return {task: self._own[task] for task in asked}

    @contextmanager
    def _built(self, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Iterator[Module]:
        """A model with weights, one that stands idle where there is one: building takes longer."""
        with self._lock:  # the library that builds a model changes settings of the process
            idle = self._idle.setdefault(repr(sorted(config.items())), [])
            kept = idle.pop() if idle else KeptModel()
            model = kept(config, weights)
        try:
            yield model
        finally:
            idle.append(kept)

    @cached_property
    def _own_experts(self) -> Mapping[str, tuple[Checkpoint, Task]]:
        return {task.id: (expert, task) for expert, task in self._measure.own_experts(TUNING)}

    @cached_property
    def _known(self) -> Mapping[str, Checkpoint]:
        own = {BASE: self._opened.base, **self._opened.experts}
        return {**own, **self._strangers({m.name + m.mark() for m in own.values()})}

    def _strangers(self, known: set[str]) -> dict[str, Checkpoint]:
        """Experts of other sets with the same heads and shapes, each once."""
        found: dict[str, Checkpoint] = {}
        for name in set_names(self._root):
            other = open_set(name, self._root)
            if name == self._opened.id or _heads(other) != _heads(self._opened):
                continue
            for expert, model in other.experts.items():
                if self._fits(model) and model.name + model.mark() not in known:
                    known.add(model.name + model.mark())
                    found[f"{name}{BETWEEN}{expert}"] = model
        return found

    def _fits(self, model: Checkpoint) -> bool:
        there = model.tensors()
        return all(n in there and there[n].shape == s for n, s in self.layout.shapes.items())

    @cached_property
    def _rest(self) -> Mapping[str, Tensor]:
        base = self._opened.base
        return {n: base.load(n) for n in base.tensors() if n not in self.layout.shapes}


def _heads(opened: ModelSet) -> object:
    return opened.card.get("heads", "heads")
