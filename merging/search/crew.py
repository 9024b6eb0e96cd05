"""A few threads that work through a list, for work that computes outside of Python."""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from merging.engine import one_thread
from merging.errors import Cancelled
from merging.jobs import Report

T = TypeVar("T")
Piece = Callable[[Report], T]

MOST = 2
LISTEN = 0.05  # seconds between two looks at whether somebody cancelled


def hands() -> int:
    """Return how many threads work at once: two, one where there is one core only."""
    return min(MOST, os.cpu_count() or 1)


def in_any_order(
    pieces: Sequence[Piece[T]], report: Report, threads: int | None = None
) -> Generator[tuple[int, T | Exception], None, None]:
    """Do pieces of work, each in one thread, and return each result as it comes.

    A piece that fails gives its error, and the others go on. Closing the generator, or a report
    that raises, stops the threads where they next report, and waits for them.

    Args:
        pieces: Begun in this order; each is called with a report that raises ``Cancelled``.
        report: Called in this thread with the share done, at least every 50 ms.
        threads: How many, by default ``hands()``.

    Returns:
        Place and result of each.

    Raises:
        Cancelled: As raised by ``report``.
    """
    run = _Crew(pieces, threads or hands())
    try:
        done = 0
        while done < len(pieces):
            report(done / len(pieces), f"{done} of {len(pieces)} models judged")
            try:
                found = run.results.get(timeout=LISTEN)
            except Empty:
                continue
            done += 1
            yield found
            run.room.release()
    finally:
        run.close()


class _Crew(Generic[T]):
    """Threads at work."""

    def __init__(self, pieces: Sequence[Piece[T]], threads: int) -> None:
        self.results: SimpleQueue[tuple[int, T | Exception]] = SimpleQueue()
        self._todo = iter(enumerate(pieces))
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.room = threading.Semaphore(2 * threads)  # results that nobody took hold memory
        self._threads = [
            threading.Thread(target=self._work, name=f"crew-{i}", daemon=True)
            for i in range(min(threads, len(pieces)))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop and wait."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        one_thread()
        while not self._stop.is_set():
            if not self.room.acquire(timeout=LISTEN):
                continue
            with self._lock:
                place, piece = next(self._todo, (-1, None))
            if piece is None:
                return
            try:
                found: T | Exception = piece(self._heard)
            except Exception as error:
                if self._stop.is_set():
                    return
                found = error
            self.results.put((place, found))

    def _heard(self, fraction: float, message: str) -> None:
        if self._stop.is_set():
            raise Cancelled("Cancelled.")
