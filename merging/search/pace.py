"""The time of a search: what was spent, what a point takes, and whether another one fits."""

import time
from collections.abc import Callable
from statistics import median
from typing import Literal

from merging.errors import Cancelled
from merging.jobs import Report
from merging.search.asked import seconds_of

Clock = Callable[[], float]
Ended = Literal["", "complete", "budget", "cancelled"]


class OutOfTime(Cancelled):
    """The budget was spent in the middle of a point."""


class Pace:
    """A budget and what became of it; the clock starts when it is made."""

    def __init__(self, budget: float = 60.0, clock: Clock = time.monotonic) -> None:
        """Start the clock.

        Args:
            budget: Seconds that all points together may take.
            clock: Seconds; a test may bring its own.

        Raises:
            ParameterError: The budget is no number, or below 0.
        """
        self.budget, self._clock = seconds_of("budget", budget), clock
        self._begin = clock()
        self._points: list[float] = []

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begin

    @property
    def seconds(self) -> float:
        """Seconds that a point takes, the median of those that were made; 0 before the first."""
        return median(self._points) if self._points else 0.0

    def note(self, seconds: float) -> None:
        """Tell how long a point took that was made, not looked up."""
        self._points.append(seconds)

    @property
    def fits(self) -> bool:
        """Whether another point is likely to end within the budget; the first one always is."""
        return not self._points or self.spent + self.seconds <= self.budget

    def within(self, report: Report) -> Report:
        """Return a report function that raises ``OutOfTime`` when the budget is spent."""

        def checked(fraction: float, message: str) -> None:
            report(fraction, message)
            if self.spent > self.budget:
                raise OutOfTime(f"The budget of {self.budget:g} s is spent.")

        return checked


def ended_by(points: Callable[[], None], choose: Callable[[], None] = lambda: None) -> Ended:
    """Do the points of a search, then what follows them unless somebody cancelled.

    Returns:
        What ended it: nothing, the budget of its points, or a cancel, of the second part too.
    """
    ended: Ended = "complete"
    try:
        try:
            points()
        except OutOfTime:
            ended = "budget"
        choose()
    except Cancelled:
        ended = "cancelled"
    return ended


def part(report: Report, begin: float, end: float) -> Report:
    """Return a report function for a part of the work, from one share done to another."""
    return lambda fraction, message: report(begin + fraction * (end - begin), message)
