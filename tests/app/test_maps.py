"""Maps by their handlers: draw, partial, stop, take a place, links, and what strangers send."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from merging.errors import MergeError
from tests.app.conftest import opening
from tests.app.sent import Request, Sent
from tests.app.visit import SECONDS, Visit
from tests.held_ground import HeldGround
from ui.maps import Maps
from ui.maps_desk import FORGOTTEN, MapsDesk
from ui.page import Page
from ui.runs_desk import RunsDesk
from ui.services import Services
from ui.state import AppState
from ui.studies import Studies
from ui.views.hull import ALONE


@pytest.fixture
def ground(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldGround]:
    """A set that answers at once; its maps are forgotten after the test."""
    held = HeldGround("gentle")
    studies = Studies(services.jobs, services.answers, services.measure)
    monkeypatch.setattr(services, "studies", studies)
    monkeypatch.setattr(services, "maps", Maps(studies, services.intermediates, lambda name: held))
    yield held
    held.gate.set()


@pytest.fixture
def visit(runs: RunsDesk, page: Page, state: AppState, owner: str, ground: HeldGround) -> Visit:
    return Visit(MapsDesk(runs), runs, page, state, owner)  # type: ignore[arg-type]


def said(updates: dict[Any, Any], page: Page) -> str:
    return updates[page.map]["said"].replace("\xa0", " ")


def traces(updates: dict[Any, Any], page: Page) -> dict[str, Any]:
    return {t["name"]: t for t in updates[page.landscape]["data"]}


def test_a_map_is_drawn_and_known_from_then_on(visit, page, services, ground) -> None:
    started = visit.act(action="go")
    assert started[page.map]["state"] in ("queued", "running", "done")
    done = visit.ended(services)
    assert done[page.map]["state"] == "done" and done[page.go].interactive
    assert said(done, page).startswith(
        "Highest on this plane: 90.0 % at 0.50 × A Digits + 0.50 × B Clothing; the average"
    )
    assert "Your merge lies off this plane: its distance from it is" in said(done, page)
    cells = traces(done, page)["places"]
    assert len(cells["z"]) == 21 and all(None not in row for row in cells["z"])
    assert done[page.map]["note"] == "441 places, measured before"
    judged = ground.judged
    visit.act(action="go")
    assert said(visit.ended(services), page) == said(done, page) and ground.judged == judged


def test_places_are_shown_as_they_come_and_stop_keeps_them(visit, page, services, ground) -> None:
    ground.free = 14
    visit.act(action="go")
    assert ground.waits.wait(SECONDS)
    part = visit.poll()
    assert part[page.map]["state"] == "running" and part[page.timer].active
    assert "not measured yet" in part[page.landscape]["sentence"] or "places so far" in said(
        part, page
    )
    visit.act(action="stop")
    stopped = visit.ended(services)
    known = [v for row in traces(stopped, page)["places"]["z"] for v in row if v is not None]
    assert 7 <= len(known) <= 9  # of 14 models five have names, and two may be under way
    assert said(stopped, page).startswith(f"Stopped: {len(known)} of 441 places were judged")
    assert stopped[page.job]["state"] == "cancelled" and stopped[page.map]["state"] == "done"


def test_a_stopped_map_goes_on_and_other_tasks_are_judged_when_it_is_drawn_again(
    visit, page, services, ground
) -> None:
    ground.free = 14
    visit.act(action="go")
    assert ground.waits.wait(SECONDS)
    visit.act(action="stop")
    visit.ended(services)
    before, ground.free = ground.judged, 10_000
    assert (
        "of 441 places are left"
        in visit.act(action="choose", field="over", value="")[page.map]["note"]
    )
    visit.act(action="go")
    whole = visit.ended(services)
    assert whole[page.map]["note"] == "441 places, measured before"
    assert ground.judged - before <= 446 - 12
    every = visit.act(action="choose", field="over", value="all")
    assert every[page.landscape]["sentence"].endswith(
        "Drawn pale: this is the map of the base, A Digits and B Clothing of the set Gentle, "
        "judged on Digits and Clothing only."
    )
    assert every[page.map]["note"].startswith("441 places") and "(200 images)" in said(every, page)
    before = ground.judged
    visit.act(action="go")
    done = visit.ended(services)
    assert ground.judged - before == 446 and "Drawn pale" not in done[page.landscape]["sentence"]
    assert "(500 images)" in said(done, page)
    theirs = visit.act(action="choose", field="over", value="")
    assert "(200 images)" in said(theirs, page)
    assert "Drawn pale" not in theirs[page.landscape]["sentence"]


def test_other_choices_draw_the_same_places_anew(visit, page, services, ground) -> None:
    visit.act(action="go")
    visit.ended(services)
    loss = visit.act(action="choose", field="height", value="loss")
    assert said(loss, page).startswith("Lowest loss on this plane: ")
    assert "height=loss" in loss[page.link]["query"]
    one = visit.act(action="choose", field="over", value="fashion")
    assert "(100 images)" in said(one, page) and "over=fashion" in one[page.link]["query"]
    other = visit.act(action="choose", field="second", value="optical")
    assert (
        "Drawn pale: this is the map of the base, A Digits and B Clothing"
        in (other[page.landscape]["sentence"])
    )
    assert "plane=digits,optical" in other[page.link]["query"]
    assert other[page.map]["note"] != "441 places, measured before"


def test_a_clicked_place_goes_into_the_controls(visit, page, services, ground) -> None:
    visit.act(action="go")
    visit.ended(services)
    average = traces(visit.poll(), page)["average of the two"]
    before = visit.state.values
    visit.click(x=average["x"][0], y=average["y"][0])
    recipe = visit.state.recipe()
    assert (recipe.method, recipe.settings().number("scale")) == ("task_arithmetic", 1.0)
    assert {e.id: e.weight for e in recipe.experts} == {"digits": 0.5, "fashion": 0.5}
    drawn = visit.poll()
    assert said(drawn, page).endswith("Your merge lies on this plane.")
    mine = traces(drawn, page)["your merge"]
    assert (mine["x"], mine["y"]) == (
        pytest.approx(average["x"], abs=0.01),
        pytest.approx(average["y"], abs=0.01),
    )
    assert visit.state.undo().values == before


def test_places_that_are_none(visit, page, services, ground) -> None:
    with pytest.raises(MergeError, match=FORGOTTEN):
        visit.click(x=1, y=1)
    ground.free = 0
    visit.act(action="go")
    assert ground.waits.wait(SECONDS)
    for place in (None, "1", True, [1], float("nan"), 1e9, {"x": 1}):
        with pytest.raises(MergeError, match="unknown"):
            visit.click(x=place, y=1)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"action": "zork"},
        {"action": "choose"},
        {"action": "choose", "field": "height", "value": "zork"},
        {"action": "choose", "field": ["first"], "value": "digits"},
    ],
)
def test_strange_events(visit, page, event: dict) -> None:
    with pytest.raises(MergeError, match="unknown"):
        visit.act(**event)


def test_strange_experts_fall_back_to_the_first(visit, page) -> None:
    for value in (None, "zork", "fashion", "a,b", "x" * 9999):
        fields = visit.act(action="choose", field="first", value=value)[page.map]["fields"]
        assert [f["chosen"] for f in fields[:2]] == ["digits", "fashion"]


def test_a_link_opens_a_plane_and_names_what_it_cannot_use(visit, page, services) -> None:
    query = "plane=scripts,optical&height=accuracy&over=all"
    opened = visit.runs.restore(Request(query), opening(services), None, "")
    assert [f["chosen"] for f in opened[page.map]["fields"]] == [
        "scripts",
        "optical",
        "accuracy",
        "all",
    ]
    assert page.notice not in opened
    wrong = visit.runs.restore(
        Request("plane=scripts,zork&over=cooking&height=7"), opening(services), None, ""
    )
    for word in ("plane=scripts,zork", "over=cooking", "height=7"):
        assert word in wrong[page.notice]
    assert wrong[page.link]["query"] == "v=1"


def test_a_place_that_breaks_says_so_and_what_was_done_stays(visit, page, services, ground) -> None:
    ground.failing = True
    visit.act(action="go")
    failed = visit.ended(services)
    assert failed[page.map]["state"] == "failed"
    assert failed[page.map]["note"] == "<b>not a number</b>"
    assert said(failed, page) == "It broke off after 0 of 441 places."
    ground.failing = False
    visit.act(action="go")
    assert visit.ended(services)[page.map]["state"] == "done"


def test_nobody_sees_the_map_of_another(visit, page, services, ground, desk, state) -> None:
    visit.act(action="go")
    visit.ended(services)
    seen = desk.studied(state, "stranger" + "y" * 30)
    assert seen[page.landscape] is None and seen[page.map]["state"] == "idle"


def test_a_method_that_is_not_quick_keeps_sliders_free(visit, page, services, ground) -> None:
    visit.act(action="go")
    visit.ended(services)
    slow = replace(visit.state.values, method="breadcrumbs")
    drawn = visit.runs.desk.studied(visit.state.patch(slow), visit.owner)
    assert "Your merge" not in said(drawn, page)
    visit.state = visit.state.patch(slow)
    visit.act(action="go")
    assert "Your merge lies off this plane" in said(visit.ended(services), page)


def test_events_are_read_with_care(visit, page) -> None:
    event = Sent()
    for data in (None, "x", [], 7):
        event._data = data
        with pytest.raises(MergeError, match="unknown"):
            visit.sweeps.act(event, *visit._sent())


def walker(visit: Visit) -> Visit:
    """The same visitor at the bar of the path."""
    desk = visit.sweeps
    visit.act = lambda **event: visit._take(desk.walk(Sent(**event), *visit._sent()))
    return visit


def test_a_path_is_walked_between_chosen_ends(visit, page, services, ground) -> None:
    visit = walker(visit)
    chosen = visit.act(action="choose", field="to", value="bold/digits")
    assert "ends=digits,bold/digits" in chosen[page.link]["query"].replace("%2F", "/")
    visit.act(action="choose", field="from", value="base")
    visit.act(action="choose", field="to", value="average")
    visit.act(action="go")
    done = visit.ended(services)
    traced = {t["name"]: t for t in done[page.straight]["data"]}
    assert len(traced["path"]["x"]) == 21 and done[page.path]["state"] == "done"
    assert "between base and average of those that are on" in done[page.path]["said"]
    assert "Drawn pale" not in done[page.straight]["sentence"]
    other = visit.act(action="choose", field="to", value="merged")
    assert "Drawn pale" in other[page.straight]["sentence"]
    with pytest.raises(MergeError, match="unknown"):
        visit.act(action="choose", field="zork", value="merged")
    for value in ("zork", None, "../x"):
        fields = visit.act(action="choose", field="to", value=value)[page.path]["fields"]
        assert [f["chosen"] for f in fields] == ["digits", "fashion"]
        visit.act(action="choose", field="from", value="digits")


def test_a_path_to_the_merge_ends_where_the_merge_stands(visit, page, services, ground) -> None:
    visit = walker(visit)
    visit.act(action="choose", field="to", value="merged")
    visit.act(action="go")
    visit.ended(services)
    found = services.maps.of(visit.owner, "path").value.result
    merged = services.maps._model(ground, visit.state.recipe(), "merged")
    apart = float((merged - ground.weights("digits")).double().norm())
    assert found.distance == pytest.approx(apart)
    end = ground.judge(merged, lambda share, word: None)
    assert (end.correct["digits"] == found.steps[20].correct["digits"]).all()


def test_a_hull_is_of_the_experts_that_are_on(visit, page, services, ground) -> None:
    desk = visit.sweeps
    visit._take(desk.region(Sent(action="go"), *visit._sent()))
    done = visit.ended(services)
    assert "24 models drawn inside: " in done[page.hull]["said"]
    assert done[page.region]["layout"]["yaxis"]["ticktext"][2] == "A Digits"
    one = replace(visit.state.values, on=frozenset({"digits"}))
    visit.state = visit.state.patch(one)
    stale = visit.runs.desk.studied(visit.state, visit.owner)
    assert "Drawn pale" in stale[page.region]["sentence"]
    assert stale[page.hull]["blocked"] and stale[page.hull]["go"] == "Draw models inside"
    assert stale[page.hull]["note"] == ALONE and not done[page.hull]["blocked"]
    visit._take(desk.region(Sent(action="go"), *visit._sent()))
    refused = visit.ended(services)
    assert refused[page.hull]["note"] == ALONE
    assert refused[page.job]["text"] == "One expert spans no region. Choose at least two."


def test_trees_are_there_without_a_job(visit, page, services) -> None:
    drawn = visit.runs.restore(Request("set=stranger"), opening(services), None, "")
    assert "cosine" in drawn[page.clusters]["sentence"]
    assert len(drawn[page.clusters]["data"][2]["text"]) == 3
