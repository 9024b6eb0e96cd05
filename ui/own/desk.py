"""The handlers behind the page of own models: parse what came, return what to show."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.jobs import Snapshot
from merging.methods.registry import method
from ui.desk import Updates, sent
from ui.own.downloads import address
from ui.own.files import mergekit_text, opened, own_text
from ui.own.inside_parts import inside_shown
from ui.own.local import local_edited, local_shown
from ui.own.page import OwnPage
from ui.own.reading import LONGEST_NAME, read_forms
from ui.own.scores import scores_shown
from ui.own.services import OwnServices
from ui.own.settings import OwnSettings, from_recipe, renamed, to_recipe, to_task
from ui.own.state import OwnState
from ui.own.status import Status, status_of
from ui.own.views import (
    fields_value,
    job_value,
    missing,
    models_value,
    names_of,
    notes_html,
    output_html,
    ready_html,
    shelf_words,
)
from ui.scene import token_of
from ui.settings import preset
from ui.views.chooser import chooser_value
from ui.views.panel import panel_value

CANCEL_SECONDS = 0.5
TextFile = Callable[[str, str], Path]


class OwnDesk:
    """Handlers as methods. Each takes the state, the owner and its inputs, and returns updates."""

    def __init__(self, page: OwnPage, services: OwnServices, text_file: TextFile) -> None:
        """Work on a page with these services; ``text_file`` writes a text for download."""
        self.page, self.services, self._text_file = page, services, text_file

    def touch(self, state: OwnState, owner: Any, *forms: Any) -> Updates:
        """A form was edited and has come to rest."""
        return self.changed(state, self.read(state, forms), owner)

    def choose_method(
        self, event: gr.EventData, state: OwnState, owner: Any, *forms: Any
    ) -> Updates:
        """Another method was chosen: show its controls only."""
        spec, settings = method(str(sent(event, "method"))), self.read(state, forms)
        values = replace(settings.values, method=spec.id)
        settings = replace(settings, values=values)
        return self.changed(state, settings, owner) | self.written(settings)

    def choose_dialect(
        self, event: gr.EventData, state: OwnState, owner: Any, *forms: Any
    ) -> Updates:
        """A preset was chosen: its values go into the method's controls."""
        settings = self.read(state, forms)
        chosen = preset(method(settings.values.method), str(sent(event, "dialect")))
        settings = replace(settings, values=settings.values.having(chosen))
        return self.changed(state, settings, owner) | {self.page.panel: _panel(settings)}

    def edit_local(self, event: gr.EventData, state: OwnState, owner: Any, *forms: Any) -> Updates:
        """Something was done in the table of values by layer and module."""
        settings = self.read(state, forms)
        if sent(event, "action") == "target":
            looked = str(sent(event, "target"))[:LONGEST_NAME]
            return self.changed(replace(state, looked=looked), settings, owner)
        names = ("action", "preset", "row", "column", "value")
        edit = {name: sent(event, name) for name in names}
        after = local_edited(self.services, settings, state.looked, edit)
        return self.changed(state, after, owner) | {self.page.models: models_value(after)}

    def list_again(self, state: OwnState, owner: Any, *forms: Any) -> Updates:
        """Look at the folder of models anew; what is no longer there is taken off the list."""
        before = self.read(state, forms)
        kinds = self.services.list_again().kinds
        rows = tuple(
            replace(row, over=row.over if row.over in kinds else "")
            for row in before.rows
            if row.name in kinds
        )
        base = before.base if kinds.get(before.base) == "model" else ""
        settings = replace(before, base=base, rows=rows, kinds=kinds)
        gone = [n for n in (before.base, *(r.name for r in before.rows)) if n and n not in kinds]
        said = {self.page.notice: f"No longer there: {', '.join(gone)}."} if gone else {}
        found = self.changed(state, settings, owner) | self.written(settings)
        return found | self._shelf() | said

    def open_recipe(self, state: OwnState, owner: Any, content: Any) -> Updates:
        """A recipe file was handed in."""
        recipe, notes, format = opened(content)
        shelf = self.services.shelf
        shelf.reach(recipe)
        before = replace(state.settings, kinds=shelf.kinds)
        settings = from_recipe(renamed(recipe, shelf.kinds), before)
        after = replace(state, opened=format, notes=notes)
        found = self.changed(after, settings, owner) | self.written(settings)
        return found | {self.page.notes: notes_html(format, notes)}

    def save_recipe(self, state: OwnState, *forms: Any) -> Updates:
        """Hand out the recipe of the controls as YAML of ours."""
        task = to_task(self.read(state, forms))
        path = self._text_file(f"recipe-{task.recipe.key()}.yaml", own_text(task.recipe))
        return {self.page.file: gr.DownloadButton(value=str(path))}

    def save_mergekit(self, state: OwnState, *forms: Any) -> Updates:
        """Hand out the recipe of the controls as YAML of mergekit's."""
        task = to_task(self.read(state, forms))
        path = self._text_file(f"mergekit-{task.recipe.key()}.yaml", mergekit_text(task))
        return {self.page.file: gr.DownloadButton(value=str(path))}

    def start(self, state: OwnState, owner: Any, *forms: Any) -> Updates:
        """Merge what the controls ask for, where nothing blocks it.

        Who presses before the check has ended is not held up: the merge begins with it.
        """
        settings, token = self.read(state, forms), token_of(owner)
        task = to_task(settings)
        status = status_of(self.services, token, settings)
        if not status.pressable:
            raise MergeError(status.text)
        self.services.start(token, task)
        return self.changed(state, settings, token)

    def cancel(self, state: OwnState, owner: Any) -> Updates:
        """Ask the visitor's merge to stop."""
        self.services.cancel(token_of(owner), CANCEL_SECONDS)
        return self.shown(state, token_of(owner))

    def poll(self, state: OwnState, owner: Any, seen: Any) -> Updates:
        """Look after check and merge; nothing is sent when nothing changed."""
        found = self.shown(state, token_of(owner))
        return {} if found[self.page.seen] == seen else found

    def restore(self, state: OwnState, owner: Any, saved: Any) -> Updates:
        """The page was opened: bring back the visitor's last recipe and job."""
        token, shelf = token_of(owner), self.services.shelf
        settings, said = replace(state.settings, kinds=shelf.kinds), ""
        if isinstance(saved, str) and saved:
            try:
                recipe, _, _ = opened(saved.encode("utf-8", "replace"))
                shelf.reach(recipe)
                settings = from_recipe(recipe, settings)
            except MergeError as error:
                said = f"What this browser kept cannot be shown. {error}"
        found = self.changed(state, settings, token) | self._shelf()
        if settings != state.settings:  # else the forms stand as drawn, and may be in use already
            found |= self.written(settings)
        return found | ({self.page.notice: said} if said else {})

    def read(self, state: OwnState, forms: tuple[Any, ...]) -> OwnSettings:
        """Return what the forms hold.

        Raises:
            MergeError: They are not ours, or name something that is not listed.
        """
        return read_forms(state.settings, self.services.shelf.kinds, *forms)

    def changed(self, state: OwnState, settings: OwnSettings, owner: Any) -> Updates:
        """Return the new state and all that follows from it, forms that others draw left out."""
        before, token = state.settings, token_of(owner)
        found = {self.page.state: replace(state, settings=settings), self.page.owner: token}
        if _panel(settings)["experts"] != _panel(before)["experts"]:
            found[self.page.panel] = _panel(settings)
        if fields_value(settings)["fields"] != fields_value(before)["fields"]:
            found[self.page.fields] = fields_value(settings)
        found |= local_shown(self.page.local, self.services, settings, state.looked)
        after = found[self.page.state]
        found |= self.shown(after, token) | self.weighed(after, token)
        return found | self._kept(settings)

    def written(self, settings: OwnSettings) -> Updates:
        """Return updates that make all forms show these settings."""
        return {
            self.page.models: models_value(settings),
            self.page.chooser: chooser_value(settings.values.method, missing()),
            self.page.panel: _panel(settings),
            self.page.fields: fields_value(settings),
        }

    def shown(self, state: OwnState, owner: str) -> Updates:
        """Return what the page says of the check, the merge, its result and its scores."""
        page, job = self.page, self.services.job(owner)
        status = status_of(self.services, owner, state.settings)
        live = job is not None and not job.final
        output = self.services.output(owner)
        return {
            page.findings: status.table,
            page.why: status.line or ready_html(status.found, output is not None),
            page.go: gr.Button(status.button, interactive=status.pressable and not live),
            page.cancel: gr.Button(interactive=live),
            page.job: asdict(job_value(job)),
            page.output: output_html(
                output, address(output) if output else "", _key(state.settings)
            ),
            page.timer: gr.Timer(active=live or status.waiting),
            page.seen: _mark(status, job),
            **self.scored(state, owner),
        }

    def scored(self, state: OwnState, owner: str) -> Updates:
        """Return what the page says of own data and scores."""
        scoring, output = self.services.scoring, self.services.output(owner)
        return scores_shown(
            self.page.scoring,
            state.data,
            output,
            scoring.needs(output, self.services.shelf),
            scoring.job(owner),
            scoring.result(owner),
        )

    def weighed(self, state: OwnState, owner: str) -> Updates:
        """Return what the page says of the weights."""
        services, settings = self.services, state.settings
        try:
            recipe = to_recipe(settings)
        except MergeError:
            recipe = None
        return inside_shown(
            self.page.inside,
            services.inside,
            services.listing,
            recipe,
            names_of(settings),
            state.cell,
            owner,
        )

    def _kept(self, settings: OwnSettings) -> Updates:
        try:
            return {self.page.saved: own_text(to_task(settings).recipe)}
        except MergeError:
            return {}

    def _shelf(self) -> Updates:
        shelf = self.services.shelf
        there = shelf.library is not None
        return {self.page.shelf: shelf_words(shelf), self.page.columns: gr.Row(visible=there)}


def _key(settings: OwnSettings) -> str:
    try:
        return to_recipe(settings).key()
    except MergeError:
        return ""


def _panel(settings: OwnSettings) -> dict[str, Any]:
    return panel_value(settings.controls, names_of(settings))


def _mark(status: Status, job: Snapshot | None) -> str:
    """Text that changes with everything that is shown of check and merge."""
    return f"{status.mark} {job.id}.{job.version}.{job.elapsed:.0f}" if job else status.mark
