"""The handlers behind jobs, runs and files; those of the controls are in ``ui.desk``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError, RecipeError
from merging.evaluation.record import RunRecord
from merging.jobs import Snapshot
from merging.recipe import Recipe, parse_recipe, write_recipe
from ui.desk import Desk, Shown, Updates, sent
from ui.lessons import lesson_of, opened_query
from ui.link import decode
from ui.map_scene import chosen_plane, counted
from ui.region_scene import chosen_way
from ui.reports import Reports
from ui.runbook import IMPORTED, ListedRun, RunList, check_name, now, same_scores
from ui.saved import again_words, read_runs, write_runs
from ui.scene import starts, token_of
from ui.settings import to_recipe
from ui.state import AppState
from ui.studies import study_kind
from ui.views.compare import MOST

CANCEL_SECONDS = 0.5
FORGOTTEN = "This run was forgotten by the server. Merge it again."


class RunsDesk:
    """Handlers as methods, beside those of a ``Desk`` whose page and services they share."""

    def __init__(self, desk: Desk, today: Callable[[], str] = now) -> None:
        """Work beside a desk; ``today`` tells date and time in words."""
        self.desk, self._today = desk, today
        self._page, self._services, self._show = desk.page, desk.services, desk.show

    def start(self, state: AppState, owner: Any, link: Any, *values: Any) -> Updates:
        """Merge and evaluate, or show the result at once if somebody already has."""
        desk, token = self.desk, token_of(owner)
        after = state if desk.behind(state, link) else state.patch(desk.read(values))
        recipe = after.recipe()
        self._services.check(recipe)
        known = self._services.record(recipe.key())
        mine = {self._page.owner: token}
        updates = desk.change((state, after), token, after)
        if known is not None and not self._busy(token):
            listed = self._listed((updates[self._page.state],), token, known)
            return updates | listed | mine | {self._page.job: self._show.known()}
        job = self.job(self._services.start(token, recipe))
        self._services.runs.expect(token, recipe.key())
        return updates | mine | job

    def poll(self, state: AppState, owner: Any, seen: Any, link: Any, *values: Any) -> Updates:
        """Look after the visitor's job; nothing is sent when nothing changed."""
        snapshot = self._services.jobs.latest(token_of(owner))
        if snapshot is None:
            return {self._page.timer: gr.Timer(active=False)}
        if snapshot.version == seen and not snapshot.final:
            return {}
        if kind := study_kind(snapshot):
            shown = self.desk.caught_up(state, link, values)
            return self.job(snapshot) | self.desk.studied(shown[-1], owner, kind)
        record = self._services.record(snapshot.key) if snapshot.status == "done" else None
        if record is None:
            return self.job(snapshot)
        shown = self.desk.caught_up(state, link, values)
        return self._listed(shown, token_of(owner), record) | self.job(snapshot)

    def cancel(self, owner: Any) -> Updates:
        """Ask the visitor's job to stop."""
        self._services.jobs.cancel(token_of(owner))
        snapshot = self._services.jobs.wait(token_of(owner), CANCEL_SECONDS)
        if snapshot is None:
            return {}
        again = {self._page.timer: gr.Timer(active=True)} if study_kind(snapshot) else {}
        return self.job(snapshot) | again  # what a study has found by then is asked for once more

    def restore(self, request: gr.Request, state: AppState, owner: Any, saved: Any) -> Updates:
        """The page was opened: read its link, find the visitor's runs and job again.

        Args:
            request: Has the page's query.
            state: Of the first paint, which shows no visitor's runs.
            owner, saved: What the browser kept.
        """
        desk, services, token = self.desk, self._services, token_of(owner)
        notices = self._bring_back(token, saved)
        missed = self._take_missed(token)
        known = replace(
            desk.scene(state, ""), listed=services.runs.get("", services.first()), owner=""
        )
        after, unread = decode(opened_query(str(request.query_params)), starts(services))
        if unread:
            notices += ["Not all of the link could be used:", *unread]
        try:
            services.check(after.recipe())
        except MergeError as error:
            notices.append(str(error))
            after = state
        after = self._looking(after, token, notices)
        updates = desk.redrawn([known], token, replace(after, scored=after.recipe().key()))
        updates |= {self._page.owner: token, self._page.units: after.view.units} | missed
        if after.values != state.values:
            updates |= desk.write(after.values)
        if notices:
            updates[self._page.notice] = " ".join(notices)
        updates |= desk.studied(updates[self._page.state], token)
        snapshot = services.jobs.latest(token)
        if snapshot is not None and not snapshot.final:
            updates |= self.job(snapshot)
        return updates

    def touch(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """Something was done with the runs of the list; exports and reports leave a file."""
        shown = self.desk.caught_up(state, link, values)
        return {self._page.file: None, **self._touched(event, shown, owner)}

    def _touched(self, event: gr.EventData, shown: Shown, owner: Any) -> Updates:
        desk, token, action = self.desk, token_of(owner), sent(event, "action")
        state = shown[-1]
        listed = self._services.runs.get(token, self._services.first())
        if action == "compare":
            keys = _words(sent(event, "keys"))
            return desk.change(shown, token, replace(state, compared=keys[:MOST]))
        if action == "import":
            return self._imported(shown, token, listed, sent(event, "text"))
        if action == "export":
            path = self._services.text_file(f"runs-{token[:8]}.json", write_runs(listed))
            return {self._page.file: gr.DownloadButton(value=str(path))}
        if action in ("report", "csv"):
            found = [listed.find(key) for key in _words(sent(event, "keys"))[:MOST]]
            return self._told([run for run in found if run is not None], str(action))
        run = listed.find(str(sent(event, "key")))
        if run is None:
            raise MergeError(FORGOTTEN)
        if action == "pin":
            pinned = state.pinned is not None and state.pinned.key() == run.key
            after = state.pin(None if pinned else run.record.recipe)
            return desk.change(shown, token, after, settled=True)
        if action == "show":
            return self.restored(shown, token, run.record.recipe)
        if action == "rename":
            name = check_name(sent(event, "name"))
            return self._kept(shown, token, listed.renamed(run.key, name))
        if action == "delete":
            return self._kept(shown, token, listed.without(run.key))
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
        return self.restored((state,), owner, recipe)

    def save_recipe(self, *values: Any) -> Updates:
        """Hand out the recipe of the controls as YAML."""
        recipe = to_recipe(self.desk.read(values))
        settings = recipe.settings()
        active = {p.name: settings.common[p.name] for p in recipe.spec.active(settings)}
        text = write_recipe(recipe.patched(params=active))
        path = self._services.text_file(f"recipe-{recipe.key()}.yaml", text)
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def save_model(self, state: AppState, owner: Any, link: Any, *values: Any) -> Updates:
        """Hand out the merged model of the scored run."""
        record = self.desk.scene(self.desk.caught_up(state, link, values)[-1], owner).record
        path = self._services.model_file(record.recipe)
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def restored(self, shown: Shown, owner: Any, recipe: Recipe) -> Updates:
        """Put a recipe into the controls and show it."""
        experts = tuple(self._services.sets[recipe.set or ""].experts)
        after = shown[-1].restore(recipe, experts)
        return self.desk.change(shown, owner, after, settled=True) | self.desk.write(after.values)

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

    def _take_missed(self, token: str) -> Updates:
        """Put a run on the list that was finished while no page of the visitor was there."""
        runs, job = self._services.runs, self._services.jobs.latest(token)
        ended = job is not None and job.status == "done" and job.key == runs.expected(token)
        record = self._services.record(job.key) if job is not None and ended else None
        if record is None:
            return {}
        listed = runs.get(token, self._services.first()).with_run(record, self._today())
        return {self._page.saved: write_runs(runs.put(token, listed))}

    def _told(self, runs: list[ListedRun], action: str) -> Updates:
        """Hand out a report of runs, or their scores as CSV."""
        if not runs:
            raise MergeError(FORGOTTEN)
        reports = Reports(self._services)
        if action == "csv":
            path = self._services.report_file(reports.runs_csv(runs), "csv")
        else:
            one = len(runs) == 1
            page = reports.run(runs[0].record, runs[0].name) if one else reports.beside(runs)
            path = self._services.report_file(page, "html")
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def _looking(self, state: AppState, token: str, notices: list[str]) -> AppState:
        """Return the state without a cell or a kind that its set lacks, which is told."""
        scene, view = self.desk.scene(state, token), state.view
        if view.cell and scene.cell is None:
            notices.append(f"cell={view.cell}: there is no such cell.")
            state = state.look(cell="")
        if view.kind and view.kind not in scene.kinds:
            notices.append(f"kind={view.kind}: there is no such kind of tensors.")
            state = state.look(kind="")
        if view.vary and view.vary not in scene.axes:
            notices.append(f"vary={view.vary}: these settings have nothing of that name to vary.")
            state = state.look(vary="")
        if view.vary2 and view.vary2 not in scene.beside:
            notices.append(f"vary2={view.vary2}: it cannot be varied beside {scene.vary}.")
            state = state.look(vary2="")
        for name, known in scene.score_names.items():
            asked = getattr(view, name)
            if asked and asked not in known:
                notices.append(f"{name}={asked}: it can be {', '.join(known)}.")
                state = state.look(**{name: ""})
        if view.plane and ",".join(chosen_plane(scene)) != view.plane:
            notices.append(f"plane={view.plane}: these are not two experts of the set.")
            state = state.look(plane="")
        if view.ends and ",".join(chosen_way(scene)) != view.ends:
            notices.append(f"ends={view.ends}: these are not two models that fit together.")
            state = state.look(ends="")
        if view.over and view.over not in counted(scene):
            notices.append(f"over={view.over}: the set has no such task.")
            state = state.look(over="")
        if view.lesson and lesson_of(view.lesson) is None:
            notices.append(f"lesson={view.lesson}: there is no such lesson.")
            state = state.look(lesson="")
        return state

    def _imported(self, shown: Shown, token: str, listed: RunList, text: Any) -> Updates:
        found, problems = read_runs(text, self._services.items)
        runs = (replace(run, when=self._when(run)) for run in found.runs)
        after = listed.joined(runs)
        updates = self._kept(shown, token, after)
        words = (again_words(listed, found, after), *problems)
        notices = [word for word in words if word]
        return updates | ({self._page.notice: " ".join(notices)} if notices else {})

    def _when(self, run: ListedRun) -> str:
        """When a run of a file was scored, as far as this server knows: it may be anybody's."""
        known = self._services.record(run.key)
        return run.when if known and same_scores(known, run.record) else IMPORTED

    def _listed(self, shown: Shown, token: str, record: RunRecord) -> Updates:
        """Put a finished run on the list and show it."""
        listed = self._services.runs.get(token, self._services.first())
        listed = listed.with_run(record, self._today(), shown[-1].scored)
        return self._kept(shown, token, listed, record.key)

    def _kept(self, shown: Shown, token: str, listed: RunList, scored: str = "") -> Updates:
        """Keep a changed list here and in the browser, and show it.

        Another tab may have changed the list before, so what this one shows of it is not known.
        """
        scenes = [replace(s, listed=RunList()) for s in self.desk.scenes(shown, token)]
        self._services.runs.put(token, listed)
        after = replace(shown[-1], scored=scored or shown[-1].scored)
        return {
            self._page.saved: write_runs(listed),
            **self.desk.redrawn(scenes, token, after),
        }

    def job(self, snapshot: Snapshot) -> Updates:
        """Return what the page shows of a job; its timer goes on until a job has ended."""
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
