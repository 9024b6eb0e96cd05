"""Runs: kept by the browser, named, deleted, compared, handed out and in; and links on opening."""

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merging.errors import MergeError, RecipeError
from tests.app.conftest import bar, opening
from tests.app.sent import Request, Sent, plain
from ui.desk import told
from ui.page import Page
from ui.runs_desk import RunsDesk
from ui.saved import write_runs
from ui.services import Services
from ui.state import AppState


@pytest.fixture
def owner(request: pytest.FixtureRequest, services: Services) -> str:
    """A visitor of this test alone, with two runs of the set's shipped ones."""
    token = (request.node.name.replace("[", "_").replace("]", "_") + "x" * 40)[:40]
    token = "".join(c if c.isalnum() else "_" for c in token)
    listed = services.runs.get(token, services.first())
    other = next(r for r in services.shipped.values() if r.key != services.first().key)
    services.runs.put(token, listed.with_run(other, "today", services.first().key))
    return token


def keys(services: Services, owner: str) -> list[str]:
    return [run.key for run in services.runs.get(owner, services.first()).runs]


def test_names_are_given(runs: RunsDesk, page: Page, services, state, owner) -> None:
    key = keys(services, owner)[1]
    event = Sent(action="rename", key=key, name="  mild λ  ")
    updates = runs.touch(event, state, owner, "")
    assert [row["name"] for row in updates[page.runs]["rows"]] == ["mild λ", "Run 1"]
    assert json.loads(updates[page.saved])["runs"][1]["name"] == "mild λ"


@pytest.mark.parametrize("name", ["", "   ", None, 7, "x" * 61, "a\nb", "\u202e"])
def test_names_that_are_none(runs: RunsDesk, services, state, owner, name: object) -> None:
    key = keys(services, owner)[1]
    with pytest.raises(RecipeError, match="A name has 1 to 60 letters"):
        runs.touch(Sent(action="rename", key=key, name=name), state, owner, "")
    assert services.runs.get(owner, services.first()).runs[1].name == "Run 2"


def test_a_deleted_run_is_gone_everywhere(runs: RunsDesk, page, services, state, owner) -> None:
    first, second = keys(services, owner)
    updates = runs.touch(Sent(action="delete", key=second), state, owner, "")
    assert [row["key"] for row in updates[page.runs]["rows"]] == [first]
    assert len(json.loads(updates[page.saved])["runs"]) == 1
    with pytest.raises(MergeError, match="forgotten"):
        runs.touch(Sent(action="show", key=second), updates[page.state], owner, "")


def test_runs_side_by_side(runs: RunsDesk, page: Page, services, state, owner) -> None:
    first, second = keys(services, owner)
    one = runs.touch(Sent(action="compare", keys=[first]), state, owner, "")
    assert one[page.runs]["beside"]["sentence"].startswith("Choose two to four runs")
    both = runs.touch(Sent(action="compare", keys=[first, second]), one[page.state], owner, "")
    beside = both[page.runs]["beside"]
    assert beside["names"] == ["Run 1", "Run 2"]
    assert [row["compared"] for row in both[page.runs]["rows"]] == [True, True]
    assert all(len(set(s["values"])) > 1 for s in beside["settings"])
    assert beside["lines"][-1]["task"] == "Mean of all tasks"
    assert beside["lines"][-1]["gaps"][0] is None
    none = runs.touch(Sent(action="compare", keys=[]), both[page.state], owner, "")
    assert "beside" not in none[page.runs]


@pytest.mark.parametrize("sent", [None, "x", 7, {"a": 1}, ["nothing"], [["x"]]])
def test_strange_choices_choose_nothing(runs, page, state, owner, sent: object) -> None:
    updates = runs.touch(Sent(action="compare", keys=sent), state, owner, "")
    shown = updates.get(page.runs, {"rows": []})
    assert "beside" not in shown and not any(row["compared"] for row in shown["rows"])


def test_a_run_is_shown_with_its_settings(runs, page, services, state, owner) -> None:
    second = keys(services, owner)[1]
    updates = runs.touch(Sent(action="show", key=second), state, owner, "")
    recipe = services.record(second).recipe
    assert updates[page.state].recipe().key() == recipe.key()
    assert updates[page.heatmap]["stamp"] == recipe.key()
    assert updates[page.state].undo().values == state.values


def test_what_is_exported_can_be_imported_by_another(
    runs: RunsDesk, page: Page, services, state, owner
) -> None:
    handed = runs.touch(Sent(action="export"), state, owner, "")[page.file]
    text = Path(handed.value["path"] if isinstance(handed.value, dict) else handed.value)
    other = "importer" + "z" * 24
    updates = runs.touch(Sent(action="import", text=text.read_text("utf-8")), state, other, "")
    assert page.notice not in updates
    rows = updates[page.runs]["rows"]
    assert sorted(row["key"] for row in rows) == sorted(keys(services, owner))
    again = runs.touch(Sent(action="import", text=text.read_text("utf-8")), state, other, "")
    assert again[page.runs]["rows"] == rows
    assert again[page.notice] == "Already listed: Run 1, Run 2. Nothing was added."


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "null", "x" * 2_000_001, "[" * 100_000])
def test_files_that_hold_no_runs(runs, page, services, state, owner, text: object) -> None:
    updates = told(page.notice, runs.touch)(Sent(action="import", text=text), state, owner, "")
    assert list(updates) == [page.notice] and "list of runs" in updates[page.notice]
    assert len(keys(services, owner)) == 2


