"""What lives as long as the server: the sets, the job queue, results, files, and run lists.

The only place that holds state. Handlers get it injected, tests bring their own.
"""

import ctypes
import gc
import logging
import os
import shutil
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from merging import sets as bundled
from merging.engine import one_thread
from merging.engine.cache import Intermediates
from merging.engine.output import write_model
from merging.errors import MergeError, ResourceError
from merging.evaluation import compare
from merging.evaluation.record import RunRecord
from merging.experiment import merge_and_evaluate, merge_recipe
from merging.export import Extras
from merging.jobs import JobRunner, Report, ResultCache, Snapshot
from merging.methods import registry
from merging.recipe import Recipe
from merging.search.cluster import Cluster, named_cluster
from merging.search.measure import SetMeasure
from merging.search.points import Measure
from merging.search.source import Source
from merging.sets import ModelSet, References, missing, open_set, set_names, shipped_runs, tasks
from merging.sketch import Preview, Sketch, preview
from ui.lessons import LessonRuns
from ui.maps import Maps
from ui.own.services import OwnServices
from ui.own.shelf import VARIABLE
from ui.runbook import RunBook
from ui.studies import STUDIED, Studies
from ui.sweeps import Sweeps

log = logging.getLogger(__name__)

MOST_FILES = 64
MOST_REPORTS = 16  # of 5 MB each
MOST_ANSWERS = 4096  # of recipes that sweeps tried
MOST_BYTES = 128 << 20  # of intermediate results
POLITE = 10  # niceness of background threads


