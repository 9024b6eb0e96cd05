"""The results, section by section: a question, a verdict, a picture, its numbers."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from ui.components.heatmap import ConflictHeatmap
from ui.components.kinds import KindChooser
from ui.components.lesson import LessonBar, LessonPlayer
from ui.components.no_experts import NoExperts
from ui.components.plot_host import PlotHost
from ui.components.prose import Effect, Prose
from ui.components.runlist import RunList
from ui.components.still import StillNotes
from ui.components.study import StudyBar
from ui.components.table import PlainTable
from ui.components.weights import TwelveWeights
from ui.components.whatif import WhatIfBar
from ui.views import headings
from ui.views.glossary import SECTIONS, Terms

INVITE = (
    "<p>Open a cell (click it, or Enter on it) to see its tensor: who agrees there, twelve of its "
    "weights on their way through the merge, and how large its changes are.</p>"
)
UNITS = [("Share of the own expert", "share"), ("Accuracy", "accuracy")]


def results_column(shown: dict[str, Any]) -> dict[str, Any]:
    """Draw all sections with their first values; return their components by name."""
    NoExperts(elem_id="no-experts")
    return {
        **_lesson(shown),
        **_scores(shown),
        **_conflict(shown),
        **_sizes(shown),
        **_agreement(shown),
        **_winners(shown),
        **_dialects(shown),
        **_what_if(shown),
        **_parts(shown),
        **_map(shown),
        **_runs(shown),
    }


@contextmanager
def _section(name: str) -> Iterator[None]:
    """A section that can be linked to and left out by its name."""
    with gr.Column(elem_classes="me-section", elem_id=f"section-{name}"):
        gr.HTML(f"<h2>{headings.SECTIONS[name]}</h2>")
        yield
        if name in SECTIONS:
            gr.HTML(read_fold("How to read this", SECTIONS[name]))


def read_fold(title: str, terms: Terms) -> str:
    """Return words and what they mean as a fold, as HTML."""
    rows = (f"<dt>{html.escape(word)}</dt><dd>{html.escape(said)}</dd>" for word, said in terms)
    return f'<details class="me-read"><summary>{title}</summary><dl>{"".join(rows)}</dl></details>'


def _lesson(shown: dict[str, Any]) -> dict[str, Any]:
    """The player of a lesson, above everything else; hidden while no link names one."""
    with gr.Column(elem_classes="me-section", elem_id="section-lesson"):
        player = LessonPlayer(shown["lesson"], "lesson", elem_id="lesson")
        chart = PlotHost(shown["lesson_chart"], "lesson_chart", elem_id="lesson-chart")
        bar = LessonBar(shown["lesson_bar"], "lesson_bar", elem_id="lesson-bar")
    return {"lesson": player, "lesson_chart": chart, "lesson_bar": bar}


def _scores(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("scores"):
        verdict = Prose(shown["verdict"], "verdict", elem_classes="me-verdict", elem_id="verdict")
        units = gr.Radio(UNITS, value="share", label="Scores as", elem_id="units")
        scores = PlotHost(shown["scores"], "scores", elem_id="scores")
        with gr.Row(elem_classes="me-files"):
            save_model = gr.Button("Download the scored model", size="sm", elem_id="save-model")
            file = gr.DownloadButton("File", visible="hidden", elem_id="file-link")
    return {
        "verdict": verdict, "units": units, "scores": scores, "save_model": save_model,
        "file": file,
    }  # fmt: skip


def _conflict(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("conflict"):
        effect = Effect(shown["effect"], "effect", elem_classes="me-verdict", elem_id="effect")
        heatmap = ConflictHeatmap(shown["heatmap"], "heatmap", elem_id="heatmap")
        with gr.Column(elem_classes="me-cell", elem_id="opened"):
            cell = PlotHost(shown["cell"], "cell", elem_id="cell")
            twelve = TwelveWeights(shown["twelve"], "twelve", elem_id="twelve")
            curves = PlotHost(shown["curves"], "curves", elem_id="curves")
        gr.HTML(INVITE, elem_classes="me-invite")
    return {
        "effect": effect, "heatmap": heatmap, "cell": cell, "twelve": twelve, "curves": curves,
    }  # fmt: skip


def _sizes(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("sizes"):
        magnitudes = PlotHost(shown["magnitudes"], "magnitudes", elem_id="magnitudes")
        gr.HTML(f"<h3>{headings.RELATIVE}</h3>")
        relative = PlotHost(shown["relative"], "relative", elem_id="relative")
    return {"magnitudes": magnitudes, "relative": relative}


def _agreement(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("agreement"):
        who_agrees = PlotHost(shown["who_agrees"], "who_agrees", elem_id="who-agrees")
        gr.HTML(f"<h3>{headings.DIRECTIONS}</h3>")
        kind = KindChooser(shown["kind"], "kind", elem_id="kind")
        ranks = PlotHost(shown["ranks"], "ranks", elem_id="ranks")
        overlap = PlotHost(shown["overlap"], "overlap", elem_id="overlap")
    return {"who_agrees": who_agrees, "kind": kind, "ranks": ranks, "overlap": overlap}


def _winners(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("winners"):
        who_won = PlotHost(shown["who_won"], "who_won", elem_id="who-won")
        still = StillNotes(shown["still"], "still", elem_id="still")
    return {"who_won": who_won, "still": still}


def _dialects(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("dialects"):
        dialects = PlainTable(shown["dialects"], "dialects", elem_id="dialects")
    return {"dialects": dialects}


def _what_if(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("whatif"):
        whatif = WhatIfBar(shown["whatif"], "whatif", elem_id="whatif")
        sweep = PlotHost(shown["sweep"], "sweep", elem_id="sweep")
    return {"whatif": whatif, "sweep": sweep}


def _parts(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("parts"):
        parts = WhatIfBar(shown["parts"], "parts", elem_id="parts")
        parts_chart = PlotHost(shown["parts_chart"], "parts_chart", elem_id="parts-chart")
    return {"parts": parts, "parts_chart": parts_chart}


def _map(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("map"):
        bar = StudyBar(shown["map"], "map", elem_id="map")
        landscape = PlotHost(shown["landscape"], "landscape", elem_id="landscape")
        gr.HTML("<h3>Along a straight path</h3>")
        path = StudyBar(shown["path"], "path", elem_id="path")
        straight = PlotHost(shown["straight"], "straight", elem_id="straight")
        gr.HTML("<h3>Inside the region between the experts</h3>")
        hull = StudyBar(shown["hull"], "hull", elem_id="hull")
        region = PlotHost(shown["region"], "region", elem_id="region")
        gr.HTML("<h3>Which changes are alike</h3>")
        clusters = PlotHost(shown["clusters"], "clusters", elem_id="clusters")
    return {
        "map": bar, "landscape": landscape, "path": path, "straight": straight, "hull": hull,
        "region": region, "clusters": clusters,
    }  # fmt: skip


def _runs(shown: dict[str, Any]) -> dict[str, Any]:
    with _section("runs"):
        runs = RunList(shown["runs"], "runs", elem_id="runs")
    return {"runs": runs}
