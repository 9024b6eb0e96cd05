"""What scores the recipes of a bundled set again and again: opened once, one model kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from merging.checkpoints import Checkpoint
from merging.engine import Outcome, make_plan, run
from merging.engine.cache import Intermediates
from merging.evaluation import Bits, Task, score
from merging.evaluation.kept import KeptModel
from merging.evaluation.tasks import spread
from merging.experiment import CHOOSING_SHARE, MERGE_SHARE, score_outcome, tuning_scorer
from merging.jobs import Report
from merging.recipe import Recipe
from merging.search.asked import known_name, whole_number
from merging.search.pace import part
from merging.search.points import Answers
from merging.sets import ModelSet, open_set, references, tasks

TUNING, REPORTING = "tuning", "reporting"


class SetMeasure:
    """Merges recipes of one set in memory and scores them; for one thread at a time.

    A merge computes in one thread: at this size threads wait for each other longer than they work.
    """

    def __init__(
        self,
        name: str,
        root: Path | None = None,
        items: int | None = None,
        cache: Intermediates | None = None,
        device: str | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        """Open a set.

        Args:
            name: Of the set.
            root: Folder of the sets.
            items: Items of each task on the tuning half, spread evenly; None for all of them. The
                reporting half is always whole.
            cache: Keeps trimmed changes for the next recipe.
            device: Where to merge; chosen by size by default.
            only: Ids of the tasks that are scored; None for all of them.

        Raises:
            ParameterError: ``items`` is no whole number of at least 1.
            UnknownNameError: There is no such set, or no such task in it.
            SourceError: Its files cannot be read.
        """
        if items is not None:
            items = whole_number("items", items, 1)
        self.opened: ModelSet = open_set(name, root)
        for task in only or ():
            known_name("task", task, [one["id"] for one in self.opened.card["tasks"]])
        self.items, self.only = items, only
        self._root, self._cache, self._device = root, cache, device
        self._model = KeptModel()
        self._base: dict[str, Tensor] = {}

    def mark(self, half: str) -> str:
        """Return what identifies the items of a half."""
        some = self.items if half == TUNING else None
        which = "" if self.only is None else "|" + " ".join(sorted(self.only))
        return f"{self._root or ''}|{self.opened.id}|{half}|{some or 'all'}{which}"

    def tasks(self, half: str) -> tuple[Task, ...]:
        """Return what is scored on a half."""
        whole = tuple(t for t in tasks(self.opened.id, half, self._root) if self._asked(t.id))
        if half != TUNING or self.items is None:
            return whole
        return tuple(spread(task, self.items) for task in whole)

    def merge(self, recipe: Recipe, report: Report) -> Outcome:
        """Merge a recipe of the set.

        Raises:
            MergeError: As planning and running do.
        """
        self.opened.check(recipe)
        plan = make_plan(recipe, self.opened.base, self.opened.experts)
        choose = tuning_scorer(self.opened) if recipe.spec.needs.data == "scorer" else None
        return run(plan, report, self._device, scorer=choose, cache=self._cache, threads=1)

    def answers(self, outcome: Outcome, half: str, report: Report) -> Answers:
        """Return which items of a half a merged model answers correctly.

        Raises:
            MergeError: As scoring does.
        """
        return score_outcome(self.opened, outcome, self.tasks(half), report, self._model)

    def score(self, recipe: Recipe, half: str, report: Report) -> Answers:
        """Merge and score a recipe.

        Raises:
            MergeError: As merging and scoring do; ``Cancelled`` as raised by ``report``.
        """
        share = CHOOSING_SHARE if recipe.spec.needs.data == "scorer" else MERGE_SHARE
        outcome = self.merge(recipe, part(report, 0, share))
        return self.answers(outcome, half, part(report, share, 1))

    def own(self, half: str, report: Report) -> Answers:
        """Return what each task's own expert answers.

        Those of the reporting half are stored with the set. A card may name another set in ``own``
        whose experts are the measure; where it is empty, the set's own are.

        Raises:
            MergeError: They cannot be read or scored.
        """
        if half == REPORTING:
            stored = references(self.opened.id, self._root).own
            return {task: bits for task, bits in stored.items() if self._asked(task)}
        todo, found = self.own_experts(half), dict[str, Bits]()
        for index, (expert, one) in enumerate(todo):
            told = part(report, index / len(todo), (index + 1) / len(todo))
            found.update(self._whole(expert, [one], told))
        return found

    def own_experts(self, half: str) -> list[tuple[Checkpoint, Task]]:
        """Return the own experts of the tasks of a half, each with its task; see ``own``."""
        experts = open_set(self.opened.card.get("own") or self.opened.id, self._root)
        every = {t.id: t for t in self.tasks(half)}
        tasks_of = ((model, experts.task_of(e)) for e, model in experts.experts.items())
        return [(model, every[task]) for model, task in tasks_of if task in every]

    def base(self, half: str, report: Report) -> Answers:
        """Return what the base answers.

        Raises:
            MergeError: It cannot be read or scored.
        """
        if half == REPORTING:
            stored = references(self.opened.id, self._root).base
            return {task: bits for task, bits in stored.items() if self._asked(task)}
        return self._whole(self.opened.base, self.tasks(half), report)

    def _asked(self, task: str) -> bool:
        return self.only is None or task in self.only

    def base_weights(self) -> Mapping[str, Tensor]:
        """Return the weights of the base, read once."""
        if not self._base:
            self._base = {n: self.opened.base.load(n) for n in self.opened.base.tensors()}
        return self._base

    def _whole(self, model: Checkpoint, todo: Sequence[Task], report: Report) -> Answers:
        weights = {n: model.load(n) for n in model.tensors()}
        return score(self._model(model.config(), weights), todo, report)
