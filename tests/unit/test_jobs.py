"""The queue of background jobs, driven by events: nothing here sleeps."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import pytest

from merging.errors import Cancelled, CompatibilityError, ResourceError
from merging.jobs import JobRunner, Report, ResultCache, Snapshot

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


@pytest.fixture
def make() -> Iterator[Make]:
    runners: list[JobRunner] = []

    def start(**options: Any) -> JobRunner:
        runners.append(JobRunner(**options))
        return runners[-1]

    yield start
    for runner in runners:
        runner.close()
        for thread in runner.workers:
            thread.join(SOON)
            assert not thread.is_alive()


@pytest.fixture
def runner(make: Make) -> JobRunner:
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


def test_a_job_runs_and_keeps_its_result(runner: JobRunner) -> None:
    gate = busy(runner)
    seen = runner.latest("first")
    assert seen is not None
    assert (seen.status, seen.message, seen.position, seen.result) == (
        "running",
        "starting",
        0,
        None,
    )
    gate.go.set()
    done = ended(runner, "first")
    assert (done.status, done.result, done.fraction) == ("done", "result", 0.5)
    assert (done.id, done.key) == (seen.id, "key of first")
    assert done.version > seen.version
    assert runner.latest("first") == done


def test_positions_count_from_the_front(runner: JobRunner) -> None:
    gate = busy(runner)
    assert [runner.submit(o, o, lambda report: None).position for o in "abc"] == [1, 2, 3]
    runner.cancel("b")
    seen = [runner.latest(o) for o in "abc"]
    assert [s.position for s in seen if s] == [1, 0, 2]
    gate.go.set()
    assert [ended(runner, o).status for o in "abc"] == ["done", "cancelled", "done"]


def test_first_come_first_served(runner: JobRunner) -> None:
    order: list[str] = []
    gate = busy(runner)
    for owner in "abc":
        runner.submit(owner, owner, lambda report, owner=owner: order.append(owner))
    gate.go.set()
    for owner in "cab":
        ended(runner, owner)
    assert order == ["a", "b", "c"]


def test_two_workers_work_at_the_same_time(make: Make) -> None:
    """Each job ends only when both have arrived."""
    runner, barrier = make(workers=2), threading.Barrier(2)
    for owner in "ab":
        runner.submit(owner, owner, lambda report: barrier.wait(SOON))
    assert sorted(ended(runner, o).result for o in "ab") == [0, 1]


def test_workers_are_prepared_once_each(make: Make) -> None:
    names: list[str] = []
    runner = make(workers=2, prepare=lambda: names.append(threading.current_thread().name))
    for owner in "abcd":
        runner.submit(owner, owner, lambda report: None)
    for owner in "abcd":
        ended(runner, owner)
    runner.close()
    for thread in runner.workers:
        thread.join(SOON)
    assert sorted(names) == ["merge-worker-0", "merge-worker-1"]


# --- Owners and keys ------------------------------------------------------------------------------


def test_the_same_key_is_the_same_job(runner: JobRunner) -> None:
    gate = busy(runner)
    seen = runner.latest("first")
    again = runner.submit("first", "key of first", lambda report: pytest.fail("ran twice"))
    assert seen is not None
    assert again.id == seen.id
    gate.go.set()
    ended(runner, "first")
    assert runner.submit("first", "key of first", lambda report: 2).id != seen.id
    assert ended(runner, "first").result == 2


def test_one_live_job_per_owner(runner: JobRunner) -> None:
    gate = busy(runner)
    with pytest.raises(ResourceError, match="last merge is still at work"):
        runner.submit("first", "another key", lambda report: None)
    runner.submit("second", "another key", lambda report: None)
    with pytest.raises(ResourceError, match="still at work"):
        runner.submit("second", "a third key", lambda report: None)
    gate.go.set()
    ended(runner, "first")
    runner.submit("first", "another key", lambda report: 3)
    assert ended(runner, "first").result == 3


def test_others_see_and_cancel_nothing(runner: JobRunner) -> None:
    gate = busy(runner)
    for stranger in ("", "firs", "first ", "FIRST", "ферст"):
        assert runner.latest(stranger) is None
        assert runner.wait(stranger, 0) is None
        runner.cancel(stranger)
    gate.go.set()
    assert ended(runner, "first").status == "done"


def test_ids_cannot_be_guessed(runner: JobRunner) -> None:
    ids = set()
    for number in range(20):
        ids.add(runner.submit(f"o{number}", "k", lambda report: None).id)
        ended(runner, f"o{number}")
    assert len(ids) == 20
    assert all(len(i) >= 16 for i in ids)


def test_a_snapshot_does_not_change(runner: JobRunner) -> None:
    gate = busy(runner)
    seen = runner.latest("first")
    assert seen is not None
    with pytest.raises(FrozenInstanceError):
        seen.status = "done"  # type: ignore[misc]
    gate.go.set()
    ended(runner, "first")
    assert seen.status == "running"


# --- Cancel ---------------------------------------------------------------------------------------


def test_cancel_while_waiting_never_starts(runner: JobRunner) -> None:
    gate = busy(runner)
    runner.submit("second", "k", lambda report: pytest.fail("started"))
    runner.cancel("second")
    seen = runner.latest("second")
    assert seen is not None
    assert (seen.status, seen.message) == ("cancelled", "Cancelled while waiting.")
    assert (seen.elapsed, seen.position) == (0, 0)
    gate.go.set()
    ended(runner, "first")


def test_cancel_while_running_stops_at_the_next_report(runner: JobRunner) -> None:
    gate = busy(runner)
    runner.cancel("first")
    with pytest.raises(ResourceError, match="still at work"):
        runner.submit("first", "key of first", lambda report: None)
    gate.go.set()
    seen = ended(runner, "first")
    assert (seen.status, seen.result) == ("cancelled", None)
    assert seen.message == "Cancelled. Nothing was kept."
    runner.submit("first", "key of first", lambda report: "anew")
    assert ended(runner, "first").result == "anew"


def test_cancel_of_what_has_ended_changes_nothing(runner: JobRunner) -> None:
    runner.submit("a", "k", lambda report: 1)
    before = ended(runner, "a")
    runner.cancel("a")
    assert runner.latest("a") == before


def test_closing_stops_running_work(make: Make) -> None:
    runner = make()
    gate = busy(runner)
    runner.close()
    gate.go.set()
    assert ended(runner, "first").status == "cancelled"


# --- Failures -------------------------------------------------------------------------------------


def test_a_mistake_in_the_recipe_is_told_as_it_is(runner: JobRunner) -> None:
    gate = Gate(error=CompatibilityError("b has no tensor 'w'."))
    gate.go.set()
    runner.submit("a", "k", gate)
    seen = ended(runner, "a")
    assert (seen.status, seen.message) == ("failed", "b has no tensor 'w'.")


def test_a_bug_ends_in_an_apology_and_a_log(
    runner: JobRunner, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(error=ZeroDivisionError("secret path /home/me"))
    gate.go.set()
    with caplog.at_level(logging.ERROR, "merging.jobs"):
        shot = runner.submit("a", "k", gate)
        seen = ended(runner, "a")
    assert seen.status == "failed"
    assert seen.message == f"Something broke on our side (job {shot.id}). Nothing was lost."
    assert "secret" not in seen.message
    assert f"job {shot.id} failed" in caplog.text
    assert "ZeroDivisionError: secret path" in caplog.text


def test_memory_is_said_in_words(runner: JobRunner, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate(error=MemoryError())
    gate.go.set()
    runner.submit("a", "k", gate)
    assert ended(runner, "a").message.startswith("Memory ran out.")
    assert "ran out of memory" in caplog.text


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), MemoryError(), CompatibilityError("x"), Cancelled("x")]
)
def test_the_worker_survives(error: BaseException, runner: JobRunner) -> None:
    gate = Gate(error=error)
    gate.go.set()
    runner.submit("a", "k", gate)
    ended(runner, "a")
    runner.submit("a", "k", lambda report: "alive")
    assert ended(runner, "a").result == "alive"


# --- Limits ---------------------------------------------------------------------------------------


def test_a_full_queue_refuses(make: Make) -> None:
    runner = make(most_queued=2)
    gate = busy(runner)
    for owner in "ab":
        runner.submit(owner, f"k{owner}", lambda report: None)
    with pytest.raises(ResourceError, match="2 merges are waiting already"):
        runner.submit("c", "kc", lambda report: None)
    assert runner.latest("c") is None
    runner.cancel("a")
    runner.submit("c", "kc", lambda report: "served")
    gate.go.set()
    assert ended(runner, "c").result == "served"


def test_old_jobs_are_forgotten_by_number(make: Make) -> None:
    runner = make(most_kept=2)
    for owner in "abcd":
        runner.submit(owner, "k", lambda report: None)
        ended(runner, owner)
    assert [runner.latest(o) is not None for o in "abcd"] == [False, False, True, True]


def test_old_jobs_are_forgotten_by_age(make: Make) -> None:
    clock = Clock()
    runner = make(keep_seconds=60, clock=clock)
    runner.submit("a", "k", lambda report: None)
    ended(runner, "a")
    clock.now += 60
    assert runner.latest("a") is not None
    clock.now += 1
    assert runner.latest("a") is None


def test_live_jobs_are_never_forgotten(make: Make) -> None:
    clock = Clock()
    runner = make(keep_seconds=60, most_kept=0, clock=clock)
    gate = busy(runner)
    runner.submit("waiting", "k", lambda report: None)
    clock.now += 10_000
    assert runner.latest("first") is not None
    assert runner.latest("waiting") is not None
    gate.go.set()


def test_time_runs_from_start_to_end(make: Make) -> None:
    clock = Clock()
    runner = make(clock=clock)
    gate = busy(runner)
    clock.now += 5
    waiting = runner.submit("second", "k", lambda report: None)
    assert waiting.elapsed == 0
    running = runner.latest("first")
    assert running is not None
    assert running.elapsed == 5
    clock.now += 2
    gate.go.set()
    assert ended(runner, "first").elapsed == 7
    clock.now += 50
    assert ended(runner, "first").elapsed == 7


def test_waiting_gives_up_at_once_when_told(runner: JobRunner) -> None:
    gate = busy(runner)
    seen = runner.wait("first", 0)
    assert seen is not None
    assert seen.status == "running"
    gate.go.set()


# --- Runs shared by key ---------------------------------------------------------------------------


def never(report: Report) -> None:
    pytest.fail("computed twice")


def seen(runner: JobRunner, owner: str) -> Snapshot:
    shot = runner.latest(owner)
    assert shot is not None
    return shot


def view(shot: Snapshot) -> tuple[object, ...]:
    """All that two owners of one run have in common."""
    return shot.key, shot.status, shot.position, shot.fraction, shot.message, shot.result


def test_owners_of_a_waiting_run_share_it(runner: JobRunner) -> None:
    gate, work = busy(runner), Gate(result=[1, 2])
    runner.submit("a", "same", work)
    runner.submit("between", "other", lambda report: None)
    b = runner.submit("b", "same", never)
    assert (b.status, b.position) == ("queued", 1)
    assert view(seen(runner, "a")) == view(b)
    assert seen(runner, "between").position == 2
    gate.go.set()
    work.go.set()
    first, second = ended(runner, "a"), ended(runner, "b")
    assert view(first) == view(second)
    assert first.result is second.result is work.result


def test_owners_of_a_running_run_share_it(make: Make) -> None:
    clock, half, go = Clock(), threading.Event(), threading.Event()
    runner = make(clock=clock)

    def work(report: Report) -> str:
        report(0.5, "half way")
        half.set()
        assert go.wait(SOON)
        report(0.75, "nearly")
        return "once"

    runner.submit("a", "same", work)
    assert half.wait(SOON)
    clock.now += 3
    b = runner.submit("b", "same", never)
    assert (b.status, b.fraction, b.message, b.elapsed) == ("running", 0.5, "half way", 3)
    assert view(b) == view(seen(runner, "a"))
    go.set()
    assert (ended(runner, "a").result, ended(runner, "b").result) == ("once", "once")
    assert ended(runner, "b").fraction == 0.75
    assert ended(runner, "b").version > b.version


def test_nothing_in_a_view_tells_of_the_others(
    runner: JobRunner, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(error=ZeroDivisionError())
    a = runner.submit("a", "same", gate)
    b = runner.submit("b", "same", never)
    assert a.id != b.id
    gate.go.set()
    told = [ended(runner, owner) for owner in "ab"]
    assert [(s.id, s.status) for s in told] == [(a.id, "failed"), (b.id, "failed")]
    assert told[0].message == f"Something broke on our side (job {a.id}). Nothing was lost."
    assert told[1].message == f"Something broke on our side (job {b.id}). Nothing was lost."
    assert f"job {a.id}, {b.id} failed" in caplog.text
    assert runner.latest("c") is None


def test_who_leaves_a_running_run_leaves_it_to_the_others(make: Make) -> None:
    clock = Clock()
    runner = make(clock=clock)
    gate = busy(runner, "a")
    runner.submit("b", "key of a", never)
    clock.now += 2
    runner.cancel("a")
    left = ended(runner, "a")
    assert (left.status, left.message) == ("cancelled", "Cancelled. Nothing was kept.")
    assert (left.elapsed, left.result) == (2, None)
    assert seen(runner, "b").status == "running"
    clock.now += 2
    gate.go.set()
    assert (ended(runner, "b").status, ended(runner, "b").result) == ("done", "result")
    assert runner.latest("a") == left


def test_who_leaves_a_waiting_run_leaves_it_to_the_others(runner: JobRunner) -> None:
    gate = busy(runner)
    runner.submit("a", "same", lambda report: "kept")
    runner.submit("b", "same", never)
    runner.cancel("b")
    assert seen(runner, "b").message == "Cancelled while waiting."
    assert (seen(runner, "b").elapsed, seen(runner, "b").position) == (0, 0)
    assert seen(runner, "a").position == 1
    gate.go.set()
    assert ended(runner, "a").result == "kept"
    assert seen(runner, "b").elapsed == 0


def test_the_last_to_leave_stops_the_work(runner: JobRunner) -> None:
    gate = busy(runner, "a")
    runner.submit("b", "key of a", never)
    runner.cancel("a")
    runner.cancel("b")
    assert seen(runner, "b").status == "running"
    gate.go.set()
    assert ended(runner, "b").status == "cancelled"


def test_the_last_to_leave_takes_a_waiting_run_out_of_the_queue(runner: JobRunner) -> None:
    gate = busy(runner)
    for owner in "ab":
        runner.submit(owner, "same", never)
    runner.submit("c", "other", lambda report: "served")
    for owner in "ba":
        runner.cancel(owner)
        assert seen(runner, owner).status == "cancelled"
    assert seen(runner, "c").position == 1
    gate.go.set()
    assert ended(runner, "c").result == "served"


def test_who_left_can_join_again_or_ask_for_another(runner: JobRunner) -> None:
    gate = busy(runner, "a")
    first = runner.submit("b", "key of a", never)
    runner.cancel("b")
    again = runner.submit("b", "key of a", never)
    assert again.id != first.id
    assert again.status == "running"
    assert seen(runner, "b").id == again.id
    runner.cancel("b")
    assert runner.submit("b", "another", lambda report: "mine").position == 1
    gate.go.set()
    assert (ended(runner, "a").result, ended(runner, "b").result) == ("result", "mine")


def test_one_live_job_per_owner_holds_for_joined_ones(runner: JobRunner) -> None:
    gate = busy(runner, "a")
    joined = runner.submit("b", "key of a", never)
    assert runner.submit("b", "key of a", never).id == joined.id
    with pytest.raises(ResourceError, match="still at work"):
        runner.submit("b", "another", never)
    runner.submit("c", "another", lambda report: None)
    with pytest.raises(ResourceError, match="still at work"):
        runner.submit("c", "key of a", never)
    gate.go.set()


def test_joining_takes_no_place_in_a_full_queue(make: Make) -> None:
    runner = make(most_queued=1)
    gate = busy(runner)
    runner.submit("a", "same", lambda report: "once")
    for owner in "bcd":
        assert runner.submit(owner, "same", never).position == 1
    with pytest.raises(ResourceError, match="1 merges are waiting"):
        runner.submit("e", "another", never)
    gate.go.set()
    assert [ended(runner, owner).result for owner in "abcd"] == ["once"] * 4


def test_nobody_joins_a_run_that_is_stopping(make: Make) -> None:
    """Nor does a second worker begin the same key while the first has not stopped."""
    runner = make(workers=2)
    gate, second = busy(runner, "a"), Gate(result="anew")
    runner.cancel("a")
    fresh = runner.submit("b", "key of a", second)
    assert (fresh.status, fresh.position) == ("queued", 1)
    runner.submit("c", "another", lambda report: "passed")
    assert ended(runner, "c").result == "passed"
    assert not second.started.is_set()
    gate.go.set()
    assert ended(runner, "a").status == "cancelled"
    second.go.set()
    assert ended(runner, "b").result == "anew"


def test_shared_ends_are_forgotten_one_by_one(make: Make) -> None:
    clock = Clock()
    runner = make(keep_seconds=60, clock=clock)
    gate = busy(runner, "a")
    runner.submit("b", "key of a", never)
    runner.cancel("a")
    clock.now += 61
    assert (runner.latest("a"), seen(runner, "b").status) == (None, "running")
    gate.go.set()
    assert ended(runner, "b").status == "done"
    clock.now += 61
    assert runner.latest("b") is None


def test_racing_owners_compute_once(make: Make) -> None:
    """Many threads ask for one key; whoever is too late for the run finds its result kept."""
    runner, cache, line = make(workers=2), ResultCache(), threading.Barrier(8)
    computed: list[str] = []

    def work(report: Report) -> Any:
        if cache.get("same") is None:
            computed.append(threading.current_thread().name)
            cache.put("same", "result")
        return cache.get("same")

    def ask(owner: str) -> None:
        line.wait(SOON)
        runner.submit(owner, "same", work)

    for round_ in range(20):
        computed.clear()
        cache.put("same", None)
        owners = [f"{round_} {place}" for place in range(8)]
        threads = [threading.Thread(target=ask, args=(owner,)) for owner in owners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
        assert [ended(runner, owner).result for owner in owners] == ["result"] * 8
        assert len(computed) == 1


# --- Results shared by key ------------------------------------------------------------------------


def test_the_least_used_result_goes_first() -> None:
    cache = ResultCache(most=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(k) for k in "abc"] == [1, None, 3]
    cache.put("a", 4)
    cache.put("d", 5)
    assert [cache.get(k) for k in "acd"] == [4, None, 5]
