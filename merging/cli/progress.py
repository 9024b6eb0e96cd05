"""How far the work is: one line that is redrawn, plain lines, or lines of JSON."""

import json
import math
import shutil
import time
from collections.abc import Callable
from typing import Literal, TextIO

from merging.units import size_text, time_text

Style = Literal["line", "plain", "json", "none"]
REDRAW_SECONDS = 0.1
LINE_SECONDS = 5.0
SURE_SECONDS = 0.5  # before that a rate says nothing
LINES = 10  # at most so many lines for their share alone


def style_of(out: TextIO, as_json: bool, quiet: bool) -> Style:
    """Return how progress is told: not at all, to machines, to a terminal, or to a file."""
    if quiet:
        return "none"
    if as_json:
        return "json"
    return "line" if out.isatty() else "plain"


class ProgressPrinter:
    """Called by the engine with the share done and what it does; prints now and then.

    On a terminal one line is redrawn, at most ten times a second. Otherwise a line is printed for
    every tenth of the work or after five seconds. The last call (share 1) always prints, once.

    Attributes:
        total: Bytes that are read and written in all, or 0 where that is not known; the share
            done counts them.
    """

    def __init__(
        self,
        out: TextIO,
        style: Style,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        """Print nothing yet.

        Args:
            out: Where to print, as a rule stderr.
            style: How.
            clock: Seconds.
            columns: Width of the terminal.
        """
        self.total = 0
        self._out, self._style, self._clock, self._columns = out, style, clock, columns
        self._start = self._last = clock()
        self._tenth = 0
        self._drawn = self._ended = False

    def __call__(self, fraction: float, message: str) -> None:
        """Tell how far the work is.

        Args:
            fraction: Share done, in [0, 1].
            message: What is being done, as a rule a tensor.
        """
        share, now = min(1.0, max(0.0, fraction)), self._clock()
        if self._style == "none" or not self._due(share, now):
            return
        self._last, self._tenth = now, max(self._tenth, math.floor(share * LINES))
        self._ended = share >= 1
        if self._style == "line":
            self._redraw(self._text(share, now, message))
            return
        told = self._figures(share, now, message)
        text = json.dumps(told) if self._style == "json" else self._text(share, now, message)
        print(text, file=self._out, flush=True)

    def close(self) -> None:
        """End the line that was being redrawn, so that what follows stands on its own."""
        if self._drawn:
            print(file=self._out, flush=True)
        self._drawn = False

    def _due(self, share: float, now: float) -> bool:
        if share >= 1:
            return not self._ended
        if self._style == "line":
            return not self._drawn or now - self._last >= REDRAW_SECONDS
        return math.floor(share * LINES) > self._tenth or now - self._last >= LINE_SECONDS

    def _figures(self, share: float, now: float, message: str) -> dict[str, object]:
        spent = now - self._start
        known: dict[str, object] = {"progress": round(share, 4)}
        if self.total:
            known |= {"bytes": round(share * self.total), "of": self.total}
        sure = spent >= SURE_SECONDS or share >= 1
        if self.total and sure and spent > 0:
            known["bytes_per_second"] = round(share * self.total / spent)
        if share > 0 and sure:
            known["seconds_left"] = round(spent * (1 - share) / share, 1)
        return known | {"doing": message}

    def _text(self, share: float, now: float, message: str) -> str:
        spent = now - self._start
        parts = [f"{share:4.0%}"]
        if self.total:
            parts.append(f"{size_text(share * self.total)} of {size_text(self.total)}")
        sure = spent >= SURE_SECONDS or share >= 1
        if self.total and sure and spent > 0:
            parts.append(f"{size_text(share * self.total / spent)}/s")
        if share >= 1:
            parts.append(f"in {time_text(spent)}")
        elif share > 0 and sure:
            parts.append(f"{time_text(spent * (1 - share) / share)} left")
        return "  ".join([*parts, message])

    def _redraw(self, text: str) -> None:
        width = max(20, self._columns() - 1)
        print(f"\r{text[:width]:{width}}", end="", file=self._out, flush=True)
        self._drawn = True
        if self._ended:
            self.close()
