"""A line search on λ by its handlers: start, growing curve, stop, take, refusal."""

from dataclasses import replace
from functools import partial
from itertools import count

import pytest

from merging.errors import MergeError
from merging.search.optimise import optimise
from tests.app.visit import SECONDS, Visit
from ui.page import Page
from ui.services import Services


@pytest.fixture
def walking(visit: Visit) -> Visit:
    visit.act(action="choose", field="way", value="walk")
    return visit


def test_from_its_start_to_a_taken_step(
    walking: Visit, page: Page, services: Services, measure
) -> None:
    shown = walking.shown[page.whatif]
    assert shown["go"] == "Step up λ" and shown["note"].startswith("at most 21 steps of 0.1")
    measure.free = 3
    walking.act(action="go")
    assert measure.waits.wait(SECONDS)
    part = walking.poll()
    assert part[page.whatif]["state"] == "running"
    assert "3 steps tried" in part[page.whatif]["note"]
    assert len(part[page.sweep]["table"]["rows"]) == 3
    measure.gate.set()
    done = walking.ended(services)
    said = done[page.whatif]["said"].replace("\xa0", " ")
    assert "The step to λ = 0.6 lost" in said and "It went back to λ = 0.5, with 94.4 %" in said
    assert done[page.job]["text"].startswith("The step to λ = 0.6 lost")
    walking.act(action="take", key=done[page.whatif]["best"])
    assert walking.state.recipe().settings().number("scale") == 0.5
    walking.act(action="choose", field="patience", value="2")
    assert "patience=2" in walking.shown[page.link]["query"]
    walking.act(action="go")
    assert len(walking.ended(services)[page.sweep]["table"]["rows"]) == 9


def test_stop_keeps_its_steps(walking: Visit, page: Page, services: Services, measure) -> None:
    measure.free = 2
    walking.act(action="go")
    assert measure.waits.wait(SECONDS)
    walking.act(action="stop")
    stopped = walking.ended(services)
    assert stopped[page.job]["text"] == "Stopped: 2 steps kept."
    assert stopped[page.job]["state"] == "cancelled" and len(stopped[page.whatif]["takes"]) == 2


def test_a_walk_or_a_search_without_time_says_so(
    visit: Visit, page: Page, services: Services, monkeypatch
) -> None:
    monkeypatch.setattr("ui.ways.walk.BUDGET", 0.0)
    search = partial(optimise, clock=count(0, 1000).__next__)  # every look at the clock is late
    monkeypatch.setattr("ui.ways.find.optimise", search)
    said = {
        "walk": "The time was up: no step was tried.",
        "find": "0 settings tried. The time was up before the first was done.",
    }
    for way, told in said.items():
        visit.act(action="choose", field="way", value=way)
        visit.act(action="go")
        done = visit.ended(services)
        assert done[page.whatif]["state"] == "done" and done[page.sweep] is None
        assert done[page.whatif]["said"].replace("\xa0", " ") == told


def test_without_strength_there_is_nothing_to_step_along(walking: Visit, page: Page, desk) -> None:
    walking.state = walking.state.patch(replace(walking.state.values, method="linear"))
    bar = desk.studied(walking.state, walking.owner)[page.whatif]
    assert bar["go"] == "" and "has no λ to step along" in bar["note"]
    with pytest.raises(MergeError, match="has no λ"):
        walking.act(action="go")
    with pytest.raises(MergeError, match="unknown"):
        walking.act(action="choose", field="patience", value="99")
