"""Threads that work through chunks: a bounded number in flight, results in order, cancel."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

import torch

from merging.errors import Cancelled

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # chunks waiting for each worker
_LARGE = 31 << 20  # bytes, just below the most that glibc learns from
PATIENCE = 0.1  # seconds between looks at whether someone cancelled


class Workers:
    """A pool in which every thread computes alone; of one it is the calling thread.

    Attributes:
        count: Number of threads of each home.
        stop: Set when work is to end between two blocks.
    """

    def __init__(
        self, count: int, tick: Callable[[], None], homes: int = 1, inner: int = 1
    ) -> None:
        """Start threads; see ``workers``."""
        self.count = count
        self._tick = tick
        self.stop = Event()
        self._pools = [
            ThreadPoolExecutor(count, "merge", initializer=torch.set_num_threads, initargs=(inner,))
            for _ in range(homes)
        ]

    def each(
        self,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        home: Callable[[Item], int] = lambda item: 0,
    ) -> Iterator[tuple[Item, Result]]:
        """Yield items and what their work returned, in order.

        Args:
            work: Called in any thread of the item's home.
            items: Taken as threads become free; with several homes all at once, so that none waits
                for another's.
            home: Number of the home whose threads do the work of an item.
        """
        if self.count * len(self._pools) == 1:
            yield from self._alone(work, items)
            return
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        todo = iter(items)
        most = self.count * (1 + AHEAD) if len(self._pools) == 1 else sys.maxsize
        try:
            while True:
                while len(waiting) < most:
                    item = next(todo, None)
                    if item is None:
                        break
                    waiting.append((item, self._pools[home(item)].submit(work, item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield item, self._patient(future)
        except BaseException:
            self.stop.set()
            raise

    def _alone(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result]]:
        for item in items:
            self._tick()
            yield item, work(item)

    def check(self) -> None:
        """End the work of a thread when the others have been stopped.

        Raises:
            Cancelled: They have.
        """
        if self.stop.is_set():
            raise Cancelled("Cancelled. Nothing was kept.")

    def _patient(self, future: "Future[Result]") -> Result:
        while True:
            self._tick()
            try:
                return future.result(timeout=PATIENCE)
            except TimeoutError:
                if future.done():  # meanwhile, or because its work ran out of time itself
                    return future.result()

    def close(self) -> None:
        """Wait for what is at work and end the threads."""
        self.stop.set()
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)


def _keep_freed_memory() -> None:
    """Have small tensors made from memory of those just freed.

    glibc gives large freed memory back to the system, which must clear it before it is used again:
    that took five times as long as the arithmetic. How large is large it learns from what was
    freed; it is taught by one tensor that is never touched, so nothing is spent on it.
    """
    torch.empty(_LARGE, dtype=torch.uint8)


@contextmanager
def workers(
    count: int | None, tick: Callable[[], None], homes: int = 1, inner: int = 1
) -> Iterator[Workers]:
    """Open a pool.

    Each thread of it computes with few threads of torch's, one by default. Setting that for a
    thread also sets what threads started later begin with, so that is put back.

    Args:
        count: Number of threads; None for as many as torch may use here.
        tick: Called often in the calling thread while it waits; it may raise to end everything.
        homes: Number of groups of so many threads, such as one for each device.
        inner: Threads of torch's for each thread of the pool.
    """
    before = torch.get_num_threads()
    _keep_freed_memory()
    pool = Workers(count or min(before, os.cpu_count() or 1), tick, homes, inner)
    try:
        yield pool
    finally:
        pool.close()
        torch.set_num_threads(before)
