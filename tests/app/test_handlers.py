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
from ui.desk import APOLOGY, Desk, told
from ui.page import Page
from ui.services import Services
from ui.settings import ControlValues, default_values, from_recipe, to_recipe
from ui.views.panel import panel_value

OWNER = "a" * 24
OTHER = "b" * 24


class Sent:
    """An event of one of our components, with what it carries."""

    def __init__(self, **data: object) -> None:
        self._data = data


def moved(values: ControlValues, **params: object) -> ControlValues:
    """Return the controls with some settings of the chosen method dragged."""
    return values.having(replace(values.chosen, params={**values.chosen.params, **params}))


def plain(values: ControlValues, page: Page) -> list[Any]:
    """Return what the page's controls would send."""
    count = len(page.controls.rows)
    ids = [*values.weights, *[None] * count][:count]
    on = [i in values.on for i in ids]
    weights = [values.weights.get(i, 1.0) for i in ids]
    return [values.set, values.seed, *on, *weights, json.dumps(panel_value(values, {}))]


def sent_panel(**parts: object) -> str:
    """Return what the page would send of its panel, parts of it replaced."""
    empty = {"dialect": "paper", "params": {}, "own": {}}
    whole = {"method": "ties", "values": empty, "kept": {}, "order": [], "before": []}
    return json.dumps(whole | parts)


@pytest.fixture
def values(services: Services) -> ControlValues:
    opened = services.sets["gentle"]
    return from_recipe(services.first().recipe, default_values("gentle", tuple(opened.experts)))


def scored(services: Services) -> tuple[str, bool]:
    return services.first().key, False


def test_controls_round_trip(values: ControlValues, page: Page, services: Services) -> None:
    changed = replace(
        values, weights={**values.weights, "fashion": 0.4}, on=values.on - {"digits"}, seed=7
    )
    assert page.controls.read(plain(changed, page), services.sets) == changed


def test_tick_answers_for_the_new_recipe(desk, page, values, services) -> None:
    dragged = moved(values, scale=0.5)
    updates = desk.tick(OWNER, scored(services), *plain(dragged, page))
    assert updates[page.heatmap]["stamp"] == to_recipe(dragged).key()
    assert "λ = 0.5" in updates[page.formula]
    assert updates[page.scored] == (to_recipe(dragged).key(), False)


def test_unscored_settings_are_marked_stale_once(desk, page, values, services) -> None:
    dragged = moved(values, scale=0.51)
    updates = desk.tick(OWNER, scored(services), *plain(dragged, page))
    assert updates[page.scored] == (services.first().key, True)
    again = desk.tick(OWNER, updates[page.scored], *plain(dragged, page))
    assert page.scores not in again and page.scored not in again


def test_leaving_the_shown_run_and_coming_back_is_told_to_the_list(
    desk, page, values, services
) -> None:
    dragged = moved(values, scale=0.51)
    left = desk.tick(OWNER, scored(services), *plain(dragged, page))
    assert [row["current"] for row in left[page.runs]["rows"]] == [False]
    further = desk.tick(OWNER, left[page.scored], *plain(dragged, page))
    assert page.runs not in further
    back = desk.tick(OWNER, left[page.scored], *plain(values, page))
    assert [row["current"] for row in back[page.runs]["rows"]] == [True]


def test_pinning_leaves_the_scores_as_they_stand(desk, page, services) -> None:
    """The sliders have left run 1: unpinning it must not make its scores look like theirs."""
    updates = desk.touch_run(
        OWNER, (services.first().key, True), Sent(key=services.first().key, action="pin")
    )
    assert updates[page.scored] == (services.first().key, True)
    assert "me-stale" in updates[page.verdict]
    assert [(r["pinned"], r["current"]) for r in updates[page.runs]["rows"]] == [(False, False)]


def test_errors_become_the_notice_and_nothing_else(desk, page, values, services) -> None:
    wild = replace(values, weights={**values.weights, "digits": float("nan")})
    updates = told(page.notice, desk.tick)(OWNER, scored(services), *plain(wild, page))
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
def test_a_strange_owner_gets_a_new_token(desk: Desk, page: Page, junk: object) -> None:
    token = desk.restore(junk)[page.owner]
    assert token != junk and len(token) >= 24


