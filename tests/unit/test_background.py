"""A thread fed through a bounded queue: nobody waits for ever."""

import threading
from collections.abc import Callable

import pytest

from merging.engine import background as module
from merging.engine.background import Background

LONG = 30  # seconds that are never reached unless something hangs


class Told:
    """What the thread did."""

    def __init__(self, handle: Callable[[str], None] = lambda item: None) -> None:
        self.items: list[str] = []
        self.ended = 0
        self.well: list[bool] = []
        self._inner = handle

    def start(self, limit: int = 10) -> Background[str]:
        return Background("test", self.handle, limit, self.end, self.well.append)

    def handle(self, item: str) -> None:
        self._inner(item)
        self.items.append(item)

    def end(self) -> None:
        self.ended += 1


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released each time a thread named "producer" begins to wait for the queue."""
    semaphore = threading.Semaphore(0)

    class Observed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread().name == "producer":
                semaphore.release()
            return super().wait(timeout)

    monkeypatch.setattr(module, "Condition", Observed)
    return semaphore


def producers(count: int, work: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, name="producer", daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def waits(event: threading.Event) -> None:
    assert event.wait(LONG)


def ended(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(LONG)
    return not any(thread.is_alive() for thread in threads)


def test_items_are_handled_in_order_and_the_end_comes_last() -> None:
    told = Told()
    background = told.start()
    assert all(background.put(str(i), 4) for i in range(20))
    background.join()
    assert told.items == [str(i) for i in range(20)]
    assert (told.ended, told.well, background.failure) == (1, [True], None)
    assert not background.put("late", 1)


def test_bytes_in_work_count_and_a_large_item_goes_alone(waiting: threading.Semaphore) -> None:
    go = threading.Event()
    told = Told(lambda item: waits(go))
    background = told.start(limit=10)
    assert background.put("a", 6) and background.put("b", 4)
    threads = producers(1, lambda: background.put("large", 1000) and None)
    assert waiting.acquire(timeout=LONG)
    go.set()
    assert ended(threads)
    background.join()
    assert told.items == ["a", "b", "large"]


def test_who_waits_for_room_is_told_when_the_thread_dies(waiting: threading.Semaphore) -> None:
    go = threading.Event()

    def fail(item: str) -> None:
        waits(go)
        raise OSError(28, "full")

    told = Told(fail)
    background = told.start(limit=1)
    results: list[bool] = []
    assert background.put("first", 1)
    threads = producers(3, lambda: results.append(background.put("next", 1)))
    for _ in threads:
        assert waiting.acquire(timeout=LONG)
    go.set()
    assert ended(threads)
    background.join()
    assert results == [False, False, False]
    assert (told.items, told.ended, told.well) == ([], 0, [False])
    assert isinstance(background.failure, OSError)
    assert not background.put("after", 1)


def test_who_waits_for_room_is_told_of_a_stop(waiting: threading.Semaphore) -> None:
    begun, go = threading.Event(), threading.Event()

    def handle(item: str) -> None:
        begun.set()
        waits(go)

    told = Told(handle)
    background = told.start(limit=1)
    results: list[bool] = []
    assert background.put("first", 1)
    waits(begun)
    threads = producers(2, lambda: results.append(background.put("next", 1)))
    for _ in threads:
        assert waiting.acquire(timeout=LONG)
    stopper = threading.Thread(target=background.stop, daemon=True)
    stopper.start()
    assert ended(threads)
    go.set()
    assert ended([stopper])
    background.stop()
    assert (results, told.items, told.ended, told.well) == ([False] * 2, ["first"], 0, [True])


def test_a_failure_shows_only_after_the_cleanup() -> None:
    seen: list[BaseException | None] = []

    def fail(item: str) -> None:
        raise ValueError(item)

    background = Background(
        "test", fail, 1, lambda: None, lambda well: seen.append(background.failure)
    )
    background.put("x", 1)
    background.join()
    assert seen == [None]
    assert str(background.failure) == "x"


def test_a_failure_at_the_end_or_while_cleaning_is_kept() -> None:
    def fail(*_: object) -> None:
        raise ValueError("last")

    for at_end, cleanup in ((fail, lambda well: None), (lambda: None, fail), (fail, fail)):
        background = Background("test", lambda item: None, 1, at_end, cleanup)
        background.join()
        assert str(background.failure) == "last"
