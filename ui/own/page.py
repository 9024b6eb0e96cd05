"""The page of own models: what stands where. No handlers."""

from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from ui.components.jobline import JobLine
from ui.components.method_chooser import MethodChooser
from ui.components.notice import Notice
from ui.components.own_fields import OwnFields
from ui.components.own_models import OwnModels
from ui.components.param_panel import ParamPanel
from ui.components.prose import Prose
from ui.own.inside_parts import InsideParts, draw_inside
from ui.own.local import LocalParts, draw_local
from ui.own.scores import ScoreParts, draw_scores
from ui.own.settings import OwnSettings
from ui.own.shelf import Shelf
from ui.own.state import OwnState
from ui.own.views import (
    fields_value,
    job_value,
    missing,
    models_value,
    names_of,
    output_html,
    shelf_words,
)
from ui.page import BROWSER_SECRET, OWNER_KEY
from ui.session import Session
from ui.views.chooser import chooser_value
from ui.views.panel import panel_value

_STATUS = '<div class="me-prose" role="status"></div>'
KEPT_KEY = "merge-explorer-own"
_HEADER = """<h1>Bring your own</h1><p>Check and merge models that lie on this server.</p>
<p class="me-more"><a href=".">Back to Merge explorer</a> · <a href="methods">Method reference</a>
</p>"""


@dataclass(frozen=True)
class OwnPage:
    """Every component that a handler reads or writes."""

    state: gr.State
    owner: gr.BrowserState
    saved: gr.BrowserState
    seen: gr.State
    timer: gr.Timer
    notice: Notice
    shelf: Prose
    again: gr.Button
    columns: gr.Row
    models: OwnModels
    chooser: MethodChooser
    panel: ParamPanel
    fields: OwnFields
    go: gr.Button
    cancel: gr.Button
    job: JobLine
    why: Prose
    open_recipe: gr.UploadButton
    save_recipe: gr.Button
    save_mergekit: gr.Button
    file: gr.DownloadButton
    findings: Prose
    notes: Prose
    output: Prose
    inside: InsideParts
    local: LocalParts
    scoring: ScoreParts

    def forms(self) -> list[Any]:
        """Return the components that together hold the settings."""
        return [self.models, self.panel, self.fields]


def draw_own(shelf: Shelf) -> OwnPage:
    """Draw everything, nothing chosen yet.

    Args:
        shelf: What can be chosen.
    """
    settings = OwnSettings(kinds=shelf.kinds)
    gr.HTML(_HEADER, elem_classes="me-header")
    notice = Notice(elem_id="notice")
    parts: dict[str, Any] = {
        "state": gr.State(Session(OwnState(settings))),  # type: ignore[arg-type]
        "owner": gr.BrowserState(None, storage_key=OWNER_KEY, secret=BROWSER_SECRET),
        "saved": gr.BrowserState("", storage_key=KEPT_KEY, secret=BROWSER_SECRET),
        "seen": gr.State(""),
        "timer": gr.Timer(0.3, active=False),
    }
    with gr.Row(elem_classes="me-own-top"):
        parts["shelf"] = Prose(shelf_words(shelf), elem_id="own-shelf")
        parts["again"] = gr.Button("List again", size="sm", elem_id="own-again")
    with gr.Row(elem_classes="me-columns", visible=shelf.library is not None) as columns:
        with gr.Column(elem_classes="me-recipe", min_width=300, scale=0):
            parts |= _recipe_column(settings)
        with gr.Column(elem_classes="me-results", min_width=300, scale=1):
            parts |= _results_column()
    # Outside the columns: showing those would show it, too.
    file = gr.DownloadButton("File", visible="hidden", elem_id="file-link")
    return OwnPage(notice=notice, columns=columns, file=file, **parts)


def _recipe_column(settings: OwnSettings) -> dict[str, Any]:
    gr.HTML("<h2>1 Which models?</h2>")
    models = OwnModels(models_value(settings), elem_id="own-models")
    gr.HTML("<h2>2 How to merge?</h2>")
    chooser = MethodChooser(chooser_value(settings.values.method, missing()), elem_id="method")
    panel = ParamPanel(panel_value(settings.controls, names_of(settings)), elem_id="panel")
    gr.HTML("<h2>3 What to write?</h2>")
    fields = OwnFields(fields_value(settings), elem_id="own-fields")
    with gr.Row(elem_classes="me-files"):
        open_recipe = gr.UploadButton(
            "Open recipe", file_types=[".yaml", ".yml"], type="binary", size="sm",
            elem_id="own-open",
        )  # fmt: skip
        save_recipe = gr.Button("Save recipe", size="sm", elem_id="own-save")
        save_mergekit = gr.Button("Save for mergekit", size="sm", elem_id="own-save-mergekit")
    with gr.Column(elem_classes="me-actions"):
        with gr.Row(elem_classes="me-go"):
            go = gr.Button("Merge", variant="primary", interactive=False, elem_id="own-go")
            cancel = gr.Button("Cancel", interactive=False, elem_id="own-cancel")
        job = JobLine(asdict(job_value(None)), elem_id="own-job")
        why = Prose("", elem_id="own-why", html_template=_STATUS)
    return {
        "models": models, "chooser": chooser, "panel": panel, "fields": fields, "go": go,
        "cancel": cancel, "job": job, "why": why, "open_recipe": open_recipe,
        "save_recipe": save_recipe, "save_mergekit": save_mergekit,
    }  # fmt: skip


def _results_column() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="me-section", elem_id="section-own-findings"):
        gr.HTML("<h2>Before any work</h2>")
        parts["findings"] = Prose(
            "<p>Choose models: what does not fit, what is lost and what it takes stands here.</p>",
            elem_id="own-findings", elem_classes="me-told",
        )  # fmt: skip
        parts["notes"] = Prose("", elem_id="own-notes", elem_classes="me-told")
    parts["local"] = draw_local()
    parts["inside"] = draw_inside()
    with gr.Column(elem_classes="me-section", elem_id="section-own-merged"):
        gr.HTML("<h2>What was merged</h2>")
        parts["output"] = Prose(output_html(None, ""), elem_id="own-merged", elem_classes="me-told")
    parts["scoring"] = draw_scores()
    return parts
