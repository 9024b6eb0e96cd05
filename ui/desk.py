"""The handlers behind the page: parse what came, ask a service, return what to show."""

import functools
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError, RecipeError
from merging.evaluation.record import RunRecord
from merging.jobs import Snapshot
from merging.methods.registry import method
from merging.recipe import Recipe, parse_recipe, write_recipe
from ui.page import Page
from ui.presenter import Presenter
from ui.runbook import RunList
from ui.services import Services
from ui.settings import (
    ControlValues,
    default_values,
    fitted,
    from_recipe,
    preset,
    to_recipe,
)
from ui.views.magnitudes import expert_names
from ui.views.panel import panel_value

log = logging.getLogger(__name__)

OWNER = re.compile(r"[A-Za-z0-9_-]{20,64}")
APOLOGY = "Something broke on our side. Nothing was lost; the log has the details."
MOST_SEED = 10_000
CANCEL_SECONDS = 0.5

Updates = dict[Any, Any]
Handler = Callable[..., Updates]


def told(
    notice: Any, handler: Handler, on_error: Updates | None = None, clear: bool = True
) -> Handler:
    """Turn whatever a handler raises into the notice line; a success clears the line."""
    quiet = {notice: "" if clear else gr.skip()}

    @functools.wraps(handler)
    def safe(*values: Any) -> Updates:
        try:
            return {**quiet, **handler(*values)}
        except MergeError as error:
            return {notice: str(error), **(on_error or {})}
        except Exception:
            log.exception("handler %s failed", handler.__name__)
            return {notice: APOLOGY, **(on_error or {})}

    return safe


