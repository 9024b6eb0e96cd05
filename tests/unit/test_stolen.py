"""What a virtual machine's host takes away while something is timed."""

from dataclasses import dataclass

import pytest

from scripts import stolen

COUNTS = "cpu  6779709 477711 623260 2457662 19972 0 16191 {} 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


def test_stolen_time_is_the_eighth_figure_of_all_processors() -> None:
    assert stolen.stolen_seconds(COUNTS.format(432424)) == 432424 / stolen.TICK


@dataclass
class Machine:
    """Two processors; every round of work takes a second, and these shares are stolen."""

    shares: list[float]
    now: float = 0.0
    stolen: float = 0.0

    def work(self) -> float:
        share = self.shares.pop(0)
        self.now += 1.0
        self.stolen += 2 * share
        return share


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine([])
    monkeypatch.setattr(stolen.time, "perf_counter", lambda: made.now)
    monkeypatch.setattr(stolen, "_stolen", lambda: made.stolen)
    monkeypatch.setattr(stolen.os, "cpu_count", lambda: 2)
    return made


def test_the_least_disturbed_round_counts(machine: Machine) -> None:
    machine.shares = [0.5, 0.2, 0.4]
    best = stolen.least_disturbed(machine.work, rounds=3)
    assert best.found == 0.2
    assert best.share == pytest.approx(0.2)
    assert best.note == "20 % of the processors stolen"


def test_a_quiet_round_is_the_last(machine: Machine) -> None:
    machine.shares = [0.5, 0.04, 0.0]
    assert stolen.least_disturbed(machine.work, rounds=3).found == 0.04
    assert machine.shares == [0.0]
