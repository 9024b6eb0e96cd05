"""A search by its handlers: choose, start, growing front, stop, take, and what is refused."""

import pytest

from merging.errors import MergeError
from tests.app.conftest import opening
from tests.app.sent import Request
from tests.app.visit import SECONDS, Visit, chosen
from ui.page import Page
from ui.services import Services


@pytest.fixture
def searching(visit: Visit) -> Visit:
    visit.act(action="choose", field="way", value="find")
    return visit


def test_a_search_from_its_start_to_a_taken_point(
    searching: Visit, page: Page, services: Services, measure
) -> None:
    shown = searching.shown[page.whatif]
    assert shown["go"] == "Find good settings" and shown["state"] == "idle"
    assert shown["note"] == "changes Strength λ, for 30 s" and "search proposes" in shown["said"]
    assert "way=find" in searching.shown[page.link]["query"]
    measure.free = 4
    searching.act(action="go")
    assert measure.waits.wait(SECONDS)
    part = searching.poll()
    assert part[page.whatif]["state"] == "running" and part[page.timer].active
    assert "4 settings tried" in part[page.whatif]["note"]
    assert "4 settings so far." in part[page.whatif]["said"].replace("\xa0", " ")
    dots = [t for t in part[page.sweep]["data"] if t["name"] in ("beaten", "unbeaten")]
    assert sum(len(t["x"]) for t in dots) == 4
    measure.gate.set()
    done = searching.ended(services)
    said = done[page.whatif]["said"].replace("\xa0", " ")
    assert "nothing new is left to propose. Best: λ = 0.5, with 94.4 %" in said
    assert "On images that were not looked at while choosing, the best has 94.4 %" in said
    assert done[page.job]["state"] == "done" and done[page.whatif]["go"] == "Search on"
    searching.act(action="take", key=done[page.whatif]["best"])
    assert searching.state.recipe().settings().number("scale") == 0.5
    other, _ = done[page.whatif]["takes"][-1]
    searching.click(trace="beaten", index=0, key=other)
    assert searching.state.recipe().key() == other


def test_stop_keeps_what_is_done(searching: Visit, page: Page, services: Services, measure) -> None:
    measure.free = 3
    searching.act(action="go")
    assert measure.waits.wait(SECONDS)
    searching.act(action="stop")
    stopped = searching.ended(services)
    assert stopped[page.whatif]["said"].startswith("Stopped: 3 settings tried and kept.")
    assert stopped[page.job]["state"] == "cancelled" and len(stopped[page.whatif]["takes"]) == 3
    searching.act(action="choose", field="way", value="values")
    assert searching.shown[page.whatif]["state"] == "idle"
    assert searching.shown[page.sweep] is None
    searching.act(action="choose", field="way", value="find")
    assert len(searching.shown[page.whatif]["takes"]) == 3


def test_what_is_drawn_is_chosen_without_a_new_search(
    searching: Visit, page: Page, services: Services, measure
) -> None:
    searching.act(action="go")
    done = searching.ended(services)
    scored = measure.scored
    assert done[page.sweep]["label"].endswith("Mean of all tasks against Worst task")
    searching.act(action="choose", field="across", value="fashion")
    searching.act(action="choose", field="up", value="digits")
    shown = searching.shown
    assert shown[page.sweep]["label"].endswith("B Clothing against A Digits")
    assert "across=fashion" in shown[page.link]["query"] and measure.scored == scored
    searching.act(action="choose", field="up", value="<zork>")
    assert chosen(searching.shown[page.whatif], "up") == "worst"


def test_weights_are_searched_too(searching: Visit, page: Page, services: Services) -> None:
    searching.act(action="choose", field="free", value="weights")
    assert searching.shown[page.whatif]["note"] == "changes Strength λ and 5 weights, for 30 s"


def test_a_method_without_settings_is_refused_in_words(
    searching: Visit, page: Page, desk, services: Services
) -> None:
    from dataclasses import replace

    searching.state = searching.state.patch(replace(searching.state.values, method="linear"))
    bar = desk.studied(searching.state, searching.owner)[page.whatif]
    assert bar["go"] == "" and "has no settings to search" in bar["note"]
    with pytest.raises(MergeError, match="has no settings to search"):
        searching.act(action="go")


@pytest.mark.parametrize(
    "choice",
    [("seconds", "1e9"), ("way", "zork"), ("free", ["weights"]), ("seconds", {"a": 1}), (7, "x")],
)
def test_strange_choices(searching: Visit, page: Page, choice: tuple[object, object]) -> None:
    field, value = choice
    with pytest.raises(MergeError, match="unknown"):
        searching.act(action="choose", field=field, value=value)


def test_a_link_opens_a_search(visit: Visit, page: Page, services: Services) -> None:
    query = "way=find&seconds=15&free=weights&across=optical"
    opened = visit.runs.restore(Request(query), opening(services), None, "")
    shown = opened[page.whatif]
    assert page.notice not in opened and shown["note"].endswith("5 weights, for 15 s")
    assert (chosen(shown, "way"), chosen(shown, "across")) == ("find", "optical")
    wrong = visit.runs.restore(Request("way=zork&seconds=9&up=nobody"), opening(services), None, "")
    for word in ("way=zork", "seconds=9", "up=nobody: it can be worst, digits"):
        assert word in wrong[page.notice]
    assert wrong[page.link]["query"] == "v=1"
