"""Handlers as plain functions: values in, updates out."""

import json
import threading
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from merging.errors import MergeError, RecipeError
from merging.evaluation.record import RunRecord
from merging.experiment import merge_and_evaluate
from merging.jobs import Report
from merging.recipe import Recipe, make_recipe, write_recipe
from tests.app.conftest import bar, opening
from tests.app.sent import Request, Sent, moved, plain
from ui.desk import APOLOGY, Desk, told
from ui.page import Page
from ui.runs_desk import RunsDesk
from ui.services import Services
from ui.settings import ControlValues, default_values, from_recipe, to_recipe
from ui.state import AppState
from ui.views.panel import panel_value

OWNER = "a" * 24
OTHER = "b" * 24


def sent_panel(**parts: object) -> str:
    """Return what the page would send of its panel, parts of it replaced."""
    empty = {"dialect": "paper", "params": {}, "own": {}}
    whole = {"method": "ties", "values": empty, "kept": {}, "order": [], "before": []}
    return json.dumps(whole | parts)


@pytest.fixture
def values(services: Services) -> ControlValues:
    opened = services.sets["gentle"]
    return from_recipe(services.first().recipe, default_values("gentle", tuple(opened.experts)))


REST = Sent(action="settled")


def settle(desk: Desk, state: AppState, values: ControlValues, page: Page) -> dict[Any, Any]:
    """Return what is drawn when sliders have come to rest."""
    return desk.act(REST, state, OWNER, bar(state), *plain(values, page))


def test_controls_round_trip(values: ControlValues, page: Page, services: Services) -> None:
    changed = replace(
        values, weights={**values.weights, "fashion": 0.4}, on=values.on - {"digits"}, seed=7
    )
    assert page.controls.read(plain(changed, page), services.sets) == changed


def test_rest_answers_for_the_new_recipe(desk, page, values, state) -> None:
    dragged = moved(values, scale=0.5)
    updates = settle(desk, state, dragged, page)
    assert updates[page.heatmap]["stamp"] == to_recipe(dragged).key()
    assert "λ = 0.5" in updates[page.formula]
    assert updates[page.state].scored == to_recipe(dragged).key()
    assert updates[page.link]["query"] == "v=1&scale=0.5" and updates[page.link]["undo"]


def test_leaving_the_shown_run_and_coming_back_is_told_to_the_list(
    desk, page, values, state
) -> None:
    left = settle(desk, state, moved(values, scale=0.51), page)
    assert [row["current"] for row in left[page.runs]["rows"]] == [False]
    further = settle(desk, left[page.state], moved(values, scale=0.52), page)
    assert page.runs not in further
    back = settle(desk, left[page.state], values, page)
    assert [row["current"] for row in back[page.runs]["rows"]] == [True]


def test_pinning_leaves_the_scores_as_they_stand(desk, runs, page, values, services, state) -> None:
    """The sliders have left run 1: unpinning it must not make its scores look like theirs."""
    left = settle(desk, state, moved(values, scale=0.51), page)
    event = Sent(key=services.first().key, action="pin")
    updates = runs.touch(event, left[page.state], OWNER, "")
    assert updates[page.state].pinned is None
    assert updates[page.state].scored == services.first().key
    assert "me-stale" in updates.get(page.verdict, left[page.verdict])
    assert [(r["pinned"], r["current"]) for r in updates[page.runs]["rows"]] == [(False, False)]


def test_the_bar_undoes_redoes_resets_pins_and_swaps(desk, page, values, state) -> None:
    dragged = moved(values, scale=0.5)
    after = settle(desk, state, dragged, page)[page.state]

    def act(action: str, at: AppState) -> dict[Any, Any]:
        return desk.act(Sent(action=action), at, OWNER, bar(at), *plain(at.values, page))

    undone = act("undo", after)
    assert undone[page.state].values == state.values
    assert undone[page.controls.panel]["values"]["params"]["scale"] == 1.0
    assert undone[page.link]["redo"] and not undone[page.link]["undo"]
    redone = act("redo", undone[page.state])
    assert redone[page.heatmap]["stamp"] == to_recipe(dragged).key()
    pinned = act("pin", after)
    assert pinned[page.link]["same"] and pinned[page.link]["query"] == "v=1&scale=0.5&pin.scale=0.5"
    assert act("pin", pinned[page.state])[page.state].pinned is None
    swapped = act("swap", after)
    assert swapped[page.state].recipe().key() == state.recipe().key()
    assert swapped[page.state].pinned.key() == to_recipe(dragged).key()
    seeded = replace(after, values=replace(after.values, seed=9))
    reset = act("reset", seeded)[page.state]
    assert reset.recipe().key() == state.recipe().key() and reset.values.seed == 9


