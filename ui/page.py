"""The page: what stands where. No handlers, no numbers of its own."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ui.components.heatmap import ConflictHeatmap
from ui.components.hint import Hint
from ui.components.jobline import JobLine
from ui.components.kinds import KindChooser
from ui.components.lesson import LessonBar, LessonPlayer
from ui.components.linkbar import LinkBar
from ui.components.method_chooser import MethodChooser
from ui.components.notice import Notice
from ui.components.param_panel import ParamPanel
from ui.components.plot_host import PlotHost
from ui.components.prose import Prose
from ui.components.recipe_line import RecipeLine
from ui.components.runlist import RunList
from ui.components.section_links import SectionLinks
from ui.components.still import StillNotes
from ui.components.study import StudyBar
from ui.components.table import PlainTable
from ui.components.weights import TwelveWeights
from ui.components.whatif import WhatIfBar
from ui.controls import Controls, expert_rows
from ui.link import decode
from ui.panels import values as panel_values
from ui.presenter import Presenter
from ui.scene import Scene, starts
from ui.sections import read_fold, results_column
from ui.services import Services
from ui.session import Session
from ui.settings import ControlValues
from ui.ticks import ticker
from ui.views.chooser import chooser_value
from ui.views.glossary import RECIPE
from ui.views.magnitudes import expert_names
from ui.views.panel import panel_value

Values = dict[str, Any]

OWNER_KEY = "merge-explorer-owner"
RUNS_KEY = "merge-explorer-runs"
BROWSER_SECRET = "merge-explorer-owner-v1"


@dataclass(frozen=True)
class Page:
    """Every component that a handler reads or writes."""

    state: gr.State
    controls: Controls
    owner: gr.BrowserState
    saved: gr.BrowserState
    seen: gr.State
    timer: gr.Timer
    notice: Notice
    link: LinkBar
    lesson: LessonPlayer
    lesson_chart: PlotHost
    lesson_bar: LessonBar
    formula: Prose
    effect: Prose
    live: RecipeLine
    verdict: Prose
    scores: PlotHost
    units: gr.Radio
    heatmap: ConflictHeatmap
    cell: PlotHost
    curves: PlotHost
    twelve: TwelveWeights
    magnitudes: PlotHost
    relative: PlotHost
    who_agrees: PlotHost
    kind: KindChooser
    ranks: PlotHost
    overlap: PlotHost
    who_won: PlotHost
    dialects: PlainTable
    still: StillNotes
    whatif: WhatIfBar
    sweep: PlotHost
    parts: WhatIfBar
    parts_chart: PlotHost
    map: StudyBar
    landscape: PlotHost
    path: StudyBar
    straight: PlotHost
    hull: StudyBar
    region: PlotHost
    clusters: PlotHost
    runs: RunList
    job: JobLine
    go: gr.Button
    cancel: gr.Button
    draw: gr.Button
    open_recipe: gr.UploadButton
    save_recipe: gr.Button
    save_model: gr.Button
    file: gr.DownloadButton


def draw_page(services: Services, presenter: Presenter) -> Page:
    """Draw everything, with the first experiment already in it."""
    state, _ = decode("", starts(services))
    recipe = state.recipe()
    state = replace(state, scored=recipe.key())
    scene = Scene(services, state, recipe, services.runs.get("", services.first()))
    shown = panel_values(presenter, scene, settled=True)
    tick = ticker(services, presenter, starts(services))
    gr.HTML(_HEADER, elem_classes="me-header")
    with gr.Row(elem_classes="me-strip"):
        SectionLinks(elem_id="sections")
        link = LinkBar(shown["link"], "link", elem_id="link", server_functions=[tick])
    live = RecipeLine(shown["live"], "live", elem_id="live")
    notice = Notice(elem_id="notice")
    hidden = {
        "state": gr.State(Session(state)),
        "owner": gr.BrowserState(None, storage_key=OWNER_KEY, secret=BROWSER_SECRET),
        "saved": gr.BrowserState("", storage_key=RUNS_KEY, secret=BROWSER_SECRET),
        "seen": gr.State(-1),
        "timer": gr.Timer(0.3, active=False),
    }
    with gr.Row(elem_classes="me-columns"):
        with gr.Column(elem_classes=["me-recipe", "is-folded"], min_width=300, scale=0):
            recipe_column = _recipe_column(services, presenter, state.values, shown)
        with gr.Column(elem_classes="me-results", min_width=300, scale=1):
            results = results_column(shown)
    return Page(notice=notice, link=link, live=live, **hidden, **recipe_column, **results)


def _recipe_column(
    services: Services, presenter: Presenter, values: ControlValues, shown: Values
) -> dict[str, Any]:
    opened = services.sets[values.set]
    gr.HTML(_which_models(services), elem_classes="me-which")
    choices = [(s.card["label"], s.id) for s in services.sets.values()]
    set_choice = gr.Radio(
        choices, value=values.set, label="Set", info=presenter.set_line(opened), elem_id="set"
    )
    rows, on, weights = expert_rows(opened, values, services.rows)
    gr.HTML("<h2>2 How to merge?</h2>")
    chooser = MethodChooser(
        chooser_value(values.method, services.missing(opened.id)), elem_id="method"
    )
    formula = Prose(shown["formula"], "formula", elem_classes="me-formula", elem_id="formula")
    gr.HTML(read_fold("What the symbols mean", RECIPE), elem_classes="me-symbols")
    _how_hard(f"{values.method}-scale")
    panel = ParamPanel(panel_value(values, expert_names(opened.card)), elem_id="panel")
    with gr.Row(visible=False, elem_classes="me-seed") as seed_panel:
        seed = gr.Number(
            values.seed, label="Seed", minimum=None, elem_id="seed",
            info="Which random draw. Same seed, same result.",
        )  # fmt: skip
        draw = gr.Button("New draw", size="sm", elem_id="new-draw")
    return {
        "controls": Controls(set_choice, rows, on, weights, chooser, panel, seed, seed_panel),
        "formula": formula,
        "draw": draw,
        **_actions(presenter),
    }


def _which_models(services: Services) -> str:
    """The heading, and where there are sets for teaching, what unfolds them: they stand last."""
    heading, first = "<h2>1 Which models?</h2>", len(services.at_hand())
    if first == len(services.sets):
        return heading
    folded = f".me-which:not(:has(details[open])) ~ * #set label:nth-of-type(n + {first + 1})"
    return (
        f'{heading}<details class="me-lesson-sets"><summary>Sets for lessons</summary></details>'
        f"<style>{folded}:not(.selected) {{ display: none; }}</style>"
    )


def _actions(presenter: Presenter) -> dict[str, Any]:
    with gr.Column(elem_classes="me-actions"):
        with gr.Row(elem_classes="me-go"):
            go = gr.Button("Merge and evaluate", variant="primary", elem_id="go")
            cancel = gr.Button("Cancel", interactive=False, elem_id="cancel")
        job = JobLine(presenter.job(None), elem_id="job")
    with gr.Row(elem_classes="me-files"):
        open_recipe = gr.UploadButton(
            "Open recipe", file_types=[".yaml", ".yml"], type="binary", size="sm",
            elem_id="open-recipe",
        )  # fmt: skip
        save_recipe = gr.Button("Save recipe", size="sm", elem_id="save-recipe")
    return {
        "go": go, "cancel": cancel, "job": job,
        "open_recipe": open_recipe, "save_recipe": save_recipe,
    }  # fmt: skip


def _how_hard(target: str) -> None:
    with gr.Row(elem_classes="me-how"):
        gr.HTML("<h2>3 How hard?</h2>")
        Hint("Drag λ and watch.", target=target)


_HEADER = """<h1>Merge explorer</h1>
<p>See what merging fine-tuned models does to them, while you drag.</p>
<p class="me-more"><a href="own">Your own models</a> · <a href="lessons">Lessons</a> ·
<a href="methods">Method reference</a></p>"""
