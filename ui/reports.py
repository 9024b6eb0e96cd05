"""What stands in the report of a run, of runs side by side, and of a sweep. No Gradio, no state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from merging.evaluation import Estimate
from merging.evaluation.record import RunRecord
from merging.recipe import Recipe, write_recipe
from merging.search.sweep import SweepResult
from ui import pictures
from ui.charts import sweep_grid
from ui.charts.sweep import CLICK, sweep_figure
from ui.charts.sweep_frame import YOURS
from ui.link import decode
from ui.presenter import Presenter
from ui.report import Part, Value, report_page
from ui.report_csv import runs_csv, sweep_csv
from ui.runbook import ListedRun, RunList
from ui.scene import Scene, starts
from ui.services import Services
from ui.views import headings
from ui.views.compare import CompareView, compare_view, within_noise
from ui.views.guard import Guarded, guard_of
from ui.views.sentences import percent, settings_line, signed
from ui.views.sweep import sweep_view
from ui.views.sweep_grid import grid_view
from ui.views.sweep_words import verdict_words
from ui.views.tasks import Names, in_order, task_names

PICTURES = {
    "heatmap": headings.CONFLICT,
    "magnitudes": headings.SIZES,
    "relative": headings.RELATIVE,
    "who_agrees": headings.AGREEMENT,
    "ranks": "How many directions they use",
    "overlap": "How many directions they share",
    "who_won": headings.WINNERS,
    "dialects": headings.DIALECTS,
}
ABOUT = "Made by Merge explorer. Scores are of images that no setting was chosen on."
SWEPT = "Made by Merge explorer. Values were tried on images for choosing, the best also on others."
TUNED = "What was tried, on the images for choosing"
REPORTED = "The best, on images that were not looked at while choosing"
RECIPE = "The recipe"
VARIED = "the recipe that was varied"


class Reports:
    """Tells runs and sweeps as files."""

    def __init__(self, services: Services) -> None:
        """Take figures from services."""
        self._services = services

    def scene(self, recipe: Recipe, record: RunRecord) -> Scene:
        """Return the moment at which a page shows a recipe with its scores."""
        services = self._services
        state, _ = decode("", starts(services))
        experts = tuple(services.sets[recipe.set or ""].experts)
        state = replace(state.restore(recipe, experts).pin(None), scored=recipe.key())
        return Scene(services, state, recipe, RunList().with_run(record, ""))

    def run(self, record: RunRecord, name: str = "") -> str:
        """Return the report of one run: all that the page says and draws of it, as HTML."""
        scene = self.scene(record.recipe, record)
        presenter = Presenter(self._services, starts(self._services))
        title = f"{record.recipe.spec.label}, set {scene.opened.card['label']}"
        parts = [_recipe(record.recipe), _scores(presenter, scene, headings.SCORES)]
        for picture, heading in PICTURES.items():
            value = getattr(pictures, picture)(scene)
            prose = presenter.effect(scene) if picture == "heatmap" else ""
            if value is not None:
                parts.append(_picture(heading, prose, value))
        return report_page(f"{name}: {title}" if name else title, ABOUT, parts)

    def beside(self, runs: Sequence[ListedRun]) -> str:
        """Return the report of two runs or more, as HTML."""
        presenter = Presenter(self._services, starts(self._services))
        sets = {run.record.recipe.set or "" for run in runs}
        references = {name: self._services.references(name) for name in sets}
        view = compare_view(runs, references, self._labels(sets), presenter.expert_names(sets))
        parts = [Part(headings.BESIDE, words=[view.sentence], table=beside_table(view))]
        for run in runs:
            scene = self.scene(run.record.recipe, run.record)
            scored = _scores(presenter, scene, run.name)
            said = [f"Set {scene.opened.card['label']}: {settings_line(run.record.recipe)}."]
            parts.append(replace(scored, words=said, text=write_recipe(run.record.recipe)))
        return report_page(f"{len(runs)} runs side by side", ABOUT, parts)

    def sweep(self, result: SweepResult, live: bool = False, bound: str = "") -> str:
        """Return the report of a sweep of one axis or two, as HTML; tuned and reported apart.

        Args:
            result: Whole or in part.
            live: Whether it is still at work.
            bound: Points that a held-out task may lose; "" for no guard on them.
        """
        recipe = result.plan.recipe
        opened = self._services.sets[recipe.set or ""]
        failed = [f"Not scored: {p.error}" for p in result.points if p.error]
        guarded = self._guarded(result, bound)
        guards = [guarded.words] if guarded is not None else []
        parts = [Part(headings.WHAT_IF, words=[verdict_words(result, live), *guards, *failed])]
        chart = _tried(result, task_names(opened), guarded)
        if chart is not None:
            numbers = chart.pop("table")
            parts = [replace(parts[0], chart=chart), Part(TUNED, table=numbers)]
        chosen = result.chosen
        if chosen is not None:
            labels = self._labels([opened.id])
            table = _shares_table(labels, chosen.shares, chosen.mean) if chosen.mean else None
            parts.append(Part(REPORTED, words=[chosen.error or chosen.settings], table=table))
            if chosen.recipe is not None:
                parts.append(_recipe(chosen.recipe, "The recipe of the best"))
        parts.append(_recipe(recipe, "The recipe that was varied"))
        varied = " and ".join(axis.label for axis in result.plan.axes)
        title = f"{varied} of {recipe.spec.label}, set {opened.card['label']}"
        return report_page(title, SWEPT, parts)

    def runs_csv(self, runs: Sequence[ListedRun]) -> str:
        """Return the scores of runs as CSV."""
        sets = [run.record.recipe.set or "" for run in runs]
        owns = [self._services.references(name).own for name in sets]
        return runs_csv(runs, owns, self._labels(sets))

    def sweep_csv(self, result: SweepResult, bound: str = "") -> str:
        """Return a sweep as CSV; ``bound`` as of ``sweep``."""
        labels = self._labels([result.plan.recipe.set or ""])
        return sweep_csv(result, labels, self._guarded(result, bound))

    def _guarded(self, result: SweepResult, bound: str) -> Guarded | None:
        opened = self._services.sets[result.plan.recipe.set or ""]
        return guard_of(result, opened, bound) if bound else None

    def _labels(self, sets: Sequence[str] | set[str]) -> dict[str, str]:
        return {t["id"]: t["label"] for s in sets for t in self._services.sets[s].card["tasks"]}


def beside_table(view: CompareView) -> Value:
    """Return what differs between runs as a table: settings, then scores with paired gaps."""
    rows = [[setting.name, *setting.values] for setting in view.settings]
    for line in view.lines:
        pairs = zip(line.scores, line.gaps, strict=True)
        rows.append([line.task, *(_score(score, gap) for score, gap in pairs)])
    return {"columns": ["", *view.names], "rows": rows}


def _score(score: Estimate, gap: Estimate | None) -> str:
    text = f"{percent(score.value, 1)} ({_interval(score)})"
    if gap is None:
        return text
    noise = ", within noise" if within_noise(gap) else ""
    return f"{text}; {signed(gap.value)} points ({signed(gap.low)} to {signed(gap.high)}{noise})"


def _interval(found: Estimate) -> str:
    return f"{100 * found.low:.1f} to {100 * found.high:.1f}"


def _scores(presenter: Presenter, scene: Scene, heading: str) -> Part:
    return Part(heading, presenter.verdict(scene), chart=presenter.scores(scene))


def _picture(heading: str, prose: str, value: Value) -> Part:
    parts = value.get("sentences", {}).values()  # of the heatmap
    return Part(heading, prose, [" ".join(part["current"] for part in parts)], value)


def _tried(result: SweepResult, tasks: Names, guarded: Guarded | None) -> Value | None:
    """The chart of a sweep beside the recipe that was varied; None without a scored point."""
    if all(point.mean is None for point in result.points):
        return None
    recipe = result.plan.recipe
    if len(result.plan.axes) > 1:
        chart = sweep_grid.grid_figure(grid_view(result, recipe, tasks))
        said = chart["sentence"].removesuffix(sweep_grid.CLICK).replace(sweep_grid.YOURS, VARIED)
        return {**chart, "sentence": said}
    allowed = guarded.guard.limit if guarded is not None else None
    chart = sweep_figure(replace(sweep_view(result, recipe, tasks), allowed=allowed))
    shapes = [_impersonal(shape) for shape in chart["patch"]["shapes"]]
    return {**chart, "sentence": chart["sentence"].removesuffix(CLICK), "patch": {"shapes": shapes}}


def _impersonal(shape: Value) -> Value:
    """A shape whose words are for readers who have no page before them."""
    label = shape.get("label", {})
    text = label.get("text", "").replace(YOURS, "before")
    return {**shape, "label": {**label, "text": text}} if label else shape


def _recipe(recipe: Recipe, heading: str = RECIPE) -> Part:
    return Part(heading, text=write_recipe(recipe))


def _shares_table(
    labels: Mapping[str, str], shares: Mapping[str, Estimate], mean: Estimate
) -> Value:
    order = in_order(labels, shares)
    named = [*((labels.get(t, t), shares[t]) for t in order), ("Mean", mean)]
    rows = [[name, f"{100 * found.value:.1f}", _interval(found)] for name, found in named]
    return {"columns": ["Task", "% of own expert", "95 % interval"], "rows": rows}
