"""Which touch on the page calls which handler."""

from typing import Any

import gradio as gr

from ui.desk import Desk, told
from ui.page import Page

LAST_PICTURE = (
    '<p class="me-note">With these settings there is nothing to show. '
    "The charts below are of the last settings that could be merged.</p>"
)
FETCH = "(file) => { if (file) document.querySelector('#file-link').click(); }"


def _quiet(page: Page) -> dict[str, Any]:
    """No progress overlays: only the notice, which has none, hears of pending calls.

    Gradio's page otherwise writes a state into every output twice a tick (measured: 14 ms).
    """
    return {
        "show_progress": "hidden", "show_progress_on": page.notice, "api_visibility": "private",
    }  # fmt: skip


def _live(page: Page) -> dict[str, Any]:
    """Answered at once, without Gradio's queue."""
    return {**_quiet(page), "queue": False}


def wire(page: Page, desk: Desk) -> None:
    """Connect every control with what it does."""
    _wire_settings(page, desk)
    _wire_jobs(page, desk)
    _wire_files(page, desk)


def _results(page: Page) -> list[Any]:
    return [
        page.notice, page.formula, page.effect, page.verdict, page.scores, page.heatmap,
        page.magnitudes, page.scored, page.runs, page.live,
    ]  # fmt: skip


def _everything(page: Page) -> list[Any]:
    job = [page.owner, page.job, page.seen, page.timer, page.go, page.cancel]
    return [*_results(page), *page.controls.outputs(), *job]


def _wire_settings(page: Page, desk: Desk) -> None:
    controls = page.controls
    inputs = [page.owner, page.scored, *controls.inputs()]
    moved = [c.input for c in (*controls.weights, controls.panel, controls.seed)]
    all_of_it = controls.outputs()
    for triggers, handler, extra in (
        (moved, desk.tick, []),
        ([c.input for c in controls.on], desk.switch, [controls.panel]),
        ([controls.set.input], desk.choose_set, all_of_it),
        ([controls.chooser.select], desk.choose_method, all_of_it),
        ([controls.panel.select], desk.choose_dialect, [controls.panel]),
        ([page.draw.click], desk.new_draw, [controls.seed]),
    ):
        gr.on(
            triggers,
            told(page.notice, handler, {page.effect: LAST_PICTURE}),
            inputs,
            [*_results(page), *extra],
            trigger_mode="always_last",
            **_live(page),
        )


def _wire_jobs(page: Page, desk: Desk) -> None:
    controls = page.controls
    job = [page.owner, page.job, page.seen, page.timer, page.go, page.cancel]
    scored = [page.notice, page.verdict, page.scores, page.runs, page.scored]
    page.go.click(
        told(page.notice, desk.start),
        [page.owner, page.scored, *controls.inputs()],
        [*scored, *job],
        **_live(page),
    )
    page.timer.tick(
        told(page.notice, desk.poll, clear=False),
        [page.owner, page.seen, *controls.inputs()],
        [*scored, *job],
        **_live(page),
    )
    page.cancel.click(
        told(page.notice, desk.cancel), [page.owner], [page.notice, *job], **_live(page)
    )
    page.runs.select(
        told(page.notice, desk.touch_run),
        [page.owner, page.scored],
        _everything(page),
        **_live(page),
    )


def wire_load(demo: gr.Blocks, page: Page, desk: Desk) -> None:
    """Find a visitor's runs and job again when the page is opened."""
    demo.load(told(page.notice, desk.restore), [page.owner], _everything(page), **_live(page))


def _wire_files(page: Page, desk: Desk) -> None:
    controls = page.controls
    page.open_recipe.upload(
        told(page.notice, desk.open_recipe),
        [page.owner, page.scored, page.open_recipe],
        _everything(page),
        **_live(page),
    )
    nothing = {page.file: None}
    save = page.save_recipe.click(
        told(page.notice, desk.save_recipe, nothing),
        [page.owner, page.scored, *controls.inputs()],
        [page.notice, page.file],
        **_live(page),
    )
    model = page.save_model.click(
        told(page.notice, desk.save_model, nothing),
        [page.owner, page.scored],
        [page.notice, page.file],
        concurrency_limit=2,
        **_quiet(page),
    )
    for event in (save, model):
        event.then(None, [page.file], None, js=FETCH)
