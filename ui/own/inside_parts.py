"""The section on what a merge does to the weights: drawn, and what it shows for settings."""

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.jobs import Snapshot
from merging.recipe import Recipe
from merging.sketch import Sketch
from ui.components.heatmap import ConflictHeatmap
from ui.components.jobline import JobLine
from ui.components.plot_host import PlotHost
from ui.components.prose import Prose
from ui.components.weights import TwelveWeights
from ui.own.inside import NO_BASE, OwnInside
from ui.own.inside_pictures import PICTURES, look_inside, pictures
from ui.own.scores import LEFT
from ui.sections import INVITE, read_fold
from ui.views import headings
from ui.views.glossary import SECTIONS
from ui.views.job import job_view

OFFER = "Base and experts are read once; from then on this follows the controls without merging."
CHOOSE = "Choose a base and experts."


@dataclass(frozen=True)
class InsideParts:
    """The section's components; ``pictures`` by the names of ``PICTURES``."""

    look: gr.Button
    stop: gr.Button
    job: JobLine
    pictures: Mapping[str, Any]
    timer: gr.Timer
    seen: gr.State

    def outputs(self) -> list[Any]:
        """Return what ``inside_shown`` changes."""
        return [
            self.look, self.stop, self.job, self.timer, self.seen, *self.pictures.values(),
        ]  # fmt: skip


def draw_inside() -> InsideParts:
    """Draw the sections, nothing read yet."""
    shown: dict[str, Any] = {}
    with gr.Column(elem_classes="me-section", elem_id="section-own-inside"):
        gr.HTML(f"<h2>{headings.SECTIONS['conflict']}</h2>")
        shown["effect"] = Prose(f"<p>{CHOOSE}</p>", elem_id="effect", elem_classes="me-verdict")
        with gr.Row(elem_classes="me-files"):
            look = gr.Button("Look inside", size="sm", interactive=False, elem_id="own-look")
            stop = gr.Button("Stop", size="sm", interactive=False, elem_id="own-look-stop")
        job = JobLine(asdict(job_view(None)), elem_id="own-look-job")
        shown["heatmap"] = ConflictHeatmap(elem_id="heatmap")
        with gr.Column(elem_classes="me-cell", elem_id="opened"):
            shown["cell"] = PlotHost(elem_id="cell")
            shown["twelve"] = TwelveWeights(elem_id="twelve")
            shown["curves"] = PlotHost(elem_id="curves")
        gr.HTML(INVITE, elem_classes="me-invite")
        gr.HTML(read_fold("How to read this", SECTIONS["conflict"]))
        shown["magnitudes"] = PlotHost(elem_id="magnitudes")
        shown["relative"] = PlotHost(elem_id="relative")
        shown["who_agrees"] = PlotHost(elem_id="who-agrees")
        shown["who_won"] = PlotHost(elem_id="who-won")
    return InsideParts(look, stop, job, shown, gr.Timer(0.4, active=False), gr.State(""))


def inside_shown(
    parts: InsideParts,
    inside: OwnInside,
    listing: int,
    recipe: Recipe | None,
    words: Mapping[str, str],
    cell: str,
    owner: str,
) -> dict[Any, Any]:
    """Return what the section shows.

    Args:
        parts: Its components.
        inside: Has the sketches.
        listing: Number of the listing that the names are of.
        recipe: Of the controls, or None where they hold none.
        words: Word for every expert, by id.
        cell: Layer and module of the opened cell, or "".
        owner: The visitor's token.
    """
    job = inside.job(owner)
    live = job is not None and not job.final
    sketch = None if recipe is None else inside.sketch(listing, recipe)
    stale = job is not None and job.status == "done" and sketch is None  # of other models
    ready = recipe is not None and recipe.base is not None and sketch is None
    return {
        parts.look: gr.Button(interactive=ready and not live),
        parts.stop: gr.Button(interactive=live),
        parts.job: asdict(job_view(None if stale else job, left=LEFT)),
        parts.timer: gr.Timer(active=live),
        parts.seen: inside_mark(job),
        **_pictures(parts, sketch, recipe, words, cell),
    }


def inside_mark(job: Snapshot | None) -> str:
    """Return a text that changes with what a reading shows."""
    return "" if job is None else f"{job.id}.{job.version}.{job.elapsed:.0f}"


def _pictures(
    parts: InsideParts,
    sketch: Sketch | None,
    recipe: Recipe | None,
    words: Mapping[str, str],
    cell: str,
) -> dict[Any, Any]:
    values: dict[str, Any] = dict.fromkeys(PICTURES)
    if sketch is None or recipe is None:
        values["effect"] = f"<p>{_waits_for(recipe)}</p>"
    else:
        try:
            values = pictures(look_inside(sketch, recipe, words), cell)
        except MergeError as error:
            values["effect"] = f"<p>{html.escape(str(error))}</p>"
    return {parts.pictures[name]: value for name, value in values.items()}


def _waits_for(recipe: Recipe | None) -> str:
    if recipe is None:
        return CHOOSE
    return OFFER if recipe.base is not None else NO_BASE
