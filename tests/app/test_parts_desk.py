"""Which part costs which task, by its handlers: start, partial, stop, another score, refusals."""

import pytest

from merging.errors import MergeError, ResourceError
from tests.app.conftest import opening
from tests.app.sent import Request, Sent
from tests.app.visit import SECONDS, Visit, chosen, options
from ui.page import Page
from ui.services import Services


class Parts(Visit):
    """A visitor of the section of parts."""

    def act(self, **event: object) -> dict:
        return self._take(self.sweeps.act_parts(Sent(**event), *self._sent()))


@pytest.fixture
def parts(sweeps, runs, page, state, owner, measure) -> Parts:
    return Parts(sweeps, runs, page, state, owner)


def test_parts_are_put_back_one_by_one(
    parts: Parts, page: Page, services: Services, measure
) -> None:
    opened = parts.runs.restore(Request(), opening(services), parts.owner, "")
    bar = opened[page.parts]
    assert bar["state"] == "idle" and bar["go"] == "Put back 30 parts"
    assert bar["note"] == "at most 60 s" and opened[page.parts_chart] is None
    parts.state = opened[page.state]
    measure.free = 3
    parts.act(action="go")
    assert measure.waits.wait(SECONDS)
    part = parts.poll()
    assert part[page.parts]["state"] == "running" and part[page.timer].active
    assert "2 of 4 put back" in part[page.parts]["note"]
    assert part[page.parts]["said"].startswith("2 of 4 parts so far.")
    assert len(part[page.parts_chart]["table"]["rows"]) == 2
    measure.gate.set()
    done = parts.ended(services)
    said = done[page.parts]["said"].replace("\xa0", " ")
    assert "L1 up carries most" in said and "L0 q costs most" in said
    assert done[page.job]["text"] == "4 of 4 parts were put back."
    # 15 of 40 fewer are right, of the own experts' 36: 41.7 points.
    rows = {row[0]: row for row in done[page.parts_chart]["table"]["rows"]}
    assert rows["L1 up"][1] == "−41.7" and rows["L0 up"][1] == "0.0"
    assert rows["L0 q"][1] == "+8.3"
    assert done[page.parts]["takes"] == []
    assert done[page.parts]["note"] == "all of them measured before"


def test_stop_keeps_the_largest_changes(parts: Parts, page: Page, services, measure) -> None:
    measure.free = 2
    parts.act(action="go")
    assert measure.waits.wait(SECONDS)
    with pytest.raises(ResourceError, match="still at work"):
        Visit.act(parts, action="go")
    parts.act(action="stop")
    stopped = parts.ended(services)
    assert stopped[page.parts]["said"].startswith("Stopped: 1 of 4 parts were put back")
    assert [row[0] for row in stopped[page.parts_chart]["table"]["rows"]] == ["L1 up"]
    assert stopped[page.job]["state"] == "cancelled"


def test_another_score_needs_no_other_run(
    parts: Parts, page: Page, services: Services, measure
) -> None:
    parts.act(action="go")
    parts.ended(services)
    scored = measure.scored
    parts.act(action="choose", field="cost", value=measure.tasks[1])
    assert "No part" not in parts.shown[page.parts]["said"]
    assert "costs most" not in parts.shown[page.parts]["said"]
    rows = {row[0]: row for row in parts.shown[page.parts_chart]["table"]["rows"]}
    assert rows["L0 q"][1] == "0.0" and measure.scored == scored
    assert f"cost={measure.tasks[1]}" in parts.shown[page.link]["query"]
    parts.act(action="choose", field="parts", value="module")
    assert parts.shown[page.parts]["go"] == "Put back 8 kinds of module"
    parts.act(action="choose", field="cost", value="zork")
    assert chosen(parts.shown[page.parts], "cost") == "mean"


@pytest.mark.parametrize(
    "event",
    [
        {"action": "take", "key": "x"}, {"action": "choose", "field": "parts", "value": "tensor"},
        {"action": "choose", "field": "state", "value": "x"}, {"action": None}, {},
    ],
)  # fmt: skip
def test_strange_events(parts: Parts, event: dict) -> None:
    with pytest.raises(MergeError):
        parts.act(**event)


def test_a_link_says_which_parts_and_whose_score(
    parts: Parts, page: Page, services: Services
) -> None:
    opened = parts.runs.restore(Request("parts=row&cost=fashion"), opening(services), None, "")
    assert page.notice not in opened
    assert chosen(opened[page.parts], "parts") == "row"
    assert options(opened[page.parts], "cost")["fashion"] == "B Clothing"
    assert chosen(opened[page.parts], "cost") == "fashion"
    wrong = parts.runs.restore(Request("parts=x&cost=nobody"), opening(services), None, "")
    assert "parts=x" in wrong[page.notice] and "cost=nobody: it can be mean" in wrong[page.notice]
