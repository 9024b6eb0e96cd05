"""What a search found, in sentences. Pure."""

from merging.search.axis import Axis
from merging.search.optimise import SearchResult
from merging.units import counted
from ui.views.front import short_words
from ui.views.sweep_words import none_words, reported_words, share_words, simplest_words

INVITE = (
    "Let the page look for good settings: a search proposes them, learns from what each scores on "
    "images that are kept for choosing, and weighs all tasks at once. What is best is scored once "
    "more on other images."
)


def space_words(axes: tuple[Axis, ...]) -> str:
    """Return what a search changes, in words: "Density, Strength λ and 5 weights"."""
    weights = [axis for axis in axes if axis.name == "weight"]
    names = [axis.label for axis in axes if axis.name != "weight"]
    if weights:
        names.append(counted(len(weights), "weight"))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def search_ended_words(result: SearchResult) -> str:
    """Return how a search ended, in one sentence; "" while it runs."""
    count = settings_count(len(result.points))
    if result.ended == "cancelled":
        return f"Stopped: {count} tried and kept." if result.points else "Stopped: nothing tried."
    if result.ended == "complete":
        return f"{count} tried; nothing new is left to propose."
    return f"{count} tried." if result.ended else ""


def search_words(result: SearchResult, live: bool) -> str:
    """Return which settings are best and simplest, and how the best do on other images.

    Args:
        result: A search that has points.
        live: Whether it is still at work.
    """
    begin = f"{settings_count(len(result.points))} so far." if live else search_ended_words(result)
    begin = begin or f"It broke off after {settings_count(len(result.points))}."
    if result.best is None:
        return begin if live else f"{begin} {none_words(result)}".strip()
    best = result.points[result.best]
    text = f"{begin} {'Best so far' if live else 'Best'}: {short_words(best, result.axes)}, with "
    text += f"{share_words(best.mean)} of what the experts can do on the images for choosing."
    if len(result.front) > 1:
        text += f" {len(result.front)} of them are beaten by no other on every task."
    simplest = simplest_words(result, lambda point: short_words(point, result.axes))
    return f"{text} {simplest}{reported_words(result)}".strip()


def settings_count(count: int) -> str:
    """Return a number of settings in words."""
    return counted(count, "setting")
