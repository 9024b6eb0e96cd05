"""Queues of jobs, work that waits for a word, and a clock: tests of jobs never sleep."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from merging.jobs import JobRunner, Report, Snapshot

SOON = 20.0


@dataclass
class Gate:
    """Work that says when it has started and ends when it is let go."""

    result: Any = "result"
    error: BaseException | None = None
    started: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def __call__(self, report: Report) -> Any:
        self.started.set()
        assert self.go.wait(SOON)
        report(0.5, "half way")
        if self.error:
            raise self.error
        return self.result


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


Make = Callable[..., JobRunner]


def runners() -> Iterator[Make]:
    """A fixture: starts queues and closes them in the end."""
    made: list[JobRunner] = []

    def start(**options: Any) -> JobRunner:
        made.append(JobRunner(**options))
        return made[-1]

    yield start
    for runner in made:
        runner.close()
        for thread in runner.workers:
            thread.join(SOON)
            assert not thread.is_alive()


def one_runner(make: Make) -> JobRunner:
    """A fixture: the queue with one worker."""
    return make()


def ended(runner: JobRunner, owner: str) -> Snapshot:
    seen = runner.wait(owner, SOON)
    assert seen is not None
    assert seen.final
    return seen


def busy(runner: JobRunner, owner: str = "first") -> Gate:
    """Keep the only worker at work until the gate opens."""
    gate = Gate()
    runner.submit(owner, f"key of {owner}", gate)
    assert gate.started.wait(SOON)
    return gate


def seen(runner: JobRunner, owner: str) -> Snapshot:
    shot = runner.latest(owner)
    assert shot is not None
    return shot
