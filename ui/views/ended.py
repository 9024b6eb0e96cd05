"""How a study of any kind ended, in one sentence. Pure."""

from typing import Any

from merging.search.attribution import AttributionResult
from merging.search.optimise import SearchResult
from merging.search.sweep import SweepResult
from ui.views.front_words import search_ended_words
from ui.views.parts_words import parts_ended_words
from ui.views.sweep_words import ended_words
from ui.views.walk import Walked, walk_ended_words


def study_ended(result: Any) -> str:
    """Return how a study ended; "" where it is none."""
    if isinstance(result, SweepResult):
        return ended_words(result)
    if isinstance(result, AttributionResult):
        return parts_ended_words(result)
    if isinstance(result, Walked):
        return walk_ended_words(result)
    return search_ended_words(result) if isinstance(result, SearchResult) else ""
