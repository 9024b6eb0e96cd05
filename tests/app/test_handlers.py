"""Handlers as plain functions: values in, updates out."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from merging.errors import MergeError, RecipeError
from merging.recipe import make_recipe, write_recipe
from ui.desk import APOLOGY, Desk, told
from ui.page import Page
from ui.services import Services
from ui.settings import ControlValues, default_values, from_recipe, to_recipe

OWNER = "a" * 24
OTHER = "b" * 24


class Pin:
    """The event of a click on Pin."""

    def __init__(self, key: str) -> None:
        self._data = {"key": key, "action": "pin"}


def plain(values: ControlValues, page: Page) -> list[Any]:
    """Return what the page's controls would send."""
    written = page.controls.write(values)
    return [written[control] for control in page.controls.inputs()]


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
    moved = replace(values, params={**values.params, ("task_arithmetic", "scale"): 0.5})
    updates = desk.tick(OWNER, scored(services), *plain(moved, page))
    assert updates[page.heatmap]["stamp"] == to_recipe(moved).key()
    assert "λ = 0.5" in updates[page.formula]
    assert updates[page.scored] == (to_recipe(moved).key(), False)


def test_unscored_settings_are_marked_stale_once(desk, page, values, services) -> None:
    moved = replace(values, params={**values.params, ("task_arithmetic", "scale"): 0.51})
    updates = desk.tick(OWNER, scored(services), *plain(moved, page))
    assert updates[page.scored] == (services.first().key, True)
    again = desk.tick(OWNER, updates[page.scored], *plain(moved, page))
    assert page.scores not in again and page.scored not in again


def test_leaving_the_shown_run_and_coming_back_is_told_to_the_list(
    desk, page, values, services
) -> None:
    moved = replace(values, params={**values.params, ("task_arithmetic", "scale"): 0.51})
    left = desk.tick(OWNER, scored(services), *plain(moved, page))
    assert [row["current"] for row in left[page.runs]["rows"]] == [False]
    further = desk.tick(OWNER, left[page.scored], *plain(moved, page))
    assert page.runs not in further
    back = desk.tick(OWNER, left[page.scored], *plain(values, page))
    assert [row["current"] for row in back[page.runs]["rows"]] == [True]


def test_pinning_leaves_the_scores_as_they_stand(desk, page, services) -> None:
    """The sliders have left run 1: unpinning it must not make its scores look like theirs."""
    updates = desk.touch_run(OWNER, (services.first().key, True), Pin(services.first().key))
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
    moved = replace(values, params={**values.params, ("task_arithmetic", "scale"): 0.25})
    mine = desk.start(OWNER, scored(services), *plain(moved, page))
    assert [row["name"] for row in mine[page.runs]["rows"]] == ["Run 2", "Run 1"]
    theirs = desk.restore(OTHER)
    assert [row["name"] for row in theirs[page.runs]["rows"]] == ["Run 1"]


def test_known_results_are_shown_without_a_job(desk, page, values, services) -> None:
    moved = replace(values, params={**values.params, ("task_arithmetic", "scale"): 0.35})
    updates = desk.start("c" * 24, scored(services), *plain(moved, page))
    assert updates[page.scored] == (to_recipe(moved).key(), False)
    assert page.job not in updates


def test_job_from_start_to_listed_run(desk, page, values, services) -> None:
    moved = replace(values, method="linear", on=frozenset({"digits", "fashion"}))
    owner = "d" * 24
    queued = desk.start(owner, scored(services), *plain(moved, page))
    assert queued[page.timer].active and not queued[page.go].interactive
    assert services.jobs.wait(owner, 60).status == "done"
    updates = desk.poll(owner, -1, *plain(moved, page))
    assert not updates[page.timer].active and updates[page.go].interactive
    assert updates[page.job]["state"] == "done"
    assert updates[page.runs]["rows"][0]["settings"].endswith("Average · 2 experts")


def test_poll_without_a_job_stops_the_timer(desk: Desk, page: Page) -> None:
    assert not desk.poll("e" * 24, -1)[page.timer].active


def test_dialect_fills_in_its_options(desk, page, values, services) -> None:
    chosen = replace(values, method="ties", dialects={**values.dialects, "ties": "mergekit"})
    updates = desk.choose_dialect(OWNER, scored(services), *plain(chosen, page))
    keys = list(values.params)
    shown = dict(zip(keys, (updates[c] for c in page.controls.params), strict=True))
    assert shown["ties", "combine"] == "weighted_mean"
    assert shown["ties", "voters"] == "weighted"
    assert shown["ties", "density"] == 1.0


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


def test_per_expert_values_have_no_control(desk, services) -> None:
    text = (
        "format: merge-explorer/1\nset: gentle\nmethod: ties\n"
        "experts: [{id: digits, density: 0.3}, {id: fashion}]\n"
    )
    with pytest.raises(RecipeError, match="gives digits values of its own"):
        desk.open_recipe(OWNER, scored(services), text.encode())


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
