"""What a sweep found, and what the next one will take, in sentences. Pure."""

from collections.abc import Callable, Sequence
from math import prod

from merging.evaluation import Estimate
from merging.jobs import Snapshot
from merging.search.axis import Axis
from merging.search.optimise import SearchResult
from merging.search.points import Point
from merging.search.sweep import SweepResult
from merging.units import counted, time_text

INVITE = (
    "Try the values of one setting: each is a real merge, scored on images that are kept for "
    "choosing, and what is chosen is scored once more on other images."
)
UNREPORTED = (
    "As you stopped, the best was not scored on images that were not looked at while choosing."
)
NOUNS = {"method": "method", "seed": "draw"}


def how_many(*axes: Axis) -> str:
    """Return how many points one axis or two have, in words: "21 values", "54 pairs"."""
    if len(axes) > 1:
        return f"{prod(len(axis.values) for axis in axes)} pairs"
    return counted(len(axes[0].values), NOUNS.get(axes[0].kind, "value"))


def estimate_words(axes: Sequence[Axis], seconds: float | None, budget: float) -> str:
    """Return what a sweep will take.

    Args:
        axes: What is varied.
        seconds: As estimated, 0 where all points are known; None where nothing is known.
        budget: Seconds after which no more points are made.
    """
    points = how_many(*axes)
    if seconds is None:
        return f"{points}, at most {budget:g} s; the first of them tells how long."
    if seconds == 0:
        return f"{points}, all of them measured before"
    if seconds > budget:
        return f"{points}, about {time_text(seconds)}; it stops at {budget:g} s with what is done"
    return f"{points}, about {_round(seconds)}"


def running_words(snapshot: Snapshot, left: float) -> str:
    """Return how far a sweep is that waits or runs; ``left`` are seconds, 0 where not known."""
    if snapshot.status == "queued":
        return f"Waiting, place {snapshot.position}"
    rest = f", about {_round(left)} left" if left >= 0.5 else ""
    return f"{snapshot.message.capitalize()} · {snapshot.elapsed:.0f} s{rest}"


def ended_words(result: SweepResult) -> str:
    """Return how a sweep ended, in one sentence; "" while it runs."""
    of = f"{len(result.points)} of {how_many(*result.plan.axes)}"
    if result.ended == "cancelled":
        kept = f"{of} were tried and are kept" if result.points else "nothing was tried yet"
        return f"Stopped: {kept}."
    if result.ended == "budget":
        return f"Stopped at {result.budget:g} s: {of} were tried."
    return f"{of} were tried." if result.ended else ""


def verdict_words(result: SweepResult, live: bool) -> str:
    """Return which point is best and which simplest, and how the best does on other images.

    Args:
        result: A sweep that has points.
        live: Whether it is still at work.
    """
    judged = [p for p in result.points if p.mean is not None]
    begin = _begin(result, live)
    if not judged or result.best is None:
        return begin if live else f"{begin} {none_words(result)}".strip()
    if _only_draws(result) and len(judged) > 1:
        return f"{begin} {_draws(judged)} {reported_words(result)}".strip()
    if changes_nothing(result):
        alike = f"All {len(judged)} answer every image alike: here it changes nothing."
        return f"{begin} {alike} {reported_words(result)}".strip()
    best = result.points[result.best]
    so_far = "Best so far" if live or result.ended != "complete" else "Best"
    text = (
        f"{begin} {so_far}: {best.settings}, with {share_words(best.mean)} of what the experts can "
    )
    text += "do on the images for choosing."
    simplest = simplest_words(result, lambda point: point.settings)
    return f"{text} {simplest}{reported_words(result)}".strip()


def _begin(result: SweepResult, live: bool) -> str:
    count, of = len(result.points), how_many(*result.plan.axes)
    if live:
        return f"{count} of {of} so far."
    if result.ended == "complete":
        return ""
    return ended_words(result) or f"It broke off after {count} of {of}."


def none_words(result: SweepResult | SearchResult) -> str:
    """Return why a sweep or a search that has ended has no score to tell."""
    if result.points:
        return "None of them could be scored."
    slow = "The time was up before the first was done."
    return slow if result.ended == "budget" else ""


def simplest_words(result: SweepResult | SearchResult, words: Callable[[Point], str]) -> str:
    """Return which point is simplest within noise of the best; "" before that was looked for.

    Args:
        result: A sweep or a search.
        words: Says what is special about a point.
    """
    if result.simplest is None:
        return ""
    if result.simplest == result.best:
        return "Nothing simpler is within noise of it. "
    simple = result.points[result.simplest]
    value = f"{100 * simple.mean.value:.1f} %" if simple.mean else ""
    return f"Simplest within noise of it: {words(simple)} ({value}). "


def reported_words(result: SweepResult | SearchResult) -> str:
    """Return how the best does on the reporting half, or that it was not asked; "" before that."""
    chosen = result.chosen
    if chosen is None:
        return UNREPORTED if result.ended == "cancelled" and result.best is not None else ""
    if chosen.mean is None:
        return f"It could not be scored on other images: {chosen.error}"
    found = share_words(chosen.mean)
    return f"On images that were not looked at while choosing, the best has {found}."


def _only_draws(result: SweepResult) -> bool:
    return all(axis.kind == "seed" for axis in result.plan.axes)


def changes_nothing(result: SweepResult) -> bool:
    """Return whether all points were tried, several of them, and all answer every image alike."""
    judged = [p.correct for p in result.points if p.mean is not None]
    alike = all((bits[task] == judged[0][task]).all() for bits in judged for task in judged[0])
    return result.ended == "complete" and len(judged) > 1 and alike


def _draws(judged: Sequence[Point]) -> str:
    means = [p.mean.value for p in judged if p.mean is not None]
    low, high, middle = min(means), max(means), sum(means) / len(means)
    return (
        f"{len(means)} draws keep {100 * low:.1f} to {100 * high:.1f} %, "
        f"{100 * middle:.1f} % on average: the draw alone moves the score by "
        f"{100 * (high - low):.1f} points. The best of many draws is partly luck."
    )


def share_words(mean: Estimate | None) -> str:
    """Return a share with its interval in per cent."""
    if mean is None:
        return ""
    return f"{100 * mean.value:.1f} % (95 % interval {100 * mean.low:.1f} to {100 * mean.high:.1f})"


def _round(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 60 else time_text(seconds)
