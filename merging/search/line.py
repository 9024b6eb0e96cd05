"""Line search with roll-back: step on while the score does not fall, go back to the best place.

The idea of Fast Forward: evaluating is cheap and every step is the same, so walk until it hurts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from merging.errors import Cancelled, ParameterError
from merging.search.asked import finite_number, whole_number
from merging.search.pace import OutOfTime

Stopped = Literal["lost", "end", "failed", "budget", "cancelled"]
MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A walk along one number.

    Attributes:
        curve: Places and their scores, in the order they were tried; the last ones may be worse.
        stopped: ``lost``: a step lost and was rolled back; ``end`` of the range reached; a step
            ``failed``; ``budget`` spent; ``cancelled``. "" while it runs.
    """

    curve: tuple[tuple[float, float], ...] = ()
    stopped: Stopped | Literal[""] = ""

    @property
    def best(self) -> float | None:
        """Where the walk rolled back to: the first place of the best score, or None."""
        if not self.curve:
            return None
        top = max(score for _, score in self.curve)
        return next(place for place, score in self.curve if score == top)


def line_search(
    score: Callable[[float], float | None],
    start: float = 0.0,
    step: float = 0.1,
    end: float = 2.0,
    patience: int = 0,
    on_step: Callable[[Line], None] = lambda line: None,
) -> Line:
    """Walk from ``start`` to ``end`` while the score does not fall, and roll back what lost.

    A step loses when its score is below the best so far; an equal one is walked on, but the walk
    goes back to the first place of the best score. After ``patience`` losing steps in a row one
    more ends it, so that 0 stops at the first.

    Args:
        score: Higher is better; None where a place cannot be scored, which ends the walk.
        start, end: Range, both included.
        step: Length of a step, above 0; the walk goes down when ``end`` is below ``start``.
        patience: At least 0.
        on_step: Called after every step.

    Returns:
        The whole curve and where it ended; ``Cancelled`` raised by ``score`` ends the walk too.

    Raises:
        ParameterError: The step is not above 0 or longer than the range, there would be more than
            200 steps, or patience is no whole number of at least 0.
    """
    line = Line()
    places, patience = _places(start, step, end), whole_number("patience", patience, 0)
    best, losses = float("-inf"), 0
    for number, place in enumerate(places):
        try:
            found = score(place)
        except OutOfTime:
            return Line(line.curve, "budget")
        except Cancelled:
            return Line(line.curve, "cancelled")
        if found is None:
            return Line(line.curve, "failed")
        losses = losses + 1 if found < best else 0
        best = max(best, found)
        stopped: Stopped | Literal[""] = "end" if number == len(places) - 1 else ""
        line = Line((*line.curve, (place, found)), "lost" if losses > patience else stopped)
        on_step(line)
        if line.stopped:
            break
    return line


def _places(start: float, step: float, end: float) -> list[float]:
    start, end = finite_number("start", start), finite_number("end", end)
    if not finite_number("step", step) > 0:
        raise ParameterError(f"step is {step:g}; it must be above 0.")
    if step > abs(end - start) > 0:
        raise ParameterError(
            f"step is {step:g}; it leads beyond the range from {start:g} to {end:g} at once. "
            f"Choose at most {abs(end - start):g}."
        )
    count = int(abs(end - start) / step + 1e-9)
    if count > MOST_STEPS:
        raise ParameterError(f"{count} steps are too many; {MOST_STEPS} are the most.")
    sign = 1 if end >= start else -1
    return [round(start + sign * step * i, 9) for i in range(count + 1)]