@dataclass(slots=True)
class Services:
    """Everything the handlers need, built once.

    Attributes:
        jobs: Background merges.
        results: Run records by recipe key, shared by all visitors.
        shipped: Run records that come with the sets.
        previews: Answers by recipe key.
        recipes: Recipes of queued jobs by key.
        runs: Run lists by owner.
        files: Folder of prepared downloads.
        intermediates: What one merge leaves for the next, shared by all visitors.
        answers: What points of sweeps answered, shared by all visitors.
        studies: Sweeps, searches and maps by owner.
        models_dir: Folder of models that visitors may merge (setting ``MODELS_DIR``), or "".
        cluster: Scores the points of sweeps and searches, or None: this process does.
        sweeps: Starts sweeps.
        maps: Starts maps, paths and hulls.
        lessons: Measures lessons.
        own: Checks and merges own models.
    """

    jobs: JobRunner
    results: ResultCache = field(default_factory=lambda: ResultCache(512))
    previews: ResultCache = field(default_factory=lambda: ResultCache(512))
    shipped: dict[str, RunRecord] = field(default_factory=dict)
    recipes: ResultCache = field(default_factory=lambda: ResultCache(2048))
    runs: RunBook = field(default_factory=RunBook)
    files: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="merge-explorer-")))
    intermediates: Intermediates = field(default_factory=lambda: Intermediates(MOST_BYTES))
    answers: ResultCache = field(default_factory=lambda: ResultCache(MOST_ANSWERS))
    sets: dict[str, ModelSet] = field(default_factory=dict)
    file_lock: threading.Lock = field(default_factory=threading.Lock)
    cluster: Cluster | None = None
    models_dir: str = ""
    own: OwnServices = field(init=False)
    studies: Studies = field(init=False)
    sweeps: Sweeps = field(init=False)
    maps: Maps = field(init=False)
    lessons: LessonRuns = field(init=False)

    def __post_init__(self) -> None:
        """Let studies use the job queue and the answers."""
        self.studies = Studies(self.jobs, self.answers, self.measure, self._elsewhere)
        self.sweeps = Sweeps(self.studies)
        self.maps = Maps(self.studies, self.intermediates)
        self.lessons = LessonRuns(self.studies, self.intermediates)
        self.own = OwnServices(self.jobs, self.models_dir, self.files, background)

    def _elsewhere(self, measure: Measure) -> Source | None:
        if self.cluster is None or not isinstance(measure, SetMeasure):
            return None
        return self.cluster.source(measure)

    def measure(self, name: str) -> Measure:
        """Open a set to score many recipes of it, each on some images of every task."""
        return SetMeasure(name, items=STUDIED, cache=self.intermediates)

    def warm(self) -> None:
        """Read the sets and what previews need, so that the first slider answers at once.

        Sets for teaching are opened only: what they hold is read when somebody chooses them. A
        preview and a merge are made: on a new machine that compiles their loops (15 s, once).
        """
        for name in set_names():
            self.sets[name] = open_set(name)
        for name in self.at_hand():
            self.first(name)
            held = self.sketch(name)
            for row in range(len(held.experts)):
                held.ordered(row)
        self.preview(self.first().recipe)
        merge_recipe(self.first().recipe, cache=self.intermediates)

    def at_hand(self) -> tuple[str, ...]:
        """Return the sets that are read at start: those that were not made for a lesson."""
        return tuple(name for name, opened in self.sets.items() if not opened.teaching)

    def first(self, name: str | None = None) -> RunRecord:
        """Return the first experiment of a set, by default of the first one.

        From then on all runs that ship with the set are known.
        """
        runs = shipped_runs(name or next(iter(self.sets)))
        if runs[0].key not in self.shipped:
            self.shipped.update({record.key: record for record in runs})
        return runs[0]

    def sketch(self, name: str) -> Sketch:
        """Return the sketch of a set."""
        return bundled.sketch(name)

    def references(self, name: str) -> References:
        """Return what base and own experts of a set answered."""
        return bundled.references(name)

    def preview(self, recipe: Recipe, pinned: Recipe | None = None) -> Preview:
        """Return what a recipe does to the weights.

        Args:
            recipe: Of a bundled set.
            pinned: Of the same set, to compare directions with; None for nothing.

        Raises:
            MergeError: The set or an expert is unknown.
        """
        self.check(recipe)
        key = f"{recipe.key()} {pinned.key() if pinned else ''}"
        known = self.previews.get(key)
        if known is None:
            one_thread()
            known = preview(self.sketch(recipe.set or ""), recipe, pinned)
            self.previews.put(key, known)
        answer: Preview = known
        return answer

    @property
    def rows(self) -> tuple[str, ...]:
        """What the rows of the experts' controls are called.

        These are the first set's experts, and further names where another set has more.
        """
        first = tuple(next(iter(self.sets.values())).experts)
        most = max(len(opened.experts) for opened in self.sets.values())
        return (*first, *(f"expert-{place + 1}" for place in range(len(first), most)))

    def items(self, recipe: Recipe) -> dict[str, int]:
        """Return how many items of each task a recipe's set is scored on.

        Raises:
            MergeError: The page cannot merge the recipe.
        """
        self.check(recipe)
        own = self.references(recipe.set or "").own
        return {task: len(bits) for task, bits in own.items()}

    def missing(self, set_name: str) -> dict[str, str]:
        """Return what a set lacks for the methods that cannot run on it, by method."""
        found = {spec.id: missing(spec, self.sets[set_name]) for spec in registry.METHODS}
        return {name: lack for name, lack in found.items() if lack}

    def check(self, recipe: Recipe) -> None:
        """Make sure that a recipe is for a bundled set.

        Raises:
            MergeError: It names folders, another set, an expert that is not in its set, or a
                method that needs what the set lacks.
        """
        if recipe.set is None:
            raise MergeError(
                "This recipe names folders of its own. The page merges the bundled sets; for "
                "folders use: python -m merging merge RECIPE --out DIR."
            )
        opened = self.sets.get(recipe.set) or open_set(recipe.set)
        opened.check(recipe)
        lacking = missing(recipe.spec, opened)
        if lacking:
            raise MergeError(f"{recipe.spec.label} cannot run here: {lacking}")

    def record(self, key: str) -> RunRecord | None:
        """Return a finished run, or None when it was forgotten."""
        found: RunRecord | None = self.shipped.get(key) or self.results.get(key)
        return found

    def start(self, owner: str, recipe: Recipe) -> Snapshot:
        """Queue a merge and evaluation.

        Raises:
            MergeError: The recipe is refused, the visitor has a live job, or the queue is full.
        """
        self.check(recipe)
        self.recipes.put(recipe.key(), recipe)
        return self.jobs.submit(owner, recipe.key(), partial(self._work, recipe))

    def recipe_of(self, key: str) -> Recipe | None:
        """Return the recipe of a job, or None when it was forgotten."""
        found: Recipe | None = self.recipes.get(key)
        return found

    def _work(self, recipe: Recipe, report: Report) -> str:
        known = self.record(recipe.key())
        if known is None:
            known = merge_and_evaluate(recipe, report, cache=self.intermediates)
            self.results.put(known.key, known)
        return known.key

    def text_file(self, name: str, text: str) -> Path:
        """Write a text for download and return its path."""
        path = self.files / name
        path.write_text(text, "utf-8")
        return path

    def report_file(self, text: str, kind: str) -> Path:
        """Write a report for download, named by what is in it; only the newest are kept.

        Args:
            text: Of the file.
            kind: ``html`` or ``csv``.
        """
        digest = sha256(text.encode()).hexdigest()[:12]
        with self.file_lock:
            self._collect_files("report-*", MOST_REPORTS)
            return self.text_file(f"report-{digest}.{kind}", text)

    def model_file(self, recipe: Recipe) -> Path:
        """Return a zip of a recipe's merged model, made when first asked for.

        Raises:
            MergeError: The recipe is refused, or writing failed.
        """
        self.check(recipe)
        with self.file_lock:
            path = self.files / f"merged-{recipe.method}-{recipe.key()}.zip"
            if not path.exists():
                self._collect_files("*.zip", MOST_FILES)
                _zip_model(recipe, path)
            path.touch()
            return path

    def _collect_files(self, pattern: str, most: int) -> None:
        kept = sorted(self.files.glob(pattern), key=lambda p: p.stat().st_mtime)
        for old in kept[: max(0, len(kept) - most + 1)]:
            old.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop the workers and remove prepared files."""
        self.jobs.close()
        self.own.close()
        if self.cluster is not None:
            self.cluster.close()
        shutil.rmtree(self.files, ignore_errors=True)


def _zip_model(recipe: Recipe, path: Path) -> None:
    opened, outcome = merge_recipe(recipe)
    folder = path.with_suffix("")
    partial_zip = path.with_suffix(".partial")
    try:
        models = (opened.base, *(opened.experts[e.id] for e in outcome.recipe.experts))
        licence = str(opened.card.get("licence", ""))
        extras = Extras(licences={model.name: licence for model in models})
        write_model(outcome, opened.base.config(), folder, models=models, extras=extras)
        with zipfile.ZipFile(partial_zip, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(file, f"{path.stem}/{file.relative_to(folder).as_posix()}")
        partial_zip.rename(path)
    except OSError as error:
        partial_zip.unlink(missing_ok=True)
        raise ResourceError(f"The download could not be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def background() -> None:
    """Make the calling thread one of the background: one core, and sliders go before it.

    Where the system can (on Linux priorities are of threads), the kernel then gives a core to the
    answer of a slider first.
    """
    one_thread()
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), POLITE)


def build_services() -> Services:
    """Build the services of a server process; read what previews and the first merge need.

    One thread per merge and one per preview: with two each they fight over two cores (measured: a
    preview of 25 ms took seconds beside a busy worker), and waking the second for every small
    tensor costs more than it gives (a slider's answer took 61 ms instead of 30).
    """
    one_thread()
    services = Services(
        JobRunner(prepare=background),
        cluster=named_cluster(),
        models_dir=os.environ.get(VARIABLE, ""),
    )
    services.warm()
    for name in services.at_hand():
        tasks(name, "reporting")
    _keep_for_good()
    return services


def rehearse(services: Services) -> threading.Thread:
    """Work out in the background what sliders, sweeps and maps ask for first; the page is served.

    Returns:
        The thread that does it; a study that is asked for meanwhile waits for its turn.
    """

    def work() -> None:
        background()
        recipe = services.first().recipe
        try:
            _compare_shipped(services)
            services.sweeps.rehearse(recipe)
            services.maps.rehearse(recipe.set or "")
        except MergeError:
            logging.getLogger(__name__).exception("The first set could not be scored")
        _keep_for_good()

    thread = threading.Thread(target=work, name="rehearsal", daemon=True)
    thread.start()
    return thread


def _compare_shipped(services: Services) -> None:
    """Draw the intervals of the first set's shipped runs beside its first experiment.

    The first slider that a visitor moves goes through them: 20 ms each where nobody did before.
    """
    first = services.first()
    known = services.references(first.recipe.set or "")
    for record in shipped_runs(first.recipe.set or ""):
        for other in (record.correct, known.base, first.correct):
            compare(record.correct, other, known.own)


def _keep_for_good() -> None:
    """What start-up made stays: else a full collection would hold a slider for 300 ms.

    What it let go of is given back: the C library would keep 60 MB of it.
    """
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)