def test_imported_scores_stay_with_the_visitor_who_brought_them(
    runs: RunsDesk, page: Page, services, state, owner
) -> None:
    """Whoever hands in wrong scores of a known recipe must not change what others see."""
    listed = services.runs.get(owner, services.first())
    bent = json.loads(write_runs(listed))
    bent["runs"] = bent["runs"][1:]
    entry = bent["runs"][0]
    size = {t: -(-n // 8) for t, n in services.items(services.first().recipe).items()}
    entry["correct"] = {t: b64encode(bytes(n)).decode() for t, n in size.items()}
    liar = "liar" + "q" * 28
    mine = runs.touch(Sent(action="import", text=json.dumps(bent)), state, liar, "")
    key = keys(services, owner)[1]
    assert [r["mean"][0] for r in mine[page.runs]["rows"] if r["key"] == key] == [0.0]
    assert services.record(key) is listed.runs[1].record
    theirs = runs.restore(Request(), opening(services), owner, "")
    row = next(r for r in theirs[page.runs]["rows"] if r["key"] == key)
    assert row["mean"][0] > 0.1


def test_the_browser_brings_runs_back_after_a_restart(
    runs: RunsDesk, page: Page, services, owner
) -> None:
    saved = write_runs(services.runs.get(owner, services.first()))
    stranger = "restarted" + "r" * 24
    updates = runs.restore(Request(), opening(services), stranger, saved)
    assert [row["name"] for row in updates[page.runs]["rows"]] == ["Run 2", "Run 1"]
    kept = runs.restore(Request(), opening(services), stranger, "")
    assert [row["name"] for row in kept[page.runs]["rows"]] == ["Run 2", "Run 1"]


def test_a_run_that_was_cancelled_does_not_come_by_way_of_another_visitor(
    runs: RunsDesk, services: Services, state: AppState
) -> None:
    token = "canceller" + "c" * 24
    other = next(r for r in services.shipped.values() if r.key != services.first().key)
    services.runs.expect(token, other.key)
    runs.restore(Request(), opening(services), token, "")
    assert keys(services, token) == [services.first().key]


def test_a_run_that_ended_while_the_page_was_reloaded_is_on_the_list(
    runs: RunsDesk, page: Page, services, state
) -> None:
    token = "reloader" + "l" * 24
    linear = replace(state.values, method="linear", on=frozenset({"scripts", "digits"}))
    asked = runs.start(state, token, bar(state), *plain(linear, page))
    assert services.jobs.wait(token, 60).status == "done"
    key = asked[page.state].recipe().key()
    assert keys(services, token) == [services.first().key]
    opened = runs.restore(Request(), opening(services), token, "")
    assert keys(services, token) == [services.first().key, key]
    assert json.loads(opened[page.saved])["runs"][-1]["name"] == "Run 2"
    runs.touch(Sent(action="delete", key=key), opened[page.state], token, "")
    runs.restore(Request(), opening(services), token, "")
    assert keys(services, token) == [services.first().key]


@pytest.mark.parametrize(
    ("query", "said"),
    [("v=1&cell=Zork", "cell=Zork: there is no such cell."), ("v=1&kind=zz", "kind=zz: there is")],
)
def test_what_a_set_lacks_is_not_looked_at(
    runs: RunsDesk, page: Page, services, query: str, said: str
) -> None:
    updates = runs.restore(Request(query), opening(services), None, "")
    assert said in updates[page.notice] and updates[page.link]["query"] == "v=1"


def test_what_the_browser_kept_may_be_broken(runs: RunsDesk, page: Page, services) -> None:
    updates = runs.restore(Request(), opening(services), "broken" + "b" * 26, "{")
    assert updates[page.notice].startswith("The runs that this browser kept cannot be read.")
    assert page.runs not in updates


def test_a_link_opens_its_page(runs: RunsDesk, page: Page, services) -> None:
    query = "v=1&method=ties&experts=digits,fashion:0.5&density=0.35&pin.scale=0.4&hide=runs"
    updates = runs.restore(Request(query), opening(services), None, "")
    after = updates[page.state]
    assert after.recipe().settings().number("density") == 0.35
    assert updates[page.heatmap]["stamp"] == after.recipe().key()
    assert updates[page.link]["query"] == query and updates[page.link]["hide"] == ["runs"]
    assert updates[page.controls.panel]["method"] == "ties"
    assert after.scored == services.first().key and "me-stale" in updates[page.verdict]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("density=7&method=ties", "density=7"),
        ("method=fisher", "cannot run here"),
        ("set=../../etc", "there is no such set"),
    ],
)
def test_a_damaged_link_opens_a_page_and_says_why(
    runs: RunsDesk, page: Page, services, query: str, said: str
) -> None:
    updates = runs.restore(Request(query), opening(services), None, "")
    assert said in updates[page.notice]
    assert updates[page.state].recipe().set == "gentle"
    services.check(updates[page.state].recipe())


def test_pins_of_another_set_are_not_compared(runs, page, services) -> None:
    updates: dict[Any, Any] = runs.restore(
        Request("set=bold&pin=first"), opening(services), None, ""
    )
    state = updates[page.state]
    assert state.recipe().set == "bold" and state.pinned.set == "gentle"
    assert updates[page.scores]["sentence"].count("pinned") == 0
    assert updates[page.link]["pinned"].startswith("of the set Gentle, not compared here: ")
