"""Work shared out over as many threads as torch may use, each of which computes alone."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def share_out(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Do some work on every item and return the results in order.

    With one thread everything happens in the caller's.
    """
    threads = torch.get_num_threads()
    known = list(items)
    if threads == 1 or len(known) < 2:
        return [work(item) for item in known]
    return list(_pool(threads).map(work, known))


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
