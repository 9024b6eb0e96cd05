"""What the page asks while a slider moves: stateless, small, and safe against anyone."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.app.sent import moved
from ui.link import decode, encode
from ui.page import Page
from ui.presenter import Presenter
from ui.scene import starts
from ui.services import Services
from ui.settings import ControlValues, to_recipe
from ui.state import AppState
from ui.ticks import APOLOGY, LAST_PICTURE, ticker
from ui.views.panel import panel_value

OWNER = "t" * 24


@pytest.fixture(scope="module")
def ask(services: Services) -> Any:
    tick = ticker(services, Presenter(services, starts(services)), starts(services))
    return lambda sent: json.loads(tick(sent))


@pytest.fixture
def values(services: Services) -> ControlValues:
    return decode("", starts(services))[0].values


def sent(values: ControlValues, services: Services, query: str = "v=1", **other: Any) -> dict:
    """Return what the page would send."""
    whole = {
        "query": query,
        "scored": services.first().key,
        "owner": OWNER,
        "on": [e in values.on for e in services.rows],
        "weights": [values.weights.get(e, 1.0) for e in services.rows],
        "seed": values.seed,
        "panel": json.dumps(panel_value(values, {})),
    }
    return whole | other


def test_an_answer_is_of_what_was_asked(ask, values, services) -> None:
    dragged = moved(values, scale=0.5)
    found = ask(sent(dragged, services))
    assert found["notice"] == "" and "λ = 0.5" in found["formula"]
    assert json.loads(found["heatmap"])["stamp"] == to_recipe(dragged).key()
    assert json.loads(found["link"])["query"] == "v=1&scale=0.5"
    assert json.loads(found["link"])["scored"] == to_recipe(dragged).key()


def test_only_what_moves_is_sent(ask, values, services) -> None:
    ask(sent(moved(values, scale=0.51), services))
    found = ask(sent(moved(values, scale=0.53), services, "v=1&scale=0.51"))
    assert set(found) == {
        "notice", "formula", "effect", "live", "heatmap", "magnitudes", "who_won", "link",
    }  # fmt: skip
    sizes = json.loads(found["magnitudes"])
    assert "data" not in sizes and "layout" not in sizes and sizes["patch"]
    assert sum(map(len, found.values())) < 20_000
    same = ask(sent(moved(values, scale=0.53), services, "v=1&scale=0.53"))
    assert same == {"notice": ""}


def test_passing_through_the_pinned_settings_draws_nothing_anew(ask, values, services) -> None:
    known = starts(services)
    pinned = to_recipe(moved(values, scale=0.3))
    at = {x: AppState(moved(values, scale=x)).pin(pinned) for x in (0.2, 0.3)}
    ask(sent(at[0.2].values, services, encode(at[0.3], known)))
    found = json.loads(ask(sent(at[0.3].values, services, encode(at[0.2], known)))["who_won"])
    assert "data" not in found and "these are the pinned settings." in found["sentence"]
    assert set(found["restyle"][-1]["update"]["x"]) == {0.0}


def test_scores_are_marked_as_of_others_once(ask, values, services) -> None:
    left = ask(sent(moved(values, scale=0.51), services))
    assert "me-stale" in left["verdict"] and "scores" in left
    further = ask(sent(moved(values, scale=0.52), services, "v=1&scale=0.51"))
    assert "verdict" not in further and "scores" not in further


def test_measured_settings_that_are_not_on_the_list_leave_it_alone(ask, values, services) -> None:
    known = to_recipe(moved(values, scale=0.55)).key()
    found = ask(sent(moved(values, scale=0.5), services, "v=1&scale=0.55", scored=known))
    assert "me-stale" not in found["verdict"] and "scores" in found and "runs" not in found
    left = ask(sent(moved(values, scale=0.5), services))
    assert [row["current"] for row in json.loads(left["runs"])["rows"]] == [False]


def test_a_cell_that_is_open_follows(ask, values, services) -> None:
    ties = moved(replace(values, method="ties"), density=0.3)
    query = "v=1&method=ties&density=0.2&cell=L1+up"
    found = ask(sent(ties, services, query))
    assert {"cell", "curves", "twelve"} <= set(found)
    assert len(json.loads(found["twelve"])["rows"]) == 12


def test_the_same_question_has_the_same_answer(ask, values, services) -> None:
    question = sent(moved(values, scale=0.7), services)
    first = ask(question)
    ask(sent(moved(values, scale=0.2), services, owner="u" * 24))
    again = ask(question)
    assert {n: first[n] for n in ("heatmap", "effect", "link")} == {
        n: again[n] for n in ("heatmap", "effect", "link")
    }


def test_gradio_may_wrap_the_question_in_a_list(ask, values, services) -> None:
    question = sent(moved(values, scale=0.5), services)
    assert ask([question])["heatmap"] == ask(question)["heatmap"]


@pytest.mark.parametrize(
    "question",
    [None, 3, "", [], [1, 2], {}, {"query": "v=1"}, [{"query": 3}], "x" * 10_000],
)
def test_what_the_page_never_sends_is_refused_in_words(ask, question: object) -> None:
    found = ask(question)
    assert found["notice"].startswith("The page sent settings that cannot be read.")
    assert found["effect"] == LAST_PICTURE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": [None] * 6}, "weight is empty; it must be a number"),
        ({"weights": ["1"] * 6}, "weight is '1'; it must be a number"),
        ({"weights": [[1]] * 6}, "it must be a number"),
        ({"on": [False] * 6}, "No expert is chosen. Pick at least one."),
        ({"on": [1, "yes", None, {}, [], 0]}, "No expert is chosen."),
        ({"seed": "x", "panel": "dare"}, "cannot be read"),
        ({"on": [True] * 99, "weights": [1] * 99}, "cannot be read"),
        ({"on": [True] * 6, "weights": [1] * 4}, "cannot be read"),
        ({"query": "v=1&" * 2000}, "cannot be read"),
        ({"panel": "[" * 5000}, "cannot be read"),
        ({"scored": None}, "cannot be read"),
    ],
    ids=str,
)
def test_wrong_values_are_named(ask, values, services, change: dict[str, Any], said: str) -> None:
    found = ask(sent(moved(values, scale=0.5), services, **change))
    assert said in found["notice"] and set(found) == {"notice", "effect"}


@pytest.mark.parametrize("owner", [None, 7, "x", "<b>", {"a": 1}])
def test_a_strange_owner_sees_nobody_elses_runs(ask, values, services, owner: object) -> None:
    found = ask(sent(moved(values, scale=0.5), services, owner=owner))
    assert found["notice"] == "" and json.loads(found["link"])["owner"] != owner


@pytest.mark.parametrize(
    "query", ["", "%", "set=none&method=none&density=7", "pin.set=../..", "&&="]
)
def test_a_damaged_query_is_no_obstacle(ask, values, services, query: str) -> None:
    dragged = moved(values, scale=0.5)
    found = ask(sent(dragged, services, query))
    assert json.loads(found["heatmap"])["stamp"] == to_recipe(dragged).key()


def test_a_bug_is_an_apology_with_the_traceback_in_the_log(
    values, services, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    tick = ticker(services, Presenter(services, starts(services)), starts(services))
    monkeypatch.setattr(Services, "check", broken)
    found = json.loads(tick(sent(values, services)))
    assert found == {"notice": APOLOGY, "effect": LAST_PICTURE}
    assert "ZeroDivisionError: secret" in caplog.text


def test_the_page_has_a_name_for_every_panel_that_an_answer_may_hold(built) -> None:
    page: Page = built[1]
    for name in ("formula", "effect", "live", "verdict", "scores", "heatmap", "magnitudes",
                 "who_won", "cell", "curves", "twelve", "runs", "link"):  # fmt: skip
        assert getattr(page, name).props["panel"] == name


def test_opening_a_cell_answers_with_that_cell_alone(ask, values, services) -> None:
    found = ask(sent(values, services, cell="L1 up"))
    assert set(found) == {"cell", "curves", "twelve", "notice"} and found["notice"] == ""
    assert json.loads(found["cell"])["name"] == "cell L1 up"
    assert len(json.loads(found["twelve"])["rows"]) == 12
    there = ask(sent(values, services, query="v=1&cell=L1+up", cell=""))
    assert [json.loads(there[name]) for name in ("cell", "curves", "twelve")] == [None] * 3


@pytest.mark.parametrize("cell", [7, None, "nowhere at all", "L1 " + "x" * 5000])
def test_a_cell_that_is_not_there_opens_nothing(ask, values, services, cell: object) -> None:
    found = ask(sent(values, services, cell=cell))
    assert all(json.loads(found[name]) is None for name in ("cell", "twelve") if name in found)
    assert found["notice"] == ""
