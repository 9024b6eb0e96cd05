"""The page of own models as a part of the app: its route, and which touch calls which handler."""

from typing import Any

import gradio as gr

from ui.desk import told
from ui.events import FETCH
from ui.own.desk import OwnDesk, TextFile
from ui.own.inside_desk import InsideDesk
from ui.own.page import OwnPage, draw_own
from ui.own.scores_desk import ScoresDesk
from ui.own.services import OwnServices
from ui.session import as_of_now, in_turn

ROUTE = "own"


def add_own(demo: gr.Blocks, services: OwnServices, text_file: TextFile) -> None:
    """Add the page to the app; the first page links to it.

    Args:
        demo: The app.
        services: Check and merge.
        text_file: Writes a text for download.
    """
    with demo.route("Bring your own", ROUTE, show_in_navbar=False):
        page = draw_own(services.shelf)
        desk = OwnDesk(page, services, text_file)
        wire_own(page, desk)
        demo.load(
            told(page.notice, in_turn(page.state, desk.restore)),
            [page.state, page.owner, page.saved],
            _everything(page),
            **_live(page),
        )


def _live(page: OwnPage) -> dict[str, Any]:
    return {
        "show_progress": "hidden", "show_progress_on": page.notice, "api_visibility": "private",
        "queue": False,
    }  # fmt: skip


def _status(page: OwnPage) -> list[Any]:
    return [
        page.notice, page.findings, page.why, page.go, page.cancel, page.job, page.output,
        page.timer, page.seen, *page.scoring.outputs(),
    ]  # fmt: skip


def _everything(page: OwnPage) -> list[Any]:
    forms = [*page.forms(), page.chooser, page.shelf, page.columns, page.notes]
    parts = [*page.local.outputs(), *page.inside.outputs()]
    return [*_status(page), page.owner, page.saved, *forms, *parts]


def wire_own(page: OwnPage, desk: OwnDesk) -> None:
    """Connect every control with what it does."""
    inputs = [page.state, page.owner, *page.forms()]
    for triggers, handler, mode in (
        ([page.models.select], desk.touch, "always_last"),
        ([page.chooser.select], desk.choose_method, "always_last"),
        ([page.panel.select], desk.choose_dialect, "always_last"),
        ([page.local.table.select], desk.edit_local, "always_last"),
        ([page.again.click], desk.list_again, "once"),
        ([page.go.click], desk.start, "once"),
    ):
        gr.on(
            triggers,
            told(page.notice, in_turn(page.state, handler)),
            inputs,
            _everything(page),
            trigger_mode=mode,
            **_live(page),
        )
    page.timer.tick(
        told(page.notice, as_of_now(desk.poll), clear=False),
        [page.state, page.owner, page.seen],
        _status(page),
        **_live(page),
    )
    page.cancel.click(
        told(page.notice, as_of_now(desk.cancel)),
        [page.state, page.owner],
        _status(page),
        **_live(page),
    )
    _wire_files(page, desk)
    _wire_scores(page, ScoresDesk(desk))
    _wire_inside(page, InsideDesk(desk))


def _wire_files(page: OwnPage, desk: OwnDesk) -> None:
    page.open_recipe.upload(
        told(page.notice, in_turn(page.state, desk.open_recipe)),
        [page.state, page.owner, page.open_recipe],
        _everything(page),
        **_live(page),
    )
    for button, handler in (
        (page.save_recipe, desk.save_recipe),
        (page.save_mergekit, desk.save_mergekit),
    ):
        saved = button.click(
            told(page.notice, as_of_now(handler), {page.file: None}),
            [page.state, *page.forms()],
            [page.notice, page.file],
            **_live(page),
        )
        saved.then(None, [page.file], None, js=FETCH)


def _wire_scores(page: OwnPage, desk: ScoresDesk) -> None:
    parts, inputs = page.scoring, [page.state, page.owner]
    outputs = [page.notice, page.owner, *parts.outputs()]
    for trigger, handler, more in (
        (parts.upload.upload, desk.open_data, [parts.upload]),
        (parts.forget.click, desk.forget, []),
        (parts.score.click, desk.score, []),
        (parts.compare.click, desk.compare, []),
        (parts.stop.click, desk.stop, []),
    ):
        trigger(
            told(page.notice, in_turn(page.state, handler)),
            [*inputs, *more],
            outputs,
            **_live(page),
        )
    parts.timer.tick(
        told(page.notice, as_of_now(desk.poll), clear=False),
        [*inputs, parts.seen],
        [page.notice, *parts.outputs()],
        **_live(page),
    )


def _wire_inside(page: OwnPage, desk: InsideDesk) -> None:
    parts, inputs = page.inside, [page.state, page.owner]
    outputs = [page.notice, page.owner, *parts.outputs()]
    for trigger, handler, more in (
        (parts.look.click, desk.look, page.forms()),
        (parts.pictures["heatmap"].select, desk.open_cell, []),
    ):
        trigger(
            told(page.notice, in_turn(page.state, handler)), [*inputs, *more], outputs,
            **_live(page),
        )  # fmt: skip
    parts.stop.click(told(page.notice, as_of_now(desk.stop)), inputs, outputs, **_live(page))
    parts.timer.tick(
        told(page.notice, as_of_now(desk.poll), clear=False),
        [*inputs, parts.seen],
        [page.notice, *parts.outputs()],
        **_live(page),
    )
