"""Sweeps by their handlers: start, partial, stop, take, refusals, and what strangers send."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merging.errors import EvaluationError, MergeError, RecipeError, ResourceError
from merging.evaluation import Bits
from merging.jobs import Report
from tests.app.conftest import bar, opening
from tests.app.sent import Request, Sent, plain
from tests.app.visit import SECONDS, Visit, chosen, options
from ui.desk import Desk, told
from ui.maps_desk import MapsDesk
from ui.page import Page
from ui.report_csv import GUARD
from ui.runs_desk import RunsDesk
from ui.services import Services
from ui.state import AppState
from ui.sweeps_desk import FORGOTTEN, SweepsDesk


def test_a_sweep_from_its_start_to_its_verdict(
    visit: Visit, page: Page, services: Services, measure
) -> None:
    started = visit.act(action="go")
    assert started[page.whatif]["state"] in ("queued", "running", "done")
    assert started[page.owner] == visit.owner and not started[page.go].interactive
    done = visit.ended(services)
    assert done[page.whatif]["state"] == "done" and done[page.go].interactive
    assert not done[page.timer].active
    said = done[page.whatif]["said"].replace("\xa0", " ")
    assert said.startswith("Best: λ = 0.5, with 94.4 %")
    assert "On images that were not looked at while choosing, the best has 94.4 %" in said
    assert [words for _, words in done[page.whatif]["takes"]][:2] == ["λ = 0", "λ = 0.1"]
    mean = next(t for t in done[page.sweep]["data"] if t["name"] == "mean")
    assert len(mean["x"]) == 21 and max(mean["y"]) == pytest.approx(94.44)
    assert done[page.job]["text"] == "21 of 21 values were tried."
    assert done[page.whatif]["note"] == "21 values, all of them measured before"
    scored = measure.scored
    visit.act(action="go")
    assert visit.ended(services)[page.whatif]["said"] == done[page.whatif]["said"]
    assert measure.scored == scored


def test_points_are_shown_as_they_come_and_stop_keeps_them(
    visit: Visit, page: Page, services: Services, measure
) -> None:
    measure.free = 4
    visit.act(action="go")
    assert measure.waits.wait(SECONDS)
    part = visit.poll()
    assert part[page.whatif]["state"] == "running" and part[page.timer].active
    assert "4 of 21 values tried" in part[page.whatif]["note"]
    assert part[page.whatif]["fraction"] == pytest.approx(4 / 21)
    assert "4 of 21 values so far." in part[page.whatif]["said"]
    assert len(part[page.sweep]["table"]["rows"]) == 4
    assert part[page.job]["state"] == "running"
    visit.act(action="stop")
    stopped = visit.ended(services)
    assert stopped[page.whatif]["said"].startswith("Stopped: 4 of 21 values were tried")
    assert stopped[page.whatif]["state"] == "done" and not stopped[page.timer].active
    assert len(stopped[page.sweep]["table"]["rows"]) == 4
    assert stopped[page.job]["state"] == "cancelled"
    measure.gate.set()
    visit.act(action="go")
    assert len(visit.ended(services)[page.sweep]["table"]["rows"]) == 21
    assert measure.scored == 21 + 1


def test_a_point_goes_into_the_controls_as_one_step(
    visit: Visit, page: Page, services: Services
) -> None:
    before = visit.state.values
    visit.act(action="go")
    best = visit.ended(services)[page.whatif]["best"]
    taken = visit.act(action="take", key=best)
    assert visit.state.recipe().settings().number("scale") == 0.5
    assert visit.state.recipe().key() == best and taken[page.heatmap]["stamp"] == best
    assert visit.state.undo().values == before
    assert "other settings" not in taken[page.sweep]["sentence"]
    other = next(key for key, words in visit.shown[page.whatif]["takes"] if words == "λ = 1.9")
    visit.click(trace="mean", index=0, x=1.9, y=1, key=other)
    assert visit.state.recipe().settings().number("scale") == 1.9
    assert visit.state.undo().undo().values == before


@pytest.mark.parametrize("key", [None, "", "x", 7, ["a"], {"a": 1}, "0" * 16, "<b>"])
def test_points_that_nobody_tried(visit: Visit, page: Page, services, key: object) -> None:
    for take in (visit.click, lambda key: visit.act(action="take", key=key)):
        with pytest.raises(MergeError, match=FORGOTTEN):
            take(key=key)
    visit.act(action="go")
    visit.ended(services)
    with pytest.raises(MergeError, match=FORGOTTEN):
        visit.click(key=key)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "x",
        [],
        {"action": "zork"},
        {"action": ["go"]},
        {"action": "choose"},
        {"action": "choose", "field": "units", "value": "share"},
        {"action": "choose", "field": ["vary"], "value": "scale"},
    ],
)
def test_strange_events(visit: Visit, page: Page, sweeps, data: object) -> None:
    event = Sent()
    event._data = data
    updates = told(page.notice, sweeps.act)(event, *visit._sent())
    assert list(updates) == [page.notice] and "unknown" in updates[page.notice]


def test_strange_axes_fall_back_to_the_first(visit: Visit, page: Page) -> None:
    for sent in (None, 7, "zork", "weight.nobody", "x" * 9999, ["scale"]):
        shown = visit.act(action="choose", field="vary", value=sent)
        assert chosen(shown[page.whatif], "vary") == "scale"


def test_a_choice_outlives_settings_that_lack_it(
    visit: Visit, page: Page, desk: Desk, services: Services
) -> None:
    after = visit.act(action="choose", field="vary", value="weight.fashion")
    assert chosen(after[page.whatif], "vary") == "weight.fashion"
    assert "vary=weight.fashion" in after[page.link]["query"]
    off = replace(visit.state.values, on=visit.state.values.on - {"fashion"})
    gone = desk.studied(visit.state.patch(off), visit.owner)[page.whatif]
    assert chosen(gone, "vary") == "scale"
    assert "weight.fashion" not in options(gone, "vary")
    ties = replace(visit.state.values, method="ties")
    back = desk.studied(visit.state.patch(off).patch(ties), visit.owner)[page.whatif]
    assert chosen(back, "vary") == "weight.fashion"
    assert options(back, "vary")["density"] == "Density"


def test_one_live_job_a_visitor(visit: Visit, page: Page, runs, services, measure) -> None:
    measure.free = 1
    visit.act(action="go")
    assert measure.waits.wait(SECONDS)
    visit.act(action="choose", field="vary", value="weight.digits")
    with pytest.raises(ResourceError, match="still at work"):
        visit.act(action="go")
    with pytest.raises(ResourceError, match="still at work"):
        values = plain(visit.state.values, page)
        runs.start(visit.state, visit.owner, bar(visit.state), *values)
    assert visit.poll()[page.whatif]["state"] == "running"


def test_nobody_sees_the_sweep_of_another(
    visit: Visit, page: Page, desk: Desk, services: Services, state: AppState
) -> None:
    visit.act(action="go")
    best = visit.ended(services)[page.whatif]["best"]
    stranger = "stranger" + "y" * 30
    seen = desk.studied(state, stranger)
    assert seen[page.whatif]["state"] == "idle" and seen[page.sweep] is None
    assert seen[page.whatif]["takes"] == []
    other = Visit(visit.sweeps, visit.runs, page, state, stranger)
    with pytest.raises(MergeError, match=FORGOTTEN):
        other.click(key=best)


def test_a_reload_in_the_middle_finds_the_sweep_again(
    visit: Visit, page: Page, services: Services, measure
) -> None:
    measure.free = 3
    visit.act(action="go")
    assert measure.waits.wait(SECONDS)
    opened = visit.runs.restore(Request(), opening(services), visit.owner, "")
    assert opened[page.whatif]["state"] == "running" and opened[page.timer].active
    assert len(opened[page.sweep]["table"]["rows"]) == 3
    measure.gate.set()
    visit.state = opened[page.state]
    assert visit.ended(services)[page.whatif]["state"] == "done"
    again = visit.runs.restore(Request(), opening(services), visit.owner, "")
    assert len(again[page.sweep]["table"]["rows"]) == 21
    assert again[page.whatif]["state"] == "done"


def test_a_link_chooses_what_to_vary(visit: Visit, page: Page, services: Services) -> None:
    opened = visit.runs.restore(Request("vary=method"), opening(services), None, "")
    assert chosen(opened[page.whatif], "vary") == "method" and page.notice not in opened
    assert opened[page.whatif]["go"] == "Try 5 methods"
    wrong = visit.runs.restore(Request("vary=zork"), opening(services), None, "")
    assert "vary=zork: these settings have nothing" in wrong[page.notice]
    assert wrong[page.link]["query"] == "v=1"


def test_points_that_fail_are_listed_and_the_others_go_on(
    visit: Visit, page: Page, services: Services, measure
) -> None:
    measure.failing = 1.85
    visit.act(action="go")
    done = visit.ended(services)[page.whatif]
    assert done["errors"] == ["λ = 2: <b>not a number</b>", "λ = 1.9: <b>not a number</b>"]
    assert len(done["takes"]) == 19 and done["state"] == "done"


def test_a_sweep_that_breaks_says_so_and_another_can_start(
    visit: Visit, page: Page, services: Services, measure, monkeypatch
) -> None:
    def broken(half: str, report: Report) -> dict[str, Bits]:
        raise EvaluationError("The own experts cannot be read.")

    with monkeypatch.context() as patch:
        patch.setattr(measure, "own", broken)
        visit.act(action="go")
        failed = visit.ended(services)
    assert failed[page.whatif]["state"] == "failed"
    assert failed[page.whatif]["note"] == "The own experts cannot be read."
    assert failed[page.whatif]["said"].startswith("It broke off after 1 of 21 values.")
    visit.act(action="go")
    assert visit.ended(services)[page.whatif]["state"] == "done"


def test_a_sweep_without_time_has_nothing_to_show(
    visit: Visit, page: Page, services: Services
) -> None:
    services.sweeps.budget = 0.0
    visit.act(action="go")
    done = visit.ended(services)
    assert done[page.whatif]["state"] == "done" and done[page.sweep] is None
    said = done[page.whatif]["said"].replace("\xa0", " ")
    assert said.startswith("Stopped at 0 s: 0 of 21 values were tried. The time was up before")
    assert not done[page.whatif]["report"] and not done[page.whatif]["takes"]
    assert done[page.job]["text"] == "Stopped at 0 s: 0 of 21 values were tried."


def test_a_real_measure_of_a_set(services: Services, page: Page, desk: Desk, owner: str) -> None:
    """Two experts, then three: the points are what merging and scoring gives."""
    values = opening(services).values
    three = replace(values, on=frozenset({"digits", "optical", "fashion"}))
    state = replace(opening(services), values=three)
    runs = RunsDesk(desk)
    visit = Visit(SweepsDesk(runs), runs, page, state.look(vary="experts"), owner)
    visit.act(action="go")
    assert services.jobs.wait(owner, 120).status == "done"
    found = visit.poll()
    swept = services.sweeps.of(owner).result
    assert [len(p.recipe.experts) for p in sorted(swept.points, key=lambda p: p.at)] == [2, 3]
    direct = services.measure("gentle").score(swept.points[0].recipe, "tuning", lambda f, m: None)
    assert all((direct[t] == swept.points[0].correct[t]).all() for t in direct)
    assert found[page.whatif]["note"] == "2 values, all of them measured before"


def test_two_settings_at_once(visit: Visit, page: Page, services: Services, measure) -> None:
    visit.act(action="choose", field="vary2", value="weight.fashion")
    shown = visit.shown[page.whatif]
    assert chosen(shown, "vary2") == "weight.fashion" and shown["go"] == "Try 81 pairs"
    assert "vary2=weight.fashion" in visit.shown[page.link]["query"]
    measure.free = 9
    visit.act(action="go")
    assert measure.waits.wait(SECONDS)
    part = visit.poll()
    assert "9 of 81 pairs tried" in part[page.whatif]["note"]
    coarse = {(float(r[0]), float(r[1])) for r in part[page.sweep]["table"]["rows"]}
    assert coarse == {(x, y) for x in (0, 1, 2) for y in (0, 1, 2)}
    measure.gate.set()
    done = visit.ended(services)
    assert len(done[page.sweep]["table"]["rows"]) == 81
    assert done[page.job]["text"] == "81 of 81 pairs were tried."
    cells = done[page.sweep]["data"][0]
    key = cells["customdata"][2][6]
    visit.click(trace="mean", index=[2, 6], key=key)
    recipe = visit.state.recipe()
    assert recipe.settings().number("scale") == 1.5
    assert {e.id: e.weight for e in recipe.experts}["fashion"] == 0.5
    assert recipe.key() == key


def test_what_cannot_be_varied_together_is_not_offered(visit: Visit, page: Page, services) -> None:
    visit.act(action="choose", field="vary2", value="weight.digits")
    visit.act(action="choose", field="vary", value="experts")
    shown = visit.shown[page.whatif]
    beside = list(options(shown, "vary2"))
    assert beside == ["", "scale", "method"] and chosen(shown, "vary2") == ""
    opened = visit.runs.restore(Request("vary=method&vary2=scale"), opening(services), None, "")
    assert "vary2=scale: it cannot be varied beside method." in opened[page.notice]
    assert "vary2" not in opened[page.link]["query"]


def said(updates: dict[Any, Any], page: Page) -> str:
    return updates[page.whatif]["said"].replace("\xa0", " ").replace("  ", " ")


def test_a_guard_on_held_out_tasks(visit: Visit, page: Page, services: Services, measure) -> None:
    """The stand-in has 75 % without a merge, 65 % at λ = 0 and 1, and less beyond."""
    first = visit.act(action="choose", field="vary", value="scale")
    assert "bound" not in [f["name"] for f in first[page.whatif]["fields"]]
    fewer = visit.state.values.on - {"fashion"}
    visit.state = visit.state.patch(replace(visit.state.values, on=fewer))
    visit.act(action="go")
    done = visit.ended(services)
    assert "(B Clothing) allows no λ that was tried: at λ = 0" in said(done, page)
    loose = visit.act(action="choose", field="bound", value="10")
    assert chosen(loose[page.whatif], "bound") == "10" and "bound=10" in loose[page.link]["query"]
    assert "allows λ up to 1: at λ = 1.1 B Clothing loses 15.0 points" in said(loose, page)
    shapes = loose[page.sweep]["patch"]["shapes"]
    assert [(s["x0"], s["x1"]) for s in shapes if s["type"] == "rect"] == [(1.0, 2.0)]
    with pytest.raises(MergeError, match="unknown"):
        visit.act(action="choose", field="bound", value="99")


def test_files_of_a_sweep_tell_its_guard_as_the_page_does(
    visit: Visit, page: Page, services: Services, measure
) -> None:
    fewer = visit.state.values.on - {"fashion"}
    visit.state = visit.state.patch(replace(visit.state.values, on=fewer))
    visit.act(action="go")
    visit.ended(services)
    visit.act(action="choose", field="bound", value="10")
    html = Path(visit.act(action="report")[page.file].value["path"]).read_text("utf-8")
    words = "allows λ up to 1: at λ = 1.1 B Clothing loses 15.0 points"
    assert words in html.replace("\xa0", " ") and "more than 10 points." in html
    assert '"x0":1.0,"x1":2.0' in html and "beyond what the guard" in html
    path = Path(visit.act(action="csv")[page.file].value["path"])
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    told = {(r["point"], r["guard"]) for r in rows if r["point"] in ("λ = 1", "λ = 1.1")}
    assert told == {("λ = 1", "allowed"), ("λ = 1.1", "beyond")}
    assert {(r[GUARD[0]], r[GUARD[1]]) for r in rows} == {("10", "1.0")}


def test_nothing_starts_on_settings_that_the_page_left(
    visit: Visit, page: Page, services: Services
) -> None:
    """With no expert on, the state keeps the last settings that can be merged."""
    nobody = plain(replace(visit.state.values, on=frozenset()), page)
    before = services.jobs.latest(visit.owner)
    for start in (visit.sweeps.act, visit.sweeps.act_parts, MapsDesk(visit.runs).act):
        with pytest.raises(RecipeError, match="expert"):
            start(Sent(action="go"), visit.state, visit.owner, bar(visit.state), *nobody)
    assert services.jobs.latest(visit.owner) == before
