"""How the page is wired: what listens, how, and what a stranger may call."""

import re

import gradio as gr
import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from merging import sets as bundled
from merging.evaluation import compare, intervals
from merging.recipe import write_recipe
from ui.app import build_app, launch_options
from ui.components.kept_files import FRONT_END
from ui.own.events import ROUTE
from ui.quick import QuickBlocks
from ui.services import Services, rehearse
from ui.studies import STUDIED


def listeners(demo: gr.Blocks, component: gr.components.Component, event: str) -> list[dict]:
    return [d for d in demo.config["dependencies"] if (component._id, event) in d["targets"]]


def test_sliders_ask_by_a_call_of_their_own_and_by_no_event(built) -> None:
    demo, page, *_ = built
    for slider in (*page.controls.weights, page.controls.panel, page.controls.seed):
        assert not [e for e in ("input", "release", "change") if listeners(demo, slider, e)]
    assert page.link.tick._is_server_fn


def test_no_event_that_answers_a_person_waits_in_the_queue_or_drops_the_last(built) -> None:
    demo, page, *_ = built
    for component, event in (
        (page.link, "select"), (page.heatmap, "select"), (page.kind, "select"),
        (page.runs, "select"), (page.controls.chooser, "select"), (page.units, "input"),
    ):  # fmt: skip
        (found,) = listeners(demo, component, event)
        assert not found["queue"] and found["trigger_mode"] in ("always_last", "multiple")


def test_no_handler_of_the_page_is_public(built) -> None:
    visible = {d["api_visibility"] for d in built[0].config["dependencies"] if d["backend_fn"]}
    assert visible == {"private"}


@pytest.fixture(scope="module")
def client(services: Services):
    demo = build_app(services)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield Client(url, verbose=False)
    demo.close()


def test_the_front_end_is_sent_from_memory_for_the_browser_to_keep(client: Client) -> None:
    html = httpx.get(client.src).text
    script = re.search(r"assets/index-[\w-]+\.js", html)
    assert script is not None
    sent = httpx.get(f"{client.src}{script[0]}")
    assert sent.text == (FRONT_END / script[0].split("/")[1]).read_text("utf-8")
    assert "immutable" in sent.headers["cache-control"]
    assert "window.meDrawPlot = " in html and html.count("function drawPostponed") == 1


def test_only_the_preview_can_be_called(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert list(named) == ["/preview"]


def test_preview_by_client_equals_the_library(client: Client, services: Services) -> None:
    recipe = services.first().recipe
    found = client.predict(write_recipe(recipe), api_name="/preview")
    own = services.preview(recipe)
    assert found["key"] == recipe.key()
    assert own.whole.share is not None and own.length is not None
    assert found["clash"] == pytest.approx(own.whole.share.value)
    assert found["length"] == pytest.approx(own.length.value)


def test_client_gets_the_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="no line format: merge-explorer/1"):
        client.predict("method: ties", api_name="/preview")


def test_the_pages_lead_to_each_other(services: Services) -> None:
    demo = build_app(services)
    texts = {
        c["props"]["value"]: c["id"]
        for c in demo.config["components"]
        if "me-header" in (c["props"].get("elem_classes") or [])
    }
    first = next(text for text in texts if "<h1>Merge explorer</h1>" in text)
    assert f'<a href="{ROUTE}">Your own models</a>' in first
    assert '<a href=".">Back to Merge explorer</a>' in next(t for t in texts if "own" in t[:20])
    assert demo.config["pages"][-1][0] == ROUTE


def test_answers_pass_over_what_they_leave_alone(services: Services) -> None:
    """The page's blocks are those that ``tests/app/test_quick.py`` looks at."""
    demo = build_app(services)
    assert isinstance(demo, QuickBlocks)


def test_studies_score_some_images_and_the_first_point_has_its_share(services: Services) -> None:
    recipe = services.first().recipe
    services.sweeps.rehearse(recipe)
    measure = services.studies.measure(recipe.set or "")
    own = services.answers.get((measure.mark("tuning"), "own"))
    assert {len(bits) for bits in own.values()} == {STUDIED}


def test_a_rehearsal_leaves_the_page_its_turn_and_says_how_long_a_point_takes(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.services.background", lambda: None)  # this process is not a server
    thread = rehearse(services)
    thread.join(60)
    assert not thread.is_alive() and thread.daemon
    assert not services.studies.turn.locked()
    assert (services.sweeps.seconds(services.first().recipe.set or "") or 0) > 0
    first, known = services.first(), services.references(services.first().recipe.set or "")
    monkeypatch.setattr(intervals, "_ratios", None)  # nothing is left to be drawn
    for record in bundled.shipped_runs(first.recipe.set or ""):
        for other in (record.correct, known.base, first.correct):
            assert compare(record.correct, other, known.own).mean[0].value > 0
