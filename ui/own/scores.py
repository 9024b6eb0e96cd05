"""The section of own data and changed outputs: drawn, and what it shows."""

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from merging.evaluation.own_data import OwnData
from merging.jobs import Snapshot
from merging.units import size_text
from ui.charts.own_scores import (
    change_figure,
    change_table,
    own_scores_figure,
    own_scores_table,
)
from ui.charts.parts import words_only
from ui.components.jobline import JobLine
from ui.components.plot_host import PlotHost
from ui.components.prose import Prose
from ui.components.table import PlainTable
from ui.own.outputs import Output
from ui.own.scoring import Needs, Result
from ui.sections import read_fold
from ui.views.job import job_view
from ui.views.own_scores import KINDS

LEFT = (0.05, 1.0)  # shares of the work between which the time left is told
ENDINGS = (".csv", ".jsonl", ".txt")
NO_DATA = (
    "<p>No data of your own yet. A CSV or JSONL file with columns text and label, or prompt and "
    "answer, or text alone (for perplexity), up to 5 MB. It is kept for this visit only.</p>"
)
HELP = (
    ("Held back", "half of the rows, by a hash of the text; class means are of the other half"),
    ("Right", "the label by the model's head, else by the nearest class mean of its embeddings"),
    ("Perplexity", "exp of the mean surprise a token; lower is better"),
    ("within noise", "the 95 % interval of the difference, paired by row, holds zero"),
    ("CKA", "1 where two layers tell the same of twelve neutral inputs, up to rotation and scale"),
    ("KL divergence", "how far answers part, both ways, in nats; 0 where they are the same"),
)


@dataclass(frozen=True)
class ScoreParts:
    """The section's components."""

    upload: gr.UploadButton
    forget: gr.Button
    score: gr.Button
    compare: gr.Button
    stop: gr.Button
    data: Prose
    job: JobLine
    chart: PlotHost
    table: PlainTable
    notes: Prose
    timer: gr.Timer
    seen: gr.State

    def outputs(self) -> list[Any]:
        """Return what ``scores_shown`` changes."""
        return [
            self.forget, self.score, self.compare, self.stop, self.data, self.job, self.chart,
            self.table, self.notes, self.timer, self.seen,
        ]  # fmt: skip


def draw_scores() -> ScoreParts:
    """Draw the section, nothing merged yet."""
    with gr.Column(elem_classes="me-section", elem_id="section-own-scores"):
        gr.HTML("<h2>How good is it, and how far did it move?</h2>")
        data = Prose(NO_DATA, elem_id="own-data", elem_classes="me-told")
        with gr.Row(elem_classes="me-files"):
            upload = gr.UploadButton(
                "Open data", file_types=list(ENDINGS), type="filepath", size="sm",
                elem_id="own-data-open",
            )  # fmt: skip
            forget = gr.Button("Forget data", size="sm", interactive=False, elem_id="own-forget")
            score = gr.Button("Score on my data", size="sm", interactive=False, elem_id="own-score")
            compare = gr.Button(
                "Compare outputs", size="sm", interactive=False, elem_id="own-compare"
            )
            stop = gr.Button("Stop", size="sm", interactive=False, elem_id="own-score-stop")
        job = JobLine(asdict(job_view(None)), elem_id="own-score-job")
        chart = PlotHost(words_only("", "own scores"), elem_id="own-scores")
        table = PlainTable(None, elem_id="own-scores-table")
        notes = Prose("", elem_id="own-scores-notes", elem_classes="me-told")
        gr.HTML(read_fold("How to read this", HELP))
    return ScoreParts(
        upload, forget, score, compare, stop, data, job, chart, table, notes,
        gr.Timer(0.4, active=False), gr.State(""),
    )  # fmt: skip


def scores_shown(
    parts: ScoreParts,
    data: OwnData | None,
    output: Output | None,
    needs: Needs,
    job: Snapshot | None,
    result: Result | None,
) -> dict[Any, Any]:
    """Return what the section shows.

    Args:
        parts: Its components.
        data: The visitor's, or None.
        output: What was merged last, or None.
        needs: What scoring it takes.
        job: The newest scoring, or None.
        result: What the last one found, or None.
    """
    live = job is not None and not job.final
    ready = output is not None and not needs.problem and not live
    return {
        parts.forget: gr.Button(interactive=data is not None and not live),
        parts.score: gr.Button(interactive=ready and data is not None and not data.too_few),
        parts.compare: gr.Button(interactive=ready),
        parts.stop: gr.Button(interactive=live),
        parts.data: data_html(data) + needs_html(needs),
        parts.job: asdict(job_view(job, left=LEFT)),
        parts.timer: gr.Timer(active=live),
        parts.seen: mark_of(job, output),
        **_found(parts, result, output),
    }


def mark_of(job: Snapshot | None, output: Output | None) -> str:
    """Return a text that changes with everything that is shown."""
    of = "" if output is None else output.token
    return of if job is None else f"{of} {job.id}.{job.version}.{job.elapsed:.0f}"


def data_html(data: OwnData | None) -> str:
    """Return what is known of the visitor's data."""
    if data is None:
        return NO_DATA
    held = len(data.of("reporting"))
    told = [data.too_few, *data.notes] if data.too_few else data.notes
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in told)
    labels = f" ({len(data.labels)} different ones)" if data.labels else ""
    return (
        f"<p>Your data, {html.escape(data.name)}: {len(data.rows)} {KINDS[data.kind]}{labels}, "
        f"of which {held} are held back for scores.</p>{f'<ul>{notes}</ul>' if notes else ''}"
    )


def needs_html(needs: Needs) -> str:
    """Return what a scoring takes, or why there can be none."""
    if needs.problem:
        return f"<p>{html.escape(needs.problem)}</p>"
    return (
        f"<p>One model at a time is in memory: about {size_text(needs.memory)}. At most "
        f"{needs.rows} rows are scored. Without data, outputs are compared on twelve built-in "
        "neutral inputs.</p>"
    )


def _found(parts: ScoreParts, result: Result | None, output: Output | None) -> dict[Any, Any]:
    blank = {parts.chart: words_only("", "own scores"), parts.table: None, parts.notes: ""}
    if result is None:
        return blank
    old = output is None or output.token != result.token
    stale = [f"These are of {result.name}, which was merged before."] if old else []
    if result.scores is not None:
        notes = [*stale, *result.scores.notes]
        figure, table = own_scores_figure(result.scores), own_scores_table(result.scores)
    elif result.change is not None:
        notes = [*stale, *result.change.notes]
        figure, table = change_figure(result.change), change_table(result.change)
    else:
        return blank
    return {parts.chart: figure, parts.table: table, parts.notes: _list(notes)}


def _list(notes: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(n)}</li>' for n in notes)}</ul>" if notes else ""
