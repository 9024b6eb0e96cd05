"""Run lists by visitor: what was scored, which run is shown and which is pinned."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from merging.evaluation.record import RunRecord

MOST_RUNS = 50
MOST_OWNERS = 2000


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One line of a visitor's run list."""

    key: str
    name: str
    when: str


@dataclass(frozen=True, slots=True)
class RunList:
    """A visitor's runs, oldest first, with the one that is shown and the one that is pinned."""

    runs: tuple[ListedRun, ...]
    shown: str
    pinned: str


class RunBook:
    """Run lists by owner token, the least used forgotten first."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._lists: OrderedDict[str, RunList] = OrderedDict()

    def get(self, owner: str, first: RunRecord) -> RunList:
        """Return an owner's list; a new one begins with the first experiment, pinned."""
        with self._lock:
            if owner not in self._lists:
                start = ListedRun(first.key, "Run 1", "shipped")
                self._lists[owner] = RunList((start,), first.key, first.key)
            self._lists.move_to_end(owner)
            while len(self._lists) > MOST_OWNERS:
                self._lists.popitem(last=False)
            return self._lists[owner]

    def add(self, owner: str, key: str, first: RunRecord) -> RunList:
        """Put a run on the list, once, and show it."""
        listed = self.get(owner, first)
        runs = listed.runs
        if key not in {run.key for run in runs}:
            number = 1 + max(int(run.name.split()[1]) for run in runs)
            when = datetime.now(UTC).strftime("%H:%M UTC")
            runs = (*runs, ListedRun(key, f"Run {number}", when))[-MOST_RUNS:]
        return self._put(owner, replace(listed, runs=runs, shown=key))

    def show(self, owner: str, key: str, first: RunRecord) -> RunList:
        """Show a run of the list."""
        return self._put(owner, replace(self.get(owner, first), shown=key))

    def pin(self, owner: str, key: str, first: RunRecord) -> RunList:
        """Pin a run of the list, or unpin it."""
        listed = self.get(owner, first)
        return self._put(owner, replace(listed, pinned="" if listed.pinned == key else key))

    def _put(self, owner: str, listed: RunList) -> RunList:
        with self._lock:
            self._lists[owner] = listed
        return listed