@pytest.mark.parametrize("action", [None, "explode", 7, ["undo"]])
def test_the_bar_knows_no_other_action(desk, page, state, action) -> None:
    with pytest.raises(MergeError, match="something unknown"):
        desk.act(Sent(action=action), state, OWNER, bar(state), *plain(state.values, page))


def test_what_is_looked_at_goes_into_the_link(desk, page, state) -> None:
    seen = desk.look(Sent(action="view", part="disjoint", side="difference"), state, OWNER, "")
    assert seen[page.link]["query"] == "v=1&part=disjoint&side=difference"
    opened = desk.look(Sent(action="cell", layer="L1", module="up"), seen[page.state], OWNER, "")
    assert opened[page.state].view.cell == "L1 up"
    closed = desk.look(Sent(action="cell", layer="", module=""), opened[page.state], OWNER, "")
    assert closed[page.state].view.cell == ""
    strange = desk.look(Sent(action="view", part="<b>", side=None, units=3), state, OWNER, "")
    assert strange[page.state].view == state.view


def test_scores_are_told_in_the_units_that_were_chosen(desk, page, state, services) -> None:
    told = desk.choose_units(state, OWNER, "", "accuracy")
    columns = told[page.scores]["table"]["columns"]
    assert "Merged, accuracy %" in columns and "Merged, % of own" not in columns
    assert told[page.link]["query"] == "v=1&units=accuracy"
    own = told[page.scores]["data"]
    assert "own expert" in [trace["name"] for trace in own]
    assert "the chart in accuracies" in told[page.verdict]
    back = desk.choose_units(told[page.state], OWNER, "", "share")
    assert "Merged, % of own" in back[page.scores]["table"]["columns"]
    assert "the chart in accuracies" not in back[page.verdict]


def test_an_opened_cell_is_of_the_settings_that_the_heatmap_shows(desk, page, state) -> None:
    """The controls leave the pinned settings; then the cell follows the side that is chosen."""
    left = settle(desk, state, moved(replace(state.values, method="ties"), density=0.3), page)
    opened = desk.look(Sent(action="cell", layer="L1", module="up"), left[page.state], OWNER, "")
    assert opened[page.cell]["sentence"].startswith("L1 up, ")
    pinned = desk.look(Sent(action="view", side="pinned"), opened[page.state], OWNER, "")
    assert pinned[page.cell]["sentence"].startswith("L1 up (pinned settings), ")
    assert pinned[page.cell]["table"]["rows"] != opened[page.cell]["table"]["rows"]
    gap = desk.look(Sent(action="view", side="difference"), pinned[page.state], OWNER, "")
    assert gap[page.cell]["sentence"].startswith("L1 up (current settings), ")
    assert gap[page.cell]["table"]["rows"] == opened[page.cell]["table"]["rows"]


def test_everything_is_drawn_again_where_answers_overtook_each_other(desk, page, state) -> None:
    whole = desk.act(Sent(action="again"), state, OWNER, "")
    assert page.state not in whole
    for shown in (page.heatmap, page.scores, page.dialects, page.runs, page.controls.panel):
        assert shown in whole


def test_errors_become_the_notice_and_nothing_else(runs, page, values, state) -> None:
    wild = replace(values, weights={**values.weights, "digits": float("nan")})
    updates = told(page.notice, runs.start)(state, OWNER, bar(state), *plain(wild, page))
    assert list(updates) == [page.notice]
    assert updates[page.notice].startswith("expert 'digits': weight is nan")


def test_a_bug_is_an_apology_with_the_traceback_in_the_log(page, caplog) -> None:
    def broken() -> dict:
        raise ZeroDivisionError("secret")

    assert told(page.notice, broken)() == {page.notice: APOLOGY}
    assert "ZeroDivisionError: secret" in caplog.text


@pytest.mark.parametrize(
    "junk", [None, "", "x" * 5, "<script>", "../../etc", 7, {"a": 1}, "é" * 30]
)
def test_a_strange_owner_gets_a_new_token(runs: RunsDesk, page: Page, services, junk) -> None:
    token = runs.restore(Request(), opening(services), junk, "")[page.owner]
    assert token != junk and len(token) >= 24


def test_runs_of_one_visitor_are_not_seen_by_another(runs, page, values, state, services) -> None:
    mine = runs.start(state, OWNER, bar(state), *plain(moved(values, scale=0.25), page))
    assert [row["name"] for row in mine[page.runs]["rows"]] == ["Run 2", "Run 1"]
    assert mine[page.runs]["rows"][0]["changed"] == "from Run 1: λ 1 → 0.25"
    theirs = runs.restore(Request(), opening(services), OTHER, "")
    assert page.runs not in theirs  # as in the first paint


