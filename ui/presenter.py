"""From a scene to the values of the page's components. No Gradio, no state."""

import html
import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

from merging.evaluation.record import RunRecord
from merging.jobs import ResultCache, Snapshot
from merging.methods.context import Settings
from merging.methods.registry import method
from merging.methods.spec import Source
from merging.recipe import Recipe
from merging.sets import ModelSet
from ui.charts.scores import scores_figure
from ui.components.linkbar import linkbar_value
from ui.components.runlist import runlist_value
from ui.link import Starts, encode
from ui.runbook import ListedRun
from ui.scene import Scene
from ui.services import Services
from ui.settings import ControlValues
from ui.views.changes import changed_words
from ui.views.compare import MOST, CompareView, compare_view
from ui.views.ended import study_ended
from ui.views.job import job_view as job_line
from ui.views.magnitudes import expert_names, letters
from ui.views.models import JobView, RunRow, ScoresView
from ui.views.scores import scores_view, worst_task
from ui.views.sentences import (
    live_line,
    number,
    settings_line,
    unlike_the_paper,
    weights_sentence,
)

SPACE = "https://huggingface.co/spaces/"
OTHER_UNITS = "This sentence counts in shares of the own expert, the chart in accuracies."


class Presenter:
    """Turns scenes into component values."""

    def __init__(self, services: Services, starts: Starts) -> None:
        """Use these services; links start from there."""
        self._services, self._starts = services, starts
        self.revisions = ResultCache(1024)
        self._scores = lru_cache(maxsize=256)(self._scores_view)
        self._beside = lru_cache(maxsize=64)(self._compared)

    def set_line(self, opened: ModelSet) -> str:
        """Return what a set is, in one line."""
        card = opened.card
        size = card["parameters"] / 1e6
        return f"{card['summary']} Base and experts: {size:.1f} M weights each, {card['licence']}."

    def formula(self, scene: Scene) -> str:
        """Return the formula with the settings that stand in it, as HTML."""
        recipe = scene.recipe
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

    def effect(self, scene: Scene) -> str:
        """Return what a recipe does to the weights, as HTML."""
        return f"<p>{_prose(weights_sentence(scene.recipe, scene.preview))}</p>"

    def live(self, scene: Scene) -> dict[str, str]:
        """Return the recipe and what it does in a few words, for narrow pages."""
        return {"recipe": settings_line(scene.recipe), "figures": live_line(scene.preview)}

    def verdict(self, scene: Scene) -> str:
        """Return the verdict on a run, as HTML; stale when the sliders have left it."""
        record = scene.record
        sentence = _prose(self._view(scene).sentence)
        units = scene.state.view.units
        told = "" if units == "share" else f'<p class="me-note">{OTHER_UNITS}</p>'
        if not scene.stale:
            return f'<p aria-live="polite">{sentence}</p>{told}'
        name = scene.name_of(record.key)
        whose = (
            f"are from {name}" if name else f"were measured before: {settings_line(record.recipe)}"
        )
        note = f"These scores {whose}. Press Merge and evaluate to score your settings."
        return f'<p class="me-stale">{sentence}</p>{told}<p class="me-note">{_prose(note)}</p>'

    def scores(self, scene: Scene) -> dict[str, Any]:
        """Return the dot plot of a run."""
        view = replace(self._view(scene), stale=scene.stale, units=scene.state.view.units)
        return scores_figure(view)

    def link(self, scene: Scene) -> dict[str, Any]:
        """Return the bar with undo, pin and link."""
        state, space = scene.state, os.environ.get("SPACE_ID", "")
        return linkbar_value(
            query=encode(state, self._starts),
            space=SPACE + space if space else "",
            undo=bool(state.past),
            redo=bool(state.future),
            pinned=self._pinned(scene),
            same=scene.same,
            hide=state.hide,
            asks={
                "scored": scene.record.key,
                "owner": scene.owner,
                "rows": list(self._services.rows),
                "step": state.step,
            },
        )

    def runs(self, scene: Scene) -> dict[str, Any]:
        """Return the run list, newest first, and the chosen ones side by side."""
        rows = [self._row(run, scene) for run in reversed(scene.listed.runs)]
        chosen = (scene.listed.find(key) for key in scene.state.compared)
        runs = tuple(run for run in chosen if run is not None)[:MOST]
        return runlist_value(rows, self._beside(runs) if runs else None)

    def job(self, snapshot: Snapshot | None) -> dict[str, Any]:
        """Return the job line."""
        return asdict(job_view(snapshot))

    def known(self) -> dict[str, Any]:
        """Return what the job line says where there is nothing to do."""
        return asdict(JobView("done", "These settings were scored before", 1.0))

    def _row(self, run: ListedRun, scene: Scene) -> RunRow:
        recipe, state = run.record.recipe, scene.state
        view = self._scores(run.record, None, "")
        parent = scene.listed.find(run.parent)
        changed = ""
        if parent is not None:
            before = parent.record.recipe
            names = self.expert_names({before.set or "", recipe.set or ""})
            changed = f"from {parent.name}: {changed_words(before, recipe, names)}"
        return RunRow(
            key=run.key,
            name=run.name,
            settings=f"{self._set(recipe).card['label']} · {settings_line(recipe)}",
            changed=changed,
            mean=view.mean.merged,
            worst=worst_task(view),
            when=run.when,
            pinned=state.pinned is not None and run.key == state.pinned.key(),
            current=not scene.stale and run.key == scene.record.key,
            compared=run.key in state.compared,
        )

    def _compared(self, runs: tuple[ListedRun, ...]) -> CompareView:
        sets = {run.record.recipe.set or "" for run in runs}
        tasks = {t["id"]: t["label"] for s in sets for t in self._services.sets[s].card["tasks"]}
        references = {s: self._services.references(s) for s in sets}
        return compare_view(runs, references, tasks, self.expert_names(sets))

    def expert_names(self, sets: Iterable[str]) -> dict[str, str]:
        """Return letter and word of every expert of some sets, by id."""
        cards = [self._services.sets[name].card for name in sorted(sets)]
        return {e: name for card in cards for e, name in expert_names(card).items()}

    def _pinned(self, scene: Scene) -> str:
        """Return the pinned recipe in words, with its set where that is another one."""
        pinned = scene.state.pinned
        if pinned is None:
            return ""
        line = settings_line(pinned)
        if scene.pinned is not None:
            return line
        return f"of the set {self._set(pinned).card['label']}, not compared here: {line}"

    def _view(self, scene: Scene) -> ScoresView:
        pinned = scene.pinned_record
        name = scene.name_of(pinned.key) if pinned else ""
        return self._scores(scene.record, pinned, name or "your pinned settings")

    def _scores_view(
        self, record: RunRecord, pinned: RunRecord | None, pinned_name: str
    ) -> ScoresView:
        opened = self._set(record.recipe)
        return scores_view(
            record,
            pinned,
            self._services.references(opened.id),
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
    """Return what the job line of the first page says: of a study, how it ended."""
    if snapshot is None or snapshot.status != "done":
        return job_line(snapshot)
    if said := study_ended(snapshot.result):
        state = "cancelled" if snapshot.result.ended == "cancelled" else "done"
        return JobView(state, said, 1.0)
    if getattr(snapshot.result, "ended", "") == "cancelled":
        return JobView("cancelled", "Stopped. What was found is kept.", 1.0)
    return job_line(snapshot)
