"""What the caller knows about a merge and the engine does not: files, licences, scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from merging.export.basket import Companions


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One measured score of the merged model.

    Attributes:
        task: What it was scored on.
        metric: What was measured, with its unit: "accuracy".
        value: The score.
        low, high: Interval, or None.
        items: Number of items scored.
    """

    task: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    items: int = 0


@dataclass(frozen=True, slots=True)
class Extras:
    """What is written beside the weights besides what the engine knows.

    Attributes:
        companions: Files that go along, or None for those of the base or the first expert.
        licences: Licence of each model by its name in the recipe; what is not said here is read
            from the model's own card.
        scores: Measured on the merged model; without any the card says that there are none.
    """

    companions: Companions | None = None
    licences: Mapping[str, str] = field(default_factory=dict)
    scores: tuple[ScoreLine, ...] = ()
