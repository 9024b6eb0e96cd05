"""Own experts are measured beside the models that are judged, and only those that are asked for."""

import threading

import numpy as np
import pytest
from tiny_ground import TinyGround
from tiny_ground import judged as answer
from tiny_measure import CancelAfter, quiet

from merging.errors import Cancelled, EvaluationError
from merging.search.ground import BASE, SetGround
from merging.search.judging import judged, rehearse
from merging.search.landscape import landscape


class Slow(TinyGround):
    """Its own experts wait until a model was judged."""

    def __init__(self) -> None:
        super().__init__()
        self.done, self.told = threading.Event(), list[object]()

    def own(self, report, only=None):
        assert self.done.wait(20)
        self.told.append(only)
        return {task: np.arange(5) < 3 for task in only}


def test_models_are_judged_while_own_experts_are_measured_and_held_back_until_then() -> None:
    ground, events = Slow(), list[object]()

    def piece(report):
        ground.done.set()
        return answer(0.5)

    for place, _ in judged(ground, ("t",), [piece] * 3, quiet, 2, lambda own: events.append(own)):
        events.append(place)
    assert list(events[0]) == ["t"] and sorted(events[1:]) == [0, 1, 2]
    assert ground.told == [("t",)]


def test_without_models_the_own_experts_are_told_all_the_same() -> None:
    told: list[object] = []
    assert list(judged(TinyGround(), ("t",), [], quiet, 2, told.append)) == []
    assert list(judged(TinyGround(), (), [], quiet, 2, told.append)) == []
    assert [list(own) for own in told] == [["t"], []]


def test_an_own_expert_that_fails_or_a_cancel_ends_it() -> None:
    class Broken(TinyGround):
        def own(self, report, only=None):
            raise EvaluationError("no head")

    with pytest.raises(EvaluationError, match="no head"):
        list(judged(Broken(), ("t",), [lambda report: answer(0.5)], quiet, 1, quiet))
    with pytest.raises(Cancelled):
        list(judged(TinyGround(), ("t",), [], CancelAfter(0), 1, quiet))
    assert not [t for t in threading.enumerate() if t.name.startswith("crew-")]


def test_a_map_of_two_tasks_measures_two_own_experts() -> None:
    """Their answers are those that a sweep would measure."""
    ground = SetGround("gentle", items=10)
    tasks, (first, second, *_) = ground.tasks(), ground.experts
    found = landscape(ground, (first, second), quiet, tasks=tasks[:2], count=2, threads=2)
    assert sorted(ground._own) == sorted(tasks[:2]) and list(found.own) == list(tasks[:2])
    every = ground._measure.own("tuning", quiet)
    assert all((found.own[task] == every[task]).all() for task in tasks[:2])
    assert all((ground.own(quiet)[task] == every[task]).all() for task in tasks)
    assert list(ground.own(quiet, (tasks[3], "zork"))) == [tasks[3]]


def test_models_are_built_once_and_used_again() -> None:
    ground = SetGround("gentle", items=2)
    base, task = ground.weights(BASE), ground.tasks()[:1]
    want = ground.judge(base, quiet, task)
    ground.own(quiet)
    again = ground.judge(base, quiet, task)
    assert (want.loss[task[0]] == again.loss[task[0]]).all()
    assert [len(idle) for idle in ground._idle.values()] == [1]


def test_a_rehearsal_leaves_nothing_to_measure_or_build(monkeypatch) -> None:
    ground = SetGround("gentle", items=2)
    rehearse(ground)
    assert sorted(ground._own) == sorted(ground.tasks())
    monkeypatch.setattr("merging.evaluation.kept.vision_model", None)
    found = landscape(ground, ground.experts[:2], quiet, count=2, threads=1)
    assert len(found.places) == 4 and sorted(found.own) == sorted(ground.tasks())
