"""Up to four runs side by side: only what differs, and scores with paired intervals. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.evaluation import Comparison, Estimate, compare, normalised
from merging.sets import References
from ui.runbook import ListedRun
from ui.views.changes import PLAIN, Setting, settings_beside
from ui.views.sentences import percent, signed
from ui.views.tasks import in_order

MOST = 4
MEAN = "Mean of all tasks"


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One task of the comparison.

    Attributes:
        task: In words.
        scores: Share of the own expert's score, of each run.
        gaps: The same minus the first run's, with its paired interval; None for the first.
    """

    task: str
    scores: tuple[Estimate, ...]
    gaps: tuple[Estimate | None, ...]


@dataclass(frozen=True, slots=True)
class CompareView:
    """Runs side by side; ``lines`` is empty where their scores cannot be compared."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    settings: tuple[Setting, ...]
    lines: tuple[ScoreLine, ...]
    sentence: str


def within_noise(gap: Estimate) -> bool:
    """Return whether a difference may be none at all."""
    return gap.low <= 0 <= gap.high


def compare_view(
    runs: Sequence[ListedRun],
    references: Mapping[str, References],
    names: Mapping[str, str],
    experts: Mapping[str, str] = PLAIN,
) -> CompareView:
    """Put runs beside each other; the first is what the others are compared with.

    Args:
        runs: At most four.
        references: By set, what base and own experts answered.
        names: Words for task ids.
        experts: What experts are called on the page, by id.
    """
    recipes = [run.record.recipe for run in runs]
    settings = tuple(s for s in settings_beside(recipes, experts) if s.differs)
    sets = {recipe.set or "" for recipe in recipes}
    head = (tuple(r.name for r in runs), tuple(r.key for r in runs), settings)
    if len(runs) < 2:
        return CompareView(*head, (), "Choose two to four runs to put them side by side.")
    if len(sets) > 1:
        said = "The runs are of different sets: only their settings can be compared."
        return CompareView(*head, (), said)
    own = references[sets.pop()].own
    first = runs[0].record.correct
    found = [compare(run.record.correct, first, own) for run in runs]
    alone = [normalised(run.record.correct, own) for run in runs]  # as told everywhere else
    lines = [
        _line(names[task], [tasks[task] for tasks, _ in alone], [one.tasks[task] for one in found])
        for task in in_order(names, found[0].tasks)
    ]
    lines.append(_line(MEAN, [mean for _, mean in alone], [one.mean for one in found]))
    return CompareView(*head, tuple(lines), _sentence(runs, found, settings))


def _line(
    task: str, scores: Sequence[Estimate], pairs: Sequence[tuple[Estimate, Estimate]]
) -> ScoreLine:
    gaps = (None, *(gap for _, gap in pairs[1:]))
    return ScoreLine(task, tuple(scores), gaps)


def _sentence(
    runs: Sequence[ListedRun], found: Sequence[Comparison], settings: tuple[Setting, ...]
) -> str:
    """Say how each run stands to the first, and whether that is more than noise."""
    first = runs[0].name
    parts = [
        _against(first, run, one.mean[1]) for run, one in zip(runs[1:], found[1:], strict=True)
    ]
    only = [s.name for s in settings]
    tail = " Only the random draw differs." if only == ["draw"] else ""
    return " ".join(parts) + tail


def _against(first: str, run: ListedRun, gap: Estimate) -> str:
    interval = f"{signed(gap.low)} to {signed(gap.high)}"
    if within_noise(gap):
        return (
            f"{run.name} and {first} are within noise of each other "
            f"({signed(gap.value)} points, {interval})."
        )
    word = "more" if gap.value > 0 else "less"
    return (
        f"{run.name} keeps {percent(abs(gap.value), 1).removesuffix(' %')} points {word} than "
        f"{first} ({interval})."
    )
