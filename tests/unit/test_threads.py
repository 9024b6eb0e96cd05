"""Work that a preview shares out, and a pool that waits for a merge's threads."""

from concurrent.futures import Future
from threading import Event, current_thread

import pytest
import torch

from merging.engine.pool import Workers
from merging.sketch.threads import _pool, share_out


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_every_item_is_worked_on_once(threads: int, number: int) -> None:
    done: list[int] = []
    share_out(done.append, range(number))
    assert sorted(done) == list(range(number))


def test_two_threads_work_at_once() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    met, names = {0: Event(), 1: Event()}, set()

    def work(item: int) -> None:
        names.add(current_thread().name)
        met[item].set()
        assert met[1 - item].wait(20)

    try:
        share_out(work, (0, 1))
    finally:
        torch.set_num_threads(before)
    assert len(names) == 2 and current_thread().name in names


@pytest.mark.parametrize("error", [IndexError, ValueError, KeyboardInterrupt])
def test_a_failure_reaches_the_caller_and_ends_the_rest(
    threads: int, error: type[BaseException]
) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 3:
            raise error("three")
        done.append(item)

    with pytest.raises(error, match="three"):
        share_out(work, range(10_000))
    assert len(done) < 10_000


def test_nobody_waits_for_helpers_that_are_busy_elsewhere() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    go_on, done = Event(), []
    try:
        busy = _pool(1).submit(go_on.wait, 60)
        share_out(done.append, range(5))
        assert done == [0, 1, 2, 3, 4] and not busy.done()
    finally:
        go_on.set()
        torch.set_num_threads(before)


class Late(Future):  # type: ignore[type-arg]
    """A result that comes just when the patience for it has ended."""

    def result(self, timeout: float | None = None) -> object:
        if not self.done():
            self.set_result("there")
            raise TimeoutError
        return super().result(timeout)


def test_a_result_that_comes_as_patience_ends_is_taken() -> None:
    assert Workers(1, lambda: None)._patient(Late()) == "there"


def test_work_that_runs_out_of_time_says_so() -> None:
    failed: Future[object] = Future()
    failed.set_exception(TimeoutError("the disk"))
    with pytest.raises(TimeoutError, match="the disk"):
        Workers(1, lambda: None)._patient(failed)
