"""Run lists by visitor: what was scored, under which name, and from which run it came."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from merging.errors import RecipeError
from merging.evaluation.record import RunRecord

MOST_RUNS = 50
MOST_OWNERS = 2000
LONGEST_NAME = 60
SHIPPED, IMPORTED = "shipped", "imported"


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One line of a visitor's run list.

    Attributes:
        record: The recipe and its scores.
        name: Given by the page or the visitor.
        when: Date and time in words, "shipped", or "imported" where the scores come from a file.
        parent: Key of the run whose scores stood on the page when it was asked for, or "".
    """

    record: RunRecord
    name: str
    when: str
    parent: str = ""

    @property
    def key(self) -> str:
        """Hash of the recipe."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class RunList:
    """A visitor's runs, oldest first; each recipe stands once."""

    runs: tuple[ListedRun, ...] = ()

    def find(self, key: str) -> ListedRun | None:
        """Return the run of a recipe, or None."""
        return next((run for run in self.runs if run.key == key), None)

    def with_run(self, record: RunRecord, when: str, parent: str = "") -> "RunList":
        """Return the list with a run at its end; the oldest goes where there are too many.

        Its parent is the newest run where the one that is named is not on the list. A run with
        other scores, which was imported, gets those that were measured here.
        """
        mine = self.find(record.key)
        if mine is not None:
            if same_scores(mine.record, record):
                return self
            measured = replace(mine, record=record, when=when)
            return RunList(tuple(measured if run is mine else run for run in self.runs))
        if self.find(parent) is None:
            parent = self.runs[-1].key if self.runs else ""
        number = 1 + max((_number(run.name) for run in self.runs), default=0)
        run = ListedRun(record, f"Run {number}", when, parent)
        return RunList((*self.runs, run)[-MOST_RUNS:])

    def renamed(self, key: str, name: str) -> "RunList":
        """Return the list with another name for a run.

        Raises:
            RecipeError: The name is empty, too long or not printable.
        """
        checked = check_name(name)
        runs = (replace(r, name=checked) if r.key == key else r for r in self.runs)
        return RunList(tuple(runs))

    def without(self, key: str) -> "RunList":
        """Return the list without a run."""
        return RunList(tuple(run for run in self.runs if run.key != key))

    def joined(self, others: Iterable[ListedRun]) -> "RunList":
        """Return the list with runs of another one behind it, each recipe once, if they fit."""
        known = {run.key for run in self.runs}
        new = [run for run in others if run.key not in known]
        return RunList((*self.runs, *new[: max(0, MOST_RUNS - len(self.runs))]))


def same_scores(one: RunRecord, other: RunRecord) -> bool:
    """Return whether two runs of one recipe gave the same answers on the same items."""
    if one.correct.keys() != other.correct.keys():
        return False
    return all(np.array_equal(bits, other.correct[task]) for task, bits in one.correct.items())


def check_name(name: object) -> str:
    """Return a run's name without spaces around it.

    Raises:
        RecipeError: It is no text, empty, too long or not printable.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
        raise RecipeError(f"A name has 1 to {LONGEST_NAME} letters. The old one stays.")
    return text


def now() -> str:
    """Return the time as runs tell it."""
    return datetime.now(UTC).strftime("%d %b %Y, %H:%M UTC").removeprefix("0")


def _number(name: str) -> int:
    word, _, number = name.partition(" ")
    return int(number) if word == "Run" and number.isascii() and number.isdigit() else 0


class RunBook:
    """Run lists by owner token, the least used forgotten first."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._lists: OrderedDict[str, RunList] = OrderedDict()
        self._expected: OrderedDict[str, str] = OrderedDict()

    def knows(self, owner: str) -> bool:
        """Return whether an owner has a list here."""
        with self._lock:
            return owner in self._lists

    def get(self, owner: str, first: RunRecord) -> RunList:
        """Return an owner's list; a new one begins with the first experiment."""
        with self._lock:
            if owner not in self._lists:
                return RunList((ListedRun(first, "Run 1", SHIPPED),))
            self._lists.move_to_end(owner)
            return self._lists[owner]

    def put(self, owner: str, listed: RunList) -> RunList:
        """Keep an owner's list and return it."""
        with self._lock:
            if listed.find(self._expected.get(owner, "")) is not None:
                del self._expected[owner]
            self._lists[owner] = listed
            self._lists.move_to_end(owner)
            while len(self._lists) > MOST_OWNERS:
                self._lists.popitem(last=False)
        return listed

    def expect(self, owner: str, key: str) -> None:
        """Note which recipe an owner's job is about, until its run is on the list."""
        with self._lock:
            self._expected[owner] = key
            self._expected.move_to_end(owner)
            while len(self._expected) > MOST_OWNERS:
                self._expected.popitem(last=False)

    def expected(self, owner: str) -> str:
        """Return the recipe whose run is to come on an owner's list, or ""."""
        with self._lock:
            return self._expected.get(owner, "")
