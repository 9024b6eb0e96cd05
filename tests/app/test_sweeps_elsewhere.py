"""Sweeps and searches that a cluster scores: it is asked; where it is not there, words say so."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from merging.errors import ResourceError
from merging.jobs import JobRunner, Report
from merging.recipe import Recipe
from merging.search.axis import parameter_axis
from merging.search.cluster import VARIABLE, Cluster, named_cluster
from merging.search.measure import SetMeasure
from merging.search.plan import SweepPlan
from ui.scene import Scene
from ui.services import Services
from ui.state import AppState
from ui.ways.find import FIND_WAY

SECONDS = 60
OWNER = "visitor-of-the-cluster-0123456789"


class Elsewhere:
    """Answers the first third of the items of every task right, last recipe first."""

    def __init__(self) -> None:
        self.asked: list[Recipe] = []
        self.closed = 0

    def source(self, measure: SetMeasure) -> Any:
        counts = {task.id: len(task.labels) for task in measure.tasks("tuning")}

        def scored(recipes: Sequence[Recipe], report: Report) -> Iterator[Any]:
            self.asked += recipes
            for index in reversed(range(len(recipes))):
                yield index, {t: np.arange(n) < n / 3 for t, n in counts.items()}

        return scored

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def plan(services: Services) -> SweepPlan:
    recipe = services.first().recipe
    recipe = replace(recipe, experts=recipe.experts[:2])
    return SweepPlan(recipe, (parameter_axis(recipe, "scale", values=(0.2, 0.4, 0.6)),))


def test_points_are_scored_where_the_services_say(
    services: Services, plan: SweepPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Elsewhere()
    monkeypatch.setattr(services, "cluster", there)
    services.sweeps.start(OWNER, plan)
    done = services.jobs.wait(OWNER, SECONDS)
    assert done is not None and done.status == "done"
    swept = services.sweeps.of(OWNER)
    assert swept is not None and swept.result.ended == "complete"
    assert [p.at for p in swept.result.points] == [(2,), (1,), (0,)]
    digits = swept.result.points[0].correct["digits"]
    assert 0.32 < digits.mean() < 0.35
    assert {r.key() for r in there.asked} == {p.recipe.key() for p in plan.points() if p.recipe}


def test_the_proposals_of_a_search_are_scored_there_too(
    services: Services, state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Elsewhere()
    monkeypatch.setattr(services, "cluster", there)
    monkeypatch.setattr(services.studies, "answers", type(services.answers)(2000))
    listed = services.runs.get(OWNER, services.first())
    scene = Scene(services, state.look(seconds="15"), state.recipe(), listed, OWNER)
    FIND_WAY.start(scene, OWNER)
    done = services.jobs.wait(OWNER, SECONDS)
    assert done is not None and done.status == "done"
    result = services.studies.of(OWNER, FIND_WAY.kind).value
    assert result.points[0].recipe == state.recipe() and len(result.points) > 20
    assert [r.key() for r in there.asked] == [p.recipe.key() for p in result.points]


def test_a_cluster_that_is_not_there_fails_the_sweep_in_words(
    services: Services, plan: SweepPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is scored here instead: who set the variable wants to know."""
    monkeypatch.setattr(services, "cluster", Cluster("127.0.0.1:1"))
    monkeypatch.setattr(services.studies, "answers", type(services.answers)(100))
    services.sweeps.start(OWNER, plan)
    done = services.jobs.wait(OWNER, SECONDS)
    assert done is not None and done.status == "failed"
    assert done.message.startswith(
        "The Ray cluster that MERGE_EXPLORER_RAY names cannot be reached"
    )
    assert "without the variable" in done.message and "127.0.0.1" not in done.message


def test_the_variable_is_read_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for empty in (None, "", " "):
        monkeypatch.delenv(VARIABLE, raising=False)
        if empty is not None:
            monkeypatch.setenv(VARIABLE, empty)
        assert named_cluster() is None
    monkeypatch.setenv(VARIABLE, " head.example:6379 ")
    found = named_cluster()
    assert found is not None and found.address == "head.example:6379"
    monkeypatch.setenv(VARIABLE, "ray://head:10001")
    with pytest.raises(ResourceError, match="must be host:port"):
        named_cluster()


def test_services_close_their_cluster() -> None:
    there = Elsewhere()
    Services(JobRunner(), cluster=there).close()
    assert there.closed == 1