def test_runs_of_one_visitor_are_not_seen_by_another(desk, page, values, services) -> None:
    dragged = moved(values, scale=0.25)
    mine = desk.start(OWNER, scored(services), *plain(dragged, page))
    assert [row["name"] for row in mine[page.runs]["rows"]] == ["Run 2", "Run 1"]
    theirs = desk.restore(OTHER)
    assert [row["name"] for row in theirs[page.runs]["rows"]] == ["Run 1"]


def test_known_results_are_shown_without_a_job(desk, page, values, services) -> None:
    dragged = moved(values, scale=0.35)
    updates = desk.start("c" * 24, scored(services), *plain(dragged, page))
    assert updates[page.scored] == (to_recipe(dragged).key(), False)
    assert page.job not in updates


def test_job_from_start_to_listed_run(desk, page, values, services) -> None:
    dragged = replace(values, method="linear", on=frozenset({"digits", "fashion"}))
    owner = "d" * 24
    queued = desk.start(owner, scored(services), *plain(dragged, page))
    assert queued[page.timer].active and not queued[page.go].interactive
    assert services.jobs.wait(owner, 60).status == "done"
    updates = desk.poll(owner, -1, *plain(dragged, page))
    assert not updates[page.timer].active and updates[page.go].interactive
    assert updates[page.job]["state"] == "done"
    assert updates[page.runs]["rows"][0]["settings"].endswith("Average · 2 experts")


def test_two_visitors_with_one_recipe_share_one_run(
    desk, page, values, services, monkeypatch: pytest.MonkeyPatch
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
    desk.start(owners[0], scored(services), *sent)
    assert started.wait(60)
    joined = desk.start(owners[1], scored(services), *sent)
    assert joined[page.timer].active and joined[page.job]["state"] == "running"
    go.set()
    for owner in owners[:2]:
        assert services.jobs.wait(owner, 60).status == "done"
        assert desk.poll(owner, -1, *sent)[page.scored] == (to_recipe(dragged).key(), False)
    late = services.start(owners[2], to_recipe(dragged))
    assert services.jobs.wait(owners[2], 60).result == late.key
    assert computed == [to_recipe(dragged).key()]


def test_poll_without_a_job_stops_the_timer(desk: Desk, page: Page) -> None:
    assert not desk.poll("e" * 24, -1)[page.timer].active


def test_preset_fills_in_its_options(desk, page, values, services) -> None:
    sent = plain(replace(values, method="ties"), page)
    updates = desk.choose_dialect(Sent(dialect="mergekit"), OWNER, scored(services), *sent)
    shown = updates[page.controls.panel]["values"]
    assert shown["dialect"] == "mergekit"
    assert shown["params"]["combine"] == "weighted_mean"
    assert shown["params"]["voters"] == "weighted"
    assert shown["params"]["density"] == 1.0


def test_chosen_method_brings_its_controls_and_takes_its_experts(
    desk, page, values, services
) -> None:
    sent = plain(values, page)
    updates = desk.choose_method(Sent(method="slerp"), OWNER, scored(services), *sent)
    controls = page.controls
    assert updates[controls.panel]["method"] == "slerp"
    assert [updates[c].value for c in controls.on] == [True, True, False, False, False]
    assert {updates[c].visible for c in controls.weights} == {False}
    assert updates[page.notice].startswith("SLERP takes 2 of the experts: A Digits and B Clothing")
    back = desk.choose_method(Sent(method="ties"), OWNER, scored(services), *sent)
    assert page.notice not in back
    assert {back[c].visible for c in controls.weights} == {True}


@pytest.mark.parametrize("name", ["tise", None, 7, {"a": 1}])
def test_a_method_that_does_not_exist(desk, page, values, services, name: object) -> None:
    with pytest.raises(MergeError, match="Unknown method"):
        desk.choose_method(Sent(method=name), OWNER, scored(services), *plain(values, page))


def test_a_method_without_its_data_says_what_is_missing(desk, page, values, services) -> None:
    sent = plain(values, page)
    with pytest.raises(MergeError, match=r"Fisher averaging cannot run here: .*Fisher"):
        desk.choose_method(Sent(method="fisher"), OWNER, scored(services), *sent)


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
def test_a_panel_that_is_not_ours_is_refused_in_words(desk, page, values, services, sent) -> None:
    whole = [*plain(values, page)[:-1], sent]
    updates = told(page.notice, desk.tick)(OWNER, scored(services), *whole)
    assert updates == {page.notice: "The page sent settings that cannot be read. Reload the page."}


def test_a_panel_with_a_wrong_value_names_it(desk, page, values, services) -> None:
    wrong = {"dialect": "paper", "params": {"scale": None, "unknown": 1}, "own": {}}
    whole = [*plain(values, page)[:-1], json.dumps({**panel_value(values, {}), "values": wrong})]
    updates = told(page.notice, desk.tick)(OWNER, scored(services), *whole)
    assert updates == {page.notice: "method task_arithmetic: scale is empty; it must be a number."}


@pytest.mark.parametrize("name", ["fisher", "regmean", "expert_averaging"])
def test_recipes_of_methods_that_cannot_run_here(desk, services, name: str) -> None:
    recipe = make_recipe(name, ["digits"], set="gentle")
    with pytest.raises(MergeError, match=r"cannot run here: (no|it takes a mixture)"):
        desk.open_recipe(OWNER, scored(services), write_recipe(recipe).encode())


def test_recipe_of_the_other_set_is_opened_there(desk, page, services) -> None:
    recipe = make_recipe(
        "dare", ["optical", "digits"], set="bold", params={"drop_rate": 0.5}, seed=3
    )
    updates = desk.open_recipe(OWNER, scored(services), write_recipe(recipe).encode())
    assert updates[page.controls.set] == "bold" and updates[page.controls.seed] == 3
    assert updates[page.heatmap]["stamp"] == recipe.key()
    assert updates[page.scored][0] == services.first("bold").key


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"", b"- 1"])
def test_files_that_are_no_recipe(desk, services, content: bytes | None) -> None:
    with pytest.raises(RecipeError):
        desk.open_recipe(OWNER, scored(services), content)


