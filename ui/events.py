"""Which touch on the page calls which handler."""

from typing import Any

import gradio as gr

from ui.desk import Desk, told
from ui.lessons_desk import LessonsDesk
from ui.maps_desk import MapsDesk
from ui.page import Page
from ui.panels import PANELS
from ui.runs_desk import RunsDesk
from ui.session import as_of_now, in_turn
from ui.sweeps_desk import SweepsDesk
from ui.ticks import LAST_PICTURE

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


def wire(
    page: Page,
    desk: Desk,
    runs: RunsDesk,
    sweeps: SweepsDesk,
    maps: MapsDesk,
    taught: LessonsDesk,
) -> None:
    """Connect every control with what it does."""
    _wire_settings(page, desk)
    _wire_looks(page, desk)
    _wire_jobs(page, runs)
    _wire_sweeps(page, sweeps)
    _wire_maps(page, maps)
    _wire_lessons(page, taught)
    _wire_files(page, runs)


def _panels(page: Page) -> list[Any]:
    return [page.notice, *(getattr(page, panel.name) for panel in PANELS)]


def _job(page: Page) -> list[Any]:
    return [page.owner, page.job, page.seen, page.timer, page.go, page.cancel]


def _everything(page: Page) -> list[Any]:
    return [*_panels(page), page.saved, page.units, *page.controls.outputs(), *_job(page)]


def _wire_settings(page: Page, desk: Desk) -> None:
    controls = page.controls
    inputs = [page.state, page.owner, page.link, *controls.inputs()]
    all_of_it = controls.outputs()
    for triggers, handler, extra in (
        ([c.input for c in controls.on], desk.switch, [controls.panel]),
        ([controls.set.input], desk.choose_set, all_of_it),
        ([controls.chooser.select], desk.choose_method, all_of_it),
        ([controls.panel.select], desk.choose_dialect, [controls.panel]),
        ([page.draw.click], desk.new_draw, [controls.seed]),
    ):
        gr.on(
            triggers,
            told(page.notice, in_turn(page.state, handler), {page.effect: LAST_PICTURE}),
            inputs,
            [*_panels(page), *extra],
            trigger_mode="always_last",
            **_live(page),
        )


def _wire_looks(page: Page, desk: Desk) -> None:
    held = page.controls.inputs()
    inputs = [page.state, page.owner, page.link, *held]
    gr.on(
        [page.link.select],
        told(page.notice, in_turn(page.state, desk.act), clear=False),
        inputs,
        [*_panels(page), *page.controls.outputs()],
        trigger_mode="multiple",
        **_live(page),
    )
    gr.on(
        [page.heatmap.select, page.kind.select],
        told(page.notice, in_turn(page.state, desk.look)),
        inputs,
        _panels(page),
        trigger_mode="multiple",  # "always_last" sends what the first of them said
        **_live(page),
    )
    page.units.input(
        told(page.notice, in_turn(page.state, desk.choose_units)),
        [page.state, page.owner, page.link, page.units, *held],
        _panels(page),
        trigger_mode="always_last",
        **_live(page),
    )


def _wire_jobs(page: Page, runs: RunsDesk) -> None:
    everything = _everything(page)
    inputs = [page.state, page.owner, page.link, *page.controls.inputs()]
    page.go.click(
        told(page.notice, in_turn(page.state, runs.start)), inputs, everything, **_live(page)
    )
    page.timer.tick(
        told(page.notice, in_turn(page.state, runs.poll), clear=False),
        [page.state, page.owner, page.seen, page.link, *page.controls.inputs()],
        everything,
        **_live(page),
    )
    page.cancel.click(
        told(page.notice, runs.cancel), [page.owner], [page.notice, *_job(page)], **_live(page)
    )
    touched = page.runs.select(
        told(page.notice, in_turn(page.state, runs.touch), {page.file: None}),
        inputs,
        [*everything, page.file],
        trigger_mode="multiple",
        **_live(page),
    )
    touched.then(None, [page.file], None, js=FETCH)


def _wire_sweeps(page: Page, sweeps: SweepsDesk) -> None:
    inputs = [page.state, page.owner, page.link, *page.controls.inputs()]
    for component, handler in ((page.sweep, sweeps.take), (page.parts, sweeps.act_parts)):
        component.select(
            told(page.notice, in_turn(page.state, handler)),
            inputs,
            _everything(page),
            trigger_mode="multiple",
            **_live(page),
        )
    acted = page.whatif.select(
        told(page.notice, in_turn(page.state, sweeps.act), {page.file: None}),
        inputs,
        [*_everything(page), page.file],
        trigger_mode="multiple",
        **_live(page),
    )
    acted.then(None, [page.file], None, js=FETCH)


def _wire_maps(page: Page, maps: MapsDesk) -> None:
    for component, handler in (
        (page.map, maps.act),
        (page.path, maps.walk),
        (page.hull, maps.region),
        (page.landscape, maps.take),
    ):
        component.select(
            told(page.notice, in_turn(page.state, handler)),
            [page.state, page.owner, page.link, *page.controls.inputs()],
            _everything(page),
            trigger_mode="multiple",
            **_live(page),
        )


def _wire_lessons(page: Page, taught: LessonsDesk) -> None:
    gr.on(
        [page.lesson.select, page.lesson_bar.select],
        told(page.notice, in_turn(page.state, taught.act)),
        [page.state, page.owner, page.link, *page.controls.inputs()],
        _everything(page),
        trigger_mode="multiple",
        **_live(page),
    )


def wire_load(demo: gr.Blocks, page: Page, runs: RunsDesk) -> None:
    """Read a visitor's link, and find the runs and the job again, when the page is opened."""
    demo.load(
        told(page.notice, in_turn(page.state, runs.restore)),
        [page.state, page.owner, page.saved],
        _everything(page),
        **_live(page),
    )


def _wire_files(page: Page, runs: RunsDesk) -> None:
    page.open_recipe.upload(
        told(page.notice, in_turn(page.state, runs.open_recipe)),
        [page.state, page.owner, page.open_recipe],
        _everything(page),
        **_live(page),
    )
    nothing = {page.file: None}
    save = page.save_recipe.click(
        told(page.notice, runs.save_recipe, nothing),
        page.controls.inputs(),
        [page.notice, page.file],
        **_live(page),
    )
    model = page.save_model.click(
        told(page.notice, as_of_now(runs.save_model), nothing),
        [page.state, page.owner, page.link, *page.controls.inputs()],
        [page.notice, page.file],
        concurrency_limit=2,
        **_quiet(page),
    )
    for event in (save, model):
        event.then(None, [page.file], None, js=FETCH)
