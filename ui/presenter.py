"""From recipes and runs to the values of the page's components. No Gradio, no state."""

import html
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from merging.evaluation.record import RunRecord
from merging.jobs import Snapshot
from merging.methods.context import Settings
from merging.methods.registry import method
from merging.methods.spec import Source
from merging.recipe import Recipe
from merging.sets import ModelSet, references, sketch
from merging.sketch import Preview
from ui.charts.magnitudes import magnitudes_figure
from ui.charts.scores import scores_figure
from ui.components.heatmap import heatmap_value
from ui.runbook import ListedRun, RunList
from ui.services import Services
from ui.settings import ControlValues
from ui.views.conflict import heatmap_view
from ui.views.magnitudes import expert_names, letters, magnitudes_view
from ui.views.models import JobView, RunRow, ScoresView
from ui.views.scores import scores_view, worst_task
from ui.views.sentences import (
    live_line,
    number,
    settings_line,
    unlike_the_paper,
    weights_sentence,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """Values of all result components."""

    formula: str
    effect: str
    live: str
    verdict: str
    scores: dict[str, Any]
    heatmap: dict[str, Any]
    magnitudes: dict[str, Any]
    runs: dict[str, Any]
    job: dict[str, Any]


class Presenter:
    """Turns numbers of the services into component values."""

    def __init__(self, services: Services) -> None:
        """Use these services."""
        self._services = services
        self._scores = lru_cache(maxsize=256)(self._scores_view)

    def first(self) -> Shown:
        """Return the values of the first paint; the whole first slider is made ready."""
        record = self._services.first()
        listed = self._services.runs.get("", record)
        for shipped in self._services.shipped.values():
            if shipped.recipe.set == record.recipe.set:
                self._scores(shipped.key, listed.pinned, self._pin(listed))
        preview = self._services.preview(record.recipe)
        return Shown(
            formula=self.formula(record.recipe),
            effect=self.effect(record.recipe, preview),
            live=self.live(preview),
            verdict=self.verdict(record, listed),
            scores=self.scores(record, listed),
            heatmap=self.heatmap(preview),
            magnitudes=self.magnitudes(record.recipe, preview),
            runs=self.runs(listed),
            job=self.job(None),
        )

    def set_line(self, opened: ModelSet) -> str:
        """Return what a set is, in one line."""
        card = opened.card
        size = card["parameters"] / 1e6
        return f"{card['summary']} Base and experts: {size:.1f} M weights each, {card['licence']}."

    def formula(self, recipe: Recipe) -> str:
        """Return the formula with the settings that stand in it, as HTML."""
        settings = recipe.settings()
        shown = [
            f"{p.symbol} = {_spread(settings, p.name)}"
            for p in recipe.spec.params
            if p.symbol and not p.advanced
        ]
        values = f"<span>{html.escape(', '.join(shown))}</span>" if shown else ""
        otherwise = [_prose(text) for text in unlike_the_paper(recipe)]
        note = f"<p>Unlike the formula: {'; '.join(otherwise)}.</p>" if otherwise else ""
        return (
            f"<code>{html.escape(recipe.spec.formula)}</code>{values}{note}"
            f"<p>{html.escape(recipe.spec.summary)} {_cited(recipe.spec.source)}</p>"
        )

    def fitted(self, values: ControlValues) -> str:
        """Return which experts are on for a method that takes a certain number."""
        names = expert_names(self._services.sets[values.set].card)
        on = " and ".join(names[e] for e in values.weights if e in values.on)
        label = method(values.method).label
        return f"{label} takes {len(values.on)} of the experts: {on} are on. Choose others above."

    def effect(self, recipe: Recipe, preview: Preview) -> str:
        """Return what a recipe does to the weights, as HTML."""
        return f"<p>{_prose(weights_sentence(recipe, preview))}</p>"

    def live(self, preview: Preview) -> str:
        """Return the same in a few words, for narrow pages where the charts are far away."""
        return f'<p class="me-live">{_prose(live_line(preview))}</p>'

    def verdict(self, record: RunRecord, listed: RunList, stale: bool = False) -> str:
        """Return the verdict on a run, as HTML; stale when the sliders have left it."""
        sentence = _prose(self._scores(record.key, listed.pinned, self._pin(listed)).sentence)
        if not stale:
            return f'<p aria-live="polite">{sentence}</p>'
        name = next((r.name for r in listed.runs if r.key == record.key), "")
        whose = (
            f"are from {name}" if name else f"were measured before: {settings_line(record.recipe)}"
        )
        note = f"These scores {whose}. Press Merge and evaluate to score your settings."
        return f'<p class="me-stale">{sentence}</p><p class="me-note">{_prose(note)}</p>'

    def scores(self, record: RunRecord, listed: RunList, stale: bool = False) -> dict[str, Any]:
        """Return the dot plot of a run."""
        view = self._scores(record.key, listed.pinned, self._pin(listed))
        return scores_figure(replace(view, stale=stale))

    def heatmap(self, preview: Preview) -> dict[str, Any]:
        """Return the conflict heatmap."""
        return heatmap_value(heatmap_view(preview)) | {"stamp": preview.key}

    def magnitudes(self, recipe: Recipe, preview: Preview, moved: bool = False) -> dict[str, Any]:
        """Return the magnitude curves with their cuts; only the cuts when a slider moved them."""
        opened = self._set(recipe)
        names = {e["id"]: e["label"] for e in opened.card["experts"]}
        view = magnitudes_view(sketch(opened.id), preview, names, tuple(opened.experts))
        figure = magnitudes_figure(view)
        unchanged = ("data", "layout", "narrow") if moved else ()
        return {name: value for name, value in figure.items() if name not in unchanged}

    def runs(self, listed: RunList, shown: bool = True) -> dict[str, Any]:
        """Return the run list, newest first; without a shown run when the sliders have left it."""
        rows = [self._row(run, listed, shown) for run in reversed(listed.runs)]
        return {"rows": [asdict(row) for row in rows if row is not None]}

    def job(self, snapshot: Snapshot | None) -> dict[str, Any]:
        """Return the job line."""
        return asdict(job_view(snapshot))

    def _row(self, run: ListedRun, listed: RunList, shown: bool) -> RunRow | None:
        record = self._services.record(run.key)
        if record is None:
            return None
        view = self._scores(run.key, "", "")
        return RunRow(
            key=run.key,
            name=run.name,
            settings=f"{self._set(record.recipe).card['label']} · {settings_line(record.recipe)}",
            mean=view.mean.merged,
            worst=worst_task(view),
            when=run.when,
            pinned=run.key == listed.pinned,
            current=shown and run.key == listed.shown,
        )

    def _pin(self, listed: RunList) -> str:
        return next((run.name for run in listed.runs if run.key == listed.pinned), "")

    def _scores_view(self, key: str, pinned_key: str, pinned_name: str) -> ScoresView:
        record = self._services.record(key)
        assert record is not None
        pinned = self._services.record(pinned_key) if pinned_key else None
        if pinned is not None and pinned.recipe.set != record.recipe.set:
            pinned = None
        opened = self._set(record.recipe)
        return scores_view(
            record,
            pinned,
            references(opened.id),
            {t["id"]: t["label"] for t in opened.card["tasks"]},
            letters(tuple(opened.experts)),
            {e: opened.task_of(e) for e in opened.experts},
            pinned_name,
        )

    def _set(self, recipe: Recipe) -> ModelSet:
        return self._services.sets[recipe.set or ""]


def _prose(text: str) -> str:
    """Return text as HTML, with numbers kept on the line of their unit."""
    return html.escape(text).replace(" %", "&nbsp;%")


def _spread(settings: Settings, name: str) -> str:
    """Return a setting, from the smallest to the largest where experts have their own."""
    values = settings.each.get(name) or (settings.common[name],)
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _cited(source: Source) -> str:
    cited = f"<cite>{html.escape(source.citation)}</cite>"
    if not source.arxiv:
        return cited
    link = f"https://arxiv.org/abs/{html.escape(source.arxiv)}"
    return f'<a href="{link}" target="_blank" rel="noopener">{cited}</a>'


def job_view(snapshot: Snapshot | None) -> JobView:
    """Return what the job line says of a snapshot."""
    if snapshot is None:
        return JobView("idle", "")
    if snapshot.status == "queued":
        return JobView("queued", f"Waiting, place {snapshot.position}", 0.0, snapshot.position)
    if snapshot.status == "running":
        text = f"{snapshot.message.capitalize()} · {snapshot.elapsed:.0f} s"
        return JobView("running", text, snapshot.fraction)
    if snapshot.status == "done":
        return JobView("done", f"Done in {snapshot.elapsed:.1f} s", 1.0)
    return JobView(snapshot.status, snapshot.message, snapshot.fraction)