def test_the_sets_own_dtype_changes_nothing(desk, page, services) -> None:
    text = "format: merge-explorer/1\nset: gentle\nmethod: ties\nexperts: [digits]\ndtype: {}\n"
    updates = desk.open_recipe(OWNER, scored(services), text.format("float16").encode())
    assert updates[page.heatmap]["stamp"] == make_recipe("ties", ["digits"], set="gentle").key()
    with pytest.raises(RecipeError, match="dtype float32"):
        desk.open_recipe(OWNER, scored(services), text.format("float32").encode())


def test_values_of_single_experts_come_to_the_panel(desk, page, services) -> None:
    text = (
        "format: merge-explorer/1\nset: gentle\nmethod: ties\n"
        "experts: [{id: digits, density: 0.3}, {id: fashion}]\n"
    )
    updates = desk.open_recipe(OWNER, scored(services), text.encode())
    assert updates[page.controls.panel]["values"]["own"] == {"density": {"digits": 0.3}}
    assert updates[page.controls.panel]["experts"] == [
        ["digits", "A Digits"], ["fashion", "B Clothing"],
    ]  # fmt: skip


@pytest.mark.parametrize("data", [None, {}, {"key": "0" * 16, "action": "show"}, "x", 3])
def test_unknown_runs_cannot_be_shown(desk: Desk, services: Services, data: object) -> None:
    class Event(gr.EventData):
        def __init__(self) -> None:
            self._data = data

    with pytest.raises(MergeError, match="forgotten"):
        desk.touch_run(OWNER, scored(services), Event())


def test_set_that_does_not_exist(desk, page, values, services) -> None:
    sent = plain(values, page)
    sent[0] = "../../etc"
    updates = told(page.notice, desk.tick)(OWNER, scored(services), *sent)
    assert list(updates) == [page.notice]
