"""Jobs of one key are one run for all who ask; results are shared by key."""

import threading
from typing import Any

import pytest
from job_gates import SOON, Clock, Gate, Make, busy, ended, one_runner, runners, seen

from merging.errors import ResourceError
from merging.jobs import JobRunner, Report, ResultCache, Snapshot

make = pytest.fixture(runners)
runner = pytest.fixture(one_runner)


def never(report: Report) -> None:
    pytest.fail("computed twice")


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
    with pytest.raises(ResourceError, match="1 jobs are waiting"):
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
