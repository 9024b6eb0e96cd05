"""The queue of background jobs, driven by events: nothing here sleeps."""

import logging
import threading
from dataclasses import FrozenInstanceError

import pytest
from job_gates import SOON, Clock, Gate, Make, busy, ended, one_runner, runners

from merging.errors import Cancelled, CompatibilityError, ResourceError
from merging.jobs import JobRunner

make = pytest.fixture(runners)
runner = pytest.fixture(one_runner)


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
    with pytest.raises(ResourceError, match="started last is still at work"):
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
    with pytest.raises(ResourceError, match="2 jobs are waiting already"):
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
