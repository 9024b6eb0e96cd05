"""The handlers behind jobs, runs and files; those of the controls are in ``ui.desk``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError, RecipeError
from merging.evaluation.record import RunRecord
from merging.jobs import Snapshot
from merging.recipe import Recipe, parse_recipe, write_recipe
from ui.desk import Desk, Updates, sent
from ui.link import decode
from ui.panels import values as panel_values
from ui.runbook import RunList, check_name, now
from ui.saved import read_runs, write_runs
from ui.scene import starts, token_of
from ui.settings import to_recipe
from ui.state import AppState
from ui.views.compare import MOST

CANCEL_SECONDS = 0.5
FORGOTTEN = "This run was forgotten by the server. Merge it again."


class RunsDesk:
    """Handlers as methods, beside those of a ``Desk`` whose page and services they share."""

    def __init__(self, desk: Desk, today: Callable[[], str] = now) -> None:
        """Work beside a desk; ``today`` tells date and time in words."""
        self._desk, self._today = desk, today
        self._page, self._services, self._show = desk.page, desk.services, desk.show

    def start(self, state: AppState, owner: Any, *values: Any) -> Updates:
        """Merge and evaluate, or show the result at once if somebody already has."""
        desk, token = self._desk, token_of(owner)
        after = state.patch(desk.read(values))
        recipe = after.recipe()
        self._services.check(recipe)
        known = self._services.record(recipe.key())
        mine = {self._page.owner: token}
        if known is not None and not self._busy(token):
            return self._listed(after, token, known) | mine
        snapshot = self._services.start(token, recipe)
        return {self._page.state: after, **mine, **self._job(snapshot)}

    def poll(self, state: AppState, owner: Any, seen: Any) -> Updates:
        """Look after the visitor's job; nothing is sent when nothing changed."""
        snapshot = self._services.jobs.latest(token_of(owner))
        if snapshot is None:
            return {self._page.timer: gr.Timer(active=False)}
        if snapshot.version == seen and not snapshot.final:
            return {}
        record = self._services.record(snapshot.key) if snapshot.status == "done" else None
        if record is None:
            return self._job(snapshot)
        return self._listed(state, token_of(owner), record) | self._job(snapshot)

    def cancel(self, owner: Any) -> Updates:
        """Ask the visitor's job to stop."""
        self._services.jobs.cancel(token_of(owner))
        snapshot = self._services.jobs.wait(token_of(owner), CANCEL_SECONDS)
        return self._job(snapshot) if snapshot else {}

    def restore(self, request: gr.Request, owner: Any, saved: Any) -> Updates:
        """The page was opened: read its link, find the visitor's runs and job again."""
        desk, services = self._desk, self._services
        token = token_of(owner)
        problems = self._bring_back(token, saved)
        state, unread = decode(str(request.query_params), starts(services))
        notices = [*problems, *(["Not all of the link could be used:"] if unread else []), *unread]
        state = replace(state, scored=state.recipe().key())
        try:
            scene = desk.scene(state, token)
        except MergeError as error:
            notices.append(str(error))
            state, _ = decode("", starts(services))
            scene = desk.scene(state, token)
        state = replace(state, scored=scene.record.key)
        updates: Updates = {self._page.state: state, self._page.owner: token}
        if notices:
            updates[self._page.notice] = " ".join(notices)
        updates |= desk.placed(panel_values(self._show, scene, None, settled=True))
        updates |= desk.write(state.values) | {self._page.units: state.view.units}
        snapshot = services.jobs.latest(token)
        if snapshot is not None and not snapshot.final:
            updates |= self._job(snapshot)
        return updates

    def touch(self, event: gr.EventData, state: AppState, owner: Any, *values: Any) -> Updates:
        """Something was done with the runs of the list; only an export leaves a file."""
        return {self._page.file: None, **self._touched(event, state, owner, *values)}

    def _touched(self, event: gr.EventData, state: AppState, owner: Any, *values: Any) -> Updates:
        desk, token, action = self._desk, token_of(owner), sent(event, "action")
        before, state = state, self._desk.caught_up(state, values)
        listed = self._services.runs.get(token, self._services.first())
        if action == "compare":
            keys = _words(sent(event, "keys"))
            return desk.change(before, token, replace(state, compared=keys[:MOST]))
        if action == "import":
            return self._imported(state, token, listed, sent(event, "text"))
        if action == "export":
            path = self._services.text_file(f"runs-{token[:8]}.json", write_runs(listed))
            return {self._page.file: gr.DownloadButton(value=str(path))}
        run = listed.find(str(sent(event, "key")))
        if run is None:
            raise MergeError(FORGOTTEN)
        if action == "pin":
            pinned = state.pinned is not None and state.pinned.key() == run.key
            after = state.pin(None if pinned else run.record.recipe)
            return desk.change(before, token, after, settled=True)
        if action == "show":
            return self.restored(state, token, run.record.recipe)
        if action == "rename":
            return self._kept(
                state, token, listed.renamed(run.key, check_name(sent(event, "name")))
            )
        if action == "delete":
            return self._kept(state, token, listed.without(run.key))
        raise MergeError("The page asked for something unknown. Reload the page.")

    def open_recipe(self, state: AppState, owner: Any, content: Any) -> Updates:
        """A recipe file was handed in."""
        if not isinstance(content, bytes):
            raise RecipeError("No file arrived. Try again.")
        try:
            recipe = parse_recipe(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RecipeError("The file is not text. Open a recipe in YAML.") from error
        self._services.check(recipe)
        recipe = self._services.sets[recipe.set or ""].in_own_type(recipe)
        return self.restored(state, owner, recipe)

    def save_recipe(self, *values: Any) -> Updates:
        """Hand out the recipe of the controls as YAML."""
        recipe = to_recipe(self._desk.read(values))
        settings = recipe.settings()
        active = {p.name: settings.common[p.name] for p in recipe.spec.active(settings)}
        text = write_recipe(recipe.patched(params=active))
        path = self._services.text_file(f"recipe-{recipe.key()}.yaml", text)
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def save_model(self, state: AppState, owner: Any, *values: Any) -> Updates:
        """Hand out the merged model of the scored run."""
        record = self._desk.scene(self._desk.caught_up(state, values), owner).record
        path = self._services.model_file(record.recipe)
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def restored(self, state: AppState, owner: Any, recipe: Recipe) -> Updates:
        """Put a recipe into the controls and show it."""
        experts = tuple(self._services.sets[recipe.set or ""].experts)
        after = state.restore(recipe, experts)
        return self._desk.change(state, owner, after, settled=True) | self._desk.write(after.values)

    def _bring_back(self, token: str, saved: Any) -> list[str]:
        """Take over the runs that the browser kept, where this server does not know them."""
        if self._services.runs.knows(token) or not saved:
            return []
        try:
            listed, problems = read_runs(saved, self._services.items)
        except MergeError as error:
            return [f"The runs that this browser kept cannot be read. {error}"]
        if listed.runs:
            self._services.runs.put(token, listed)
        return list(problems)

    def _imported(self, state: AppState, token: str, listed: RunList, text: Any) -> Updates:
        found, problems = read_runs(text, self._services.items)
        updates = self._kept(state, token, listed.joined(found.runs))
        return updates | ({self._page.notice: " ".join(problems)} if problems else {})

    def _listed(self, state: AppState, token: str, record: RunRecord) -> Updates:
        """Put a finished run on the list and show it."""
        listed = self._services.runs.get(token, self._services.first())
        listed = listed.with_run(record, self._today(), state.scored)
        return self._kept(state, token, listed, record.key)

    def _kept(self, state: AppState, token: str, listed: RunList, scored: str = "") -> Updates:
        """Keep a changed list here and in the browser, and show it."""
        self._services.runs.put(token, listed)
        after = replace(state, scored=scored or state.scored)
        scene = self._desk.scene(after, token)
        after = replace(after, scored=scene.record.key)
        names = ("verdict", "scores", "runs", "link")
        found = panel_values(self._show, scene, None)
        shown = {name: value for name, value in found.items() if name in names}
        saved = {self._page.saved: write_runs(listed)}
        return {self._page.state: after, **saved, **self._desk.placed(shown)}

    def _job(self, snapshot: Snapshot) -> Updates:
        page, live = self._page, not snapshot.final
        return {
            page.job: self._show.job(snapshot),
            page.seen: snapshot.version,
            page.timer: gr.Timer(active=live),
            page.go: gr.Button(interactive=not live),
            page.cancel: gr.Button(interactive=live),
        }

    def _busy(self, token: str) -> bool:
        snapshot = self._services.jobs.latest(token)
        return snapshot is not None and not snapshot.final


def _words(sent: object) -> tuple[str, ...]:
    return tuple(str(word) for word in sent[:64]) if isinstance(sent, list) else ()