def test_known_results_are_shown_without_a_job(runs, page, values, state) -> None:
    dragged = moved(values, scale=0.35)
    updates = runs.start(state, "c" * 24, bar(state), *plain(dragged, page))
    assert updates[page.state].scored == to_recipe(dragged).key()
    assert "me-stale" not in updates[page.verdict]
    assert updates[page.job]["text"] == "These settings were scored before"
    assert page.timer not in updates


def test_job_from_start_to_listed_run(runs, page, values, services, state) -> None:
    dragged = replace(values, method="linear", on=frozenset({"digits", "fashion"}))
    owner = "d" * 24
    queued = runs.start(state, owner, bar(state), *plain(dragged, page))
    assert queued[page.timer].active and not queued[page.go].interactive
    assert services.jobs.wait(owner, 60).status == "done"
    updates = runs.poll(queued[page.state], owner, -1, "")
    assert not updates[page.timer].active and updates[page.go].interactive
    assert updates[page.job]["state"] == "done"
    row = updates[page.runs]["rows"][0]
    assert row["settings"].endswith("Average · 2 experts") and row["when"] == "today"
    assert json.loads(updates[page.saved])["runs"][-1]["name"] == "Run 2"


def test_two_visitors_with_one_recipe_share_one_run(
    runs, page, values, services, state, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go, computed = threading.Event(), threading.Event(), []

    def slow(recipe: Recipe, report: Report, **how: Any) -> RunRecord:
        computed.append(recipe.key())
        started.set()
        assert go.wait(60)
        return merge_and_evaluate(recipe, report, **how)

    monkeypatch.setattr("ui.services.merge_and_evaluate", slow)
    dragged = replace(values, method="linear", on=frozenset({"scripts", "fashion"}))
    sent, owners = plain(dragged, page), ["f" * 24, "g" * 24, "h" * 24]
    runs.start(state, owners[0], bar(state), *sent)
    assert started.wait(60)
    joined = runs.start(state, owners[1], bar(state), *sent)
    assert joined[page.timer].active and joined[page.job]["state"] == "running"
    go.set()
    for owner in owners[:2]:
        assert services.jobs.wait(owner, 60).status == "done"
        after = runs.poll(joined[page.state], owner, -1, "")
        assert after[page.state].scored == to_recipe(dragged).key()
    late = services.start(owners[2], to_recipe(dragged))
    assert services.jobs.wait(owners[2], 60).result == late.key
    assert computed == [to_recipe(dragged).key()]


def test_poll_without_a_job_stops_the_timer(runs: RunsDesk, page: Page, state) -> None:
    assert not runs.poll(state, "e" * 24, -1, "")[page.timer].active


def test_preset_fills_in_its_options(desk, page, values, state) -> None:
    sent = plain(replace(values, method="ties"), page)
    updates = desk.choose_dialect(Sent(dialect="mergekit"), state, OWNER, bar(state), *sent)
    shown = updates[page.controls.panel]["values"]
    assert shown["dialect"] == "mergekit"
    assert shown["params"]["combine"] == "weighted_mean"
    assert shown["params"]["voters"] == "weighted"
    assert shown["params"]["density"] == 1.0


def test_chosen_method_brings_its_controls_and_takes_its_experts(desk, page, values, state) -> None:
    sent = plain(values, page)
    updates = desk.choose_method(Sent(method="slerp"), state, OWNER, bar(state), *sent)
    controls = page.controls
    assert updates[controls.panel]["method"] == "slerp"
    on, weights = controls.on[: len(values.weights)], controls.weights[: len(values.weights)]
    assert [updates[c].value for c in on] == [True, True, False, False, False]
    assert {updates[c].visible for c in weights} == {False}
    assert updates[page.notice].startswith("SLERP takes 2 of the experts: A Digits and B Clothing")
    back = desk.choose_method(Sent(method="ties"), state, OWNER, bar(state), *sent)
    assert page.notice not in back
    assert {back[c].visible for c in weights} == {True}


@pytest.mark.parametrize("name", ["tise", None, 7, {"a": 1}])
def test_a_method_that_does_not_exist(desk, page, values, state, name: object) -> None:
    with pytest.raises(MergeError, match="Unknown method"):
        desk.choose_method(Sent(method=name), state, OWNER, bar(state), *plain(values, page))


def test_a_method_without_its_data_says_what_is_missing(desk, page, values, state) -> None:
    sent = plain(values, page)
    with pytest.raises(MergeError, match=r"Fisher averaging cannot run here: .*Fisher"):
        desk.choose_method(Sent(method="fisher"), state, OWNER, bar(state), *sent)


@pytest.mark.parametrize(
    "sent",
    [
        None, 3, "", "null", "[]", "{}", "[" * 5000, "x" * 200_000,
        sent_panel(method="tise"),
        sent_panel(method=["ties"]),
        sent_panel(values={"params": [], "own": {}}),
        sent_panel(values={"params": 3, "own": {}}),
        sent_panel(values={"dialect": "paper", "params": {"scale": [1]}, "own": {}}),
        sent_panel(kept=5),
        sent_panel(order=None),
        sent_panel(before=7),
    ],
)  # fmt: skip
def test_a_panel_that_is_not_ours_is_refused_in_words(runs, page, values, state, sent) -> None:
    whole = [*plain(values, page)[:-1], sent]
    updates = told(page.notice, runs.start)(state, OWNER, bar(state), *whole)
    assert updates == {page.notice: "The page sent settings that cannot be read. Reload the page."}


def test_a_panel_with_a_wrong_value_names_it(runs, page, values, state) -> None:
    wrong = {"dialect": "paper", "params": {"scale": None, "unknown": 1}, "own": {}}
    whole = [*plain(values, page)[:-1], json.dumps({**panel_value(values, {}), "values": wrong})]
    updates = told(page.notice, runs.start)(state, OWNER, bar(state), *whole)
    assert updates == {page.notice: "method task_arithmetic: scale is empty; it must be a number."}


@pytest.mark.parametrize("name", ["fisher", "regmean", "expert_averaging"])
def test_recipes_of_methods_that_cannot_run_here(runs, state, name: str) -> None:
    recipe = make_recipe(name, ["digits"], set="gentle")
    with pytest.raises(MergeError, match=r"cannot run here: (no|it takes a mixture)"):
        runs.open_recipe(state, OWNER, write_recipe(recipe).encode())


def test_recipe_of_the_other_set_is_opened_there(runs, page, services, state) -> None:
    recipe = make_recipe(
        "dare", ["optical", "digits"], set="bold", params={"drop_rate": 0.5}, seed=3
    )
    updates = runs.open_recipe(state, OWNER, write_recipe(recipe).encode())
    assert updates[page.controls.set].value == "bold" and updates[page.controls.seed] == 3
    assert updates[page.heatmap]["stamp"] == recipe.key()
    assert updates[page.state].scored == services.first("bold").key


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"", b"- 1"])
def test_files_that_are_no_recipe(runs, state, content: bytes | None) -> None:
    with pytest.raises(RecipeError):
        runs.open_recipe(state, OWNER, content)


