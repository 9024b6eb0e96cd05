"""Maps on a ground of three weights: every place, partial results, cancel, faults."""

import threading
from dataclasses import replace

import pytest
from tiny_ground import MODELS, TinyGround, slope
from tiny_measure import CancelAfter, Ticks, quiet

from merging.errors import CompatibilityError, EvaluationError, ParameterError, UnknownNameError
from merging.evaluation.judged import Judged
from merging.search.crew import in_any_order
from merging.search.heights import Height
from merging.search.landscape import Landscape, landscape

ACCURACY = Height("accuracy", ("t",))


def made(ground=None, report=quiet, count: int = 5, **how) -> Landscape:
    ground = ground or TinyGround()
    return landscape(ground, ("a", "b"), report, count=count, others=("c",), **how)


def test_every_place_has_the_height_of_its_own_weights() -> None:
    ground = TinyGround()
    found = made(ground)
    assert len(found.places) == 25 and found.ended == "complete"
    for place, judged in found.places.items():
        x, y = found.grid.at(*place)
        right = min(1.0, max(0.0, (1 + x) / 10))  # the first axis is the first weight
        assert ACCURACY.of(judged) == pytest.approx(right, abs=6e-4)
        assert Height("loss", ("t",)).of(judged) == pytest.approx(x * x + y * y, abs=1e-4)
    named = {name: round(ACCURACY.of(j), 3) for name, j in found.named.items()}
    assert named == {"base": 0.1, "a": 0.4, "b": 0.2, "average": 0.3, "sum": 0.5}
    assert len(ground.seen) == 30
    spot = found.others["c"]
    assert (spot.x, spot.y, spot.off) == pytest.approx((0, 1, 4))


def test_it_is_drawn_coarse_to_fine_and_never_takes_back() -> None:
    seen: list[Landscape] = []
    made(on_point=seen.append, threads=1)
    assert not seen[0].own and not seen[0].places and seen[0].frame.first == 3
    counts = [len(s.places) for s in seen]
    assert counts == sorted(counts) and set(range(26)) == set(counts)
    nine = next(s for s in seen if len(s.places) == 9)
    assert set(nine.places) == {(i, j) for i in (0, 2, 4) for j in (0, 2, 4)}
    assert set(nine.named) == {"base", "a", "b", "average", "sum"}
    assert [s.ended for s in seen[:-1]] == [""] * (len(seen) - 1)


def test_what_was_cancelled_keeps_its_places() -> None:
    found = made(report=CancelAfter(14), threads=1)
    assert found.ended == "cancelled" and 4 <= len(found.places) < 25
    assert len(found.named) == 5 and found.left == 0


def test_an_ended_budget_keeps_its_places() -> None:
    clock = Ticks()

    def tick(found: Landscape) -> None:
        clock.now = float(len(found.named) + len(found.places))

    found = made(on_point=tick, clock=clock, budget_seconds=12.5, threads=1)
    assert found.ended == "budget" and len(found.places) == 13 - 5
    assert found.left == 0


def test_a_stopped_map_goes_on_where_it_was() -> None:
    ground = TinyGround()
    part = made(ground, report=CancelAfter(14), threads=1)
    before, kept = len(ground.seen), len(part.named) + len(part.places)
    whole = made(ground, known=part)
    assert whole.ended == "complete" and len(whole.places) == 25
    assert len(ground.seen) - before == 30 - kept
    assert all(whole.places[place] is judged for place, judged in part.places.items())
    again = made(ground, known=whole)
    assert len(ground.seen) - before == 30 - kept and again.left == 0
    assert again.places == whole.places and again.ended == "complete"


def test_a_map_of_more_tasks_judges_only_what_is_missing() -> None:
    asked: list[tuple[str, ...]] = []

    class TwoTasks(TinyGround):
        def tasks(self) -> tuple[str, ...]:
            return ("t", "u")

        def judge(self, weights, report, only=None):
            asked.append(only)
            one = super().judge(weights, report)
            return Judged(dict.fromkeys(only, one.correct["t"]), dict.fromkeys(only, one.loss["t"]))

    ground = TwoTasks()
    first = made(ground, tasks=("u",))
    assert set(asked) == {("u",)} and not first.measured(("t", "u")) and len(first.measured()) == 25
    both = made(ground, known=first)
    assert asked[30:] == [("t",)] * 30 and both.tasks == ("t", "u")
    assert len(both.measured()) == 25 and not both.places[(0, 0)].lacks(("u", "t"))
    assert [key for key, lacking in first.open() if lacking] == []
    assert len([key for key, lacking in replace(first, tasks=("t",)).open() if lacking]) == 30


def test_a_place_that_breaks_ends_the_map_in_words() -> None:
    def broken(weights):
        if float(weights[0]) > 4:
            raise EvaluationError("the score is not a number.")
        return slope(weights)

    with pytest.raises(EvaluationError, match="not a number"):
        made(TinyGround(broken))
    assert not [t for t in threading.enumerate() if t.name.startswith("crew-")]


def test_experts_that_span_no_plane_or_are_unknown() -> None:
    with pytest.raises(CompatibilityError, match="one line"):
        landscape(TinyGround(), ("a", "a"), quiet)
    with pytest.raises(UnknownNameError, match="zork"):
        landscape(TinyGround(), ("a", "zork"), quiet)
    with pytest.raises(UnknownNameError, match="Unknown task 'zzz'"):
        landscape(TinyGround(), ("a", "b"), quiet, tasks=["zzz"])
    with pytest.raises(ParameterError, match="count is 1; choose a whole number from 2"):
        landscape(TinyGround(), ("a", "b"), quiet, count=1)
    assert MODELS["a"] == (4.0, 1.0, 1.0)


def test_a_crew_gives_every_result_once_and_errors_as_results() -> None:
    def piece(number: int):
        def work(report):
            if number == 3:
                raise ValueError(number)
            return number * number

        return work

    found = dict(in_any_order([piece(n) for n in range(20)], quiet, 4))
    assert isinstance(found.pop(3), ValueError)
    assert found == {n: n * n for n in range(20) if n != 3}


def test_a_crew_stops_where_its_pieces_report() -> None:
    begun, ended = threading.Event(), threading.Event()

    def held(report):
        begun.set()
        try:
            while True:
                report(0.0, "")
        finally:
            ended.set()

    run = in_any_order([held, held], CancelAfter(3), 2)
    with pytest.raises(Exception, match=r"Cancelled\."):
        next(run)
    assert begun.is_set() and ended.is_set()