class Desk:
    """Handlers as methods. Each takes the values of its inputs and returns updates."""

    def __init__(self, page: Page, services: Services, presenter: Presenter) -> None:
        """Work on a page with these services."""
        self._page, self._services, self._show = page, services, presenter

    def tick(self, owner: Any, scored: Any, *values: Any) -> Updates:
        """A slider moved: show what the new recipe does to the weights."""
        return self._preview(owner, scored, self._recipe(values), moved=True)

    def switch(self, owner: Any, scored: Any, *values: Any) -> Updates:
        """An expert was switched on or off: other curves, and other values of its own."""
        read = replace(self._values(values), before=frozenset())
        updates = self._preview(owner, scored, to_recipe(read))
        return updates | {self._page.controls.panel: self._panel(read)}

    def choose_set(self, owner: Any, scored: Any, *values: Any) -> Updates:
        """Another set was chosen; the settings stay."""
        read = fitted(self._values(values))
        opened = self._services.sets[read.set]
        line = {self._page.controls.set: gr.Radio(value=read.set, info=self._show.set_line(opened))}
        return self._write(read) | line | self._preview(owner, scored, to_recipe(read))

    def choose_method(self, event: gr.EventData, owner: Any, scored: Any, *values: Any) -> Updates:
        """Another method was chosen: show its controls only."""
        spec = method(str(_sent(event, "method")))
        read = fitted(replace(self._values(values), method=spec.id))
        told = {self._page.notice: self._show.fitted(read)} if read.before else {}
        return self._write(read) | self._preview(owner, scored, to_recipe(read)) | told

    def choose_dialect(self, event: gr.EventData, owner: Any, scored: Any, *values: Any) -> Updates:
        """A preset was chosen: its values go into the method's controls."""
        read = self._values(values)
        read = read.having(preset(method(read.method), str(_sent(event, "dialect"))))
        updates = self._preview(owner, scored, to_recipe(read))
        return updates | {self._page.controls.panel: self._panel(read)}

    def new_draw(self, owner: Any, scored: Any, *values: Any) -> Updates:
        """Take another seed."""
        read = replace(self._values(values), seed=secrets.randbelow(MOST_SEED))
        seed = {self._page.controls.seed: read.seed}
        return seed | self._preview(owner, scored, to_recipe(read))

    def start(self, owner: Any, scored: Any, *values: Any) -> Updates:
        """Merge and evaluate, or show the result at once if somebody already has."""
        recipe = self._recipe(values)
        token = _token(owner)
        self._services.check(recipe)
        if self._services.record(recipe.key()) is not None and not self._live(token):
            return self._finished(token, recipe.key(), values) | {self._page.owner: token}
        snapshot = self._services.start(token, recipe)
        return self._job(snapshot) | {self._page.owner: token}

    def poll(self, owner: Any, seen: Any, *values: Any) -> Updates:
        """Look after the visitor's job; nothing is sent when nothing changed."""
        snapshot = self._services.jobs.latest(_token(owner))
        if snapshot is None:
            return {self._page.timer: gr.Timer(active=False)}
        if snapshot.version == seen and not snapshot.final:
            return {}
        updates = self._job(snapshot)
        if snapshot.status == "done":
            updates |= self._finished(_token(owner), snapshot.key, values)
        return updates

    def cancel(self, owner: Any) -> Updates:
        """Ask the visitor's job to stop."""
        self._services.jobs.cancel(_token(owner))
        snapshot = self._services.jobs.wait(_token(owner), CANCEL_SECONDS)
        return self._job(snapshot) if snapshot else {}

    def restore(self, owner: Any) -> Updates:
        """The page was opened: find the visitor's runs and job again."""
        known = isinstance(owner, str) and OWNER.fullmatch(owner) is not None
        if not known:
            return {self._page.owner: _token(None)}
        listed = self._listed(owner)
        record = self._shown(listed)
        snapshot = self._services.jobs.latest(owner)
        updates = self._run_updates(record, listed, stale=False)
        recipe = record.recipe
        if snapshot is not None and not snapshot.final:
            updates |= self._job(snapshot)
            recipe = self._services.recipe_of(snapshot.key) or recipe
        if recipe.key() == self._services.first().key:
            return updates
        updates |= self._controls_for(recipe)
        return updates | self._preview(owner, (record.key, False), recipe)

    def touch_run(self, owner: Any, scored: Any, event: gr.EventData) -> Updates:
        """A run of the list was asked for, or pinned."""
        token, key = _token(owner), str(_sent(event, "key"))
        listed = self._listed(token)
        record = self._services.record(key)
        if key not in {run.key for run in listed.runs} or record is None:
            raise MergeError("This run was forgotten by the server. Merge it again.")
        first = self._services.first()
        if _sent(event, "action") == "pin":
            listed = self._services.runs.pin(token, key, first)
            beside = self._services.record(str(scored[0])) or first
            return self._run_updates(beside, listed, bool(scored[1]))
        listed = self._services.runs.show(token, key, first)
        updates = self._run_updates(record, listed, stale=False)
        updates |= self._controls_for(record.recipe)
        return updates | self._preview(token, (key, False), record.recipe)

    def open_recipe(self, owner: Any, scored: Any, content: Any) -> Updates:
        """A recipe file was handed in."""
        if not isinstance(content, bytes):
            raise RecipeError("No file arrived. Try again.")
        try:
            recipe = parse_recipe(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RecipeError("The file is not text. Open a recipe in YAML.") from error
        self._services.check(recipe)
        recipe = self._services.sets[recipe.set or ""].in_own_type(recipe)
        updates = self._controls_for(recipe)
        return updates | self._preview(owner, scored, recipe)

    def save_recipe(self, owner: Any, scored: Any, *values: Any) -> Updates:
        """Hand out the recipe as YAML."""
        recipe = self._recipe(values)
        settings = recipe.settings()
        active = {p.name: settings.common[p.name] for p in recipe.spec.active(settings)}
        written_out = recipe.patched(params=active)
        path = self._services.recipe_file(recipe.key(), write_recipe(written_out))
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def save_model(self, owner: Any, scored: Any) -> Updates:
        """Hand out the merged model of the scored run."""
        path = self._services.model_file(str(scored[0]))
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def _values(self, values: Sequence[Any]) -> ControlValues:
        return self._page.controls.read(values, self._services.sets)

    def _recipe(self, values: Sequence[Any]) -> Recipe:
        return to_recipe(self._values(values))

    def _preview(self, owner: Any, scored: Any, recipe: Recipe, moved: bool = False) -> Updates:
        page, show = self._page, self._show
        preview = self._services.preview(recipe)
        updates = {
            page.formula: show.formula(recipe),
            page.effect: show.effect(recipe, preview),
            page.live: show.live(preview),
            page.heatmap: show.heatmap(preview),
            page.magnitudes: show.magnitudes(recipe, preview, moved),
        }
        record, stale = self._scored(recipe, scored)
        if (record.key, stale) == tuple(scored):
            return updates
        listed = self._listed(_token(owner))
        if _is_shown(listed, record.key, stale) != _is_shown(listed, *scored):
            updates[page.runs] = show.runs(listed, _is_shown(listed, record.key, stale))
        return updates | {
            page.verdict: show.verdict(record, listed, stale),
            page.scores: show.scores(record, listed, stale),
            page.scored: (record.key, stale),
        }

    def _scored(self, recipe: Recipe, scored: Any) -> tuple[RunRecord, bool]:
        """Which run's scores stand beside a recipe, and whether they are of other settings."""
        found = self._services.record(recipe.key())
        if found is not None:
            return found, False
        last = self._services.record(str(scored[0]))
        if last is None or last.recipe.set != recipe.set:
            last = self._services.first(recipe.set)
        return last, True

    def _controls_for(self, recipe: Recipe) -> Updates:
        opened = self._services.sets[recipe.set or ""]
        return self._write(from_recipe(recipe, default_values(opened.id, tuple(opened.experts))))

    def _write(self, values: ControlValues) -> Updates:
        opened = self._services.sets[values.set]
        missing = self._services.missing(values.set)
        return self._page.controls.write(values, opened, missing)

    def _panel(self, values: ControlValues) -> dict[str, Any]:
        return panel_value(values, expert_names(self._services.sets[values.set].card))

    def _finished(self, token: str, key: str, values: Sequence[Any]) -> Updates:
        listed = self._services.runs.add(token, key, self._services.first())
        record = self._shown(listed)
        try:
            stale = self._recipe(values).key() != record.key
        except MergeError:
            stale = True
        return self._run_updates(record, listed, stale)

    def _run_updates(self, record: RunRecord, listed: RunList, stale: bool) -> Updates:
        page, show = self._page, self._show
        return {
            page.verdict: show.verdict(record, listed, stale),
            page.scores: show.scores(record, listed, stale),
            page.runs: show.runs(listed, _is_shown(listed, record.key, stale)),
            page.scored: (record.key, stale),
        }

    def _job(self, snapshot: Snapshot) -> Updates:
        page, live = self._page, not snapshot.final
        return {
            page.job: self._show.job(snapshot),
            page.seen: snapshot.version,
            page.timer: gr.Timer(active=live),
            page.go: gr.Button(interactive=not live),
            page.cancel: gr.Button(interactive=live),
        }

    def _live(self, token: str) -> bool:
        snapshot = self._services.jobs.latest(token)
        return snapshot is not None and not snapshot.final

    def _listed(self, token: str) -> RunList:
        return self._services.runs.get(token, self._services.first())

    def _shown(self, listed: RunList) -> RunRecord:
        return self._services.record(listed.shown) or self._services.first()


def _is_shown(listed: RunList, key: str, stale: bool) -> bool:
    """Whether the scores on the page are those of the run that the list calls shown."""
    return key == listed.shown and not stale


def _sent(event: gr.EventData, name: str) -> object:
    """Return one entry of what a component sent with its event, or None."""
    return event._data.get(name) if isinstance(event._data, dict) else None


def _token(owner: Any) -> str:
    """Return the visitor's token, or a new one when what came is not one of ours."""
    if isinstance(owner, str) and OWNER.fullmatch(owner):
        return owner
    return secrets.token_urlsafe(24)