def test_the_sets_own_dtype_changes_nothing(runs, page, state) -> None:
    text = "format: merge-explorer/1\nset: gentle\nmethod: ties\nexperts: [digits]\ndtype: {}\n"
    updates = runs.open_recipe(state, OWNER, text.format("float16").encode())
    assert updates[page.heatmap]["stamp"] == make_recipe("ties", ["digits"], set="gentle").key()
    with pytest.raises(RecipeError, match="dtype float32"):
        runs.open_recipe(state, OWNER, text.format("float32").encode())


def test_values_of_single_experts_come_to_the_panel(runs, page, state) -> None:
    text = (
        "format: merge-explorer/1\nset: gentle\nmethod: ties\n"
        "experts: [{id: digits, density: 0.3}, {id: fashion}]\n"
    )
    updates = runs.open_recipe(state, OWNER, text.encode())
    assert updates[page.controls.panel]["values"]["own"] == {"density": {"digits": 0.3}}
    assert updates[page.controls.panel]["experts"] == [
        ["digits", "A Digits"], ["fashion", "B Clothing"],
    ]  # fmt: skip


@pytest.mark.parametrize("data", [None, {}, {"key": "0" * 16, "action": "show"}, "x", 3])
def test_unknown_runs_cannot_be_shown(runs: RunsDesk, state: AppState, data: object) -> None:
    class Event(gr.EventData):
        def __init__(self) -> None:
            self._data = data

    with pytest.raises(MergeError, match="forgotten"):
        runs.touch(Event(), state, OWNER, "")


def test_set_that_does_not_exist(runs, page, values, state) -> None:
    sent = plain(values, page)
    sent[0] = "../../etc"
    updates = told(page.notice, runs.start)(state, OWNER, bar(state), *sent)
    assert list(updates) == [page.notice]
