"""Work shared out over as many threads as torch may use, each of which computes alone."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

Item = TypeVar("Item")


def share_out(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Do some work on every item, whichever thread is free next.

    The caller's thread takes part: to wake one more would take a tenth of a preview's time.

    Args:
        work: Computes in the thread that it is called in, not in threads of torch's.
        items: Taken in order.
    """
    todo = deque(items)

    def take_part() -> None:
        try:
            while (taken := _take(todo)) is not None:
                work(*taken)
        except BaseException:
            todo.clear()
            raise

    threads = torch.get_num_threads()
    others = min(threads, len(todo)) - 1
    helpers = [_pool(threads - 1).submit(take_part) for _ in range(others)]
    try:
        take_part()
    finally:
        wait([helper for helper in helpers if not helper.cancel()])
    for helper in helpers:
        if not helper.cancelled():
            helper.result()


def _take(todo: deque[Item]) -> tuple[Item] | None:
    """Return the next item, alone in a tuple, or None where another thread took the last."""
    try:
        return (todo.popleft(),)
    except IndexError:
        return None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay. Telling them to compute alone must not tell threads made later so too."""
    pool = ThreadPoolExecutor(threads, "sketch")
    gate = threading.Barrier(threads)

    def alone(_: int) -> None:
        gate.wait()
        torch.set_num_threads(1)

    own = torch.get_num_threads()
    list(pool.map(alone, range(threads)))
    torch.set_num_threads(own)
    return pool
