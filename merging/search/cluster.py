"""A Ray cluster as the source of points, through a process that speaks with it.

Neither this module nor the app imports Ray; see ``merging.search.ray_driver``.
"""

import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from math import inf
from typing import Any

from merging.errors import MergeError, ResourceError
from merging.jobs import Report
from merging.recipe import Recipe, write_recipe
from merging.search.driver import Driver
from merging.search.fingerprint import code_fingerprint, set_fingerprint
from merging.search.measure import SetMeasure
from merging.search.node import unpacked
from merging.search.source import Scored, Source

log = logging.getLogger(__name__)

VARIABLE = "MERGE_EXPLORER_RAY"
ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]{1,253}):(?P<port>\d{1,5})")
START = 60.0  # s until the process is connected
KNOCK = 3.0  # s for an answer of the cluster's port
STARTS = 7  # of the process for one order: it ends with the node of this machine
PAUSE = 1.0  # s before the second, then twice as long each time: a dead node is noticed late
LOOK = 0.05  # s between two looks while pausing
NOT_REACHED = (
    f"The Ray cluster that {VARIABLE} names cannot be reached: {{why}}. Start it (a node must run "
    "on this machine too), or start Merge explorer without the variable."
)
LOST = (
    "The Ray cluster was lost after {done} of {total} points. What is done is kept. Try again "
    "when the cluster is back."
)


class Closed(ResourceError):
    """Nothing listens where the cluster's head was."""


class Cluster:
    """Scores recipes on the nodes of a Ray cluster; one order at a time, from any thread.

    Attributes:
        ran: The worker of each point of the last order and the seconds it took there, in the
            order they were done.
    """

    def __init__(self, address: str, command: Sequence[str] | None = None) -> None:
        """Remember where the cluster is; it is reached when first needed.

        Args:
            address: ``host:port`` of the head node, or ``auto`` for one on this machine.
            command: Starts the process that speaks with it, by default ours.

        Raises:
            ResourceError: It is no such address.
        """
        if address != "auto" and not ADDRESS.fullmatch(address):
            raise ResourceError(
                f"{VARIABLE} is {address!r:.80}; it must be host:port of a Ray cluster's head, "
                "or auto for one on this machine."
            )
        ours = (sys.executable, "-m", "merging.search.ray_driver", address)
        self.address, self._command = address, tuple(command or ours)
        self.ran: list[tuple[str, float]] = []
        self._turn = threading.Lock()
        self._driver: Driver | None = None
        self._contents: dict[str, str] = {}

    def source(self, measure: SetMeasure) -> Source:
        """Return what scores recipes of a set on the tuning half, on the cluster.

        Answers come in the order they are done and equal those of the measure. Points of a worker
        that is lost are run again, also when it is lost with this machine's own node. A node whose
        files of the set, or whose version of this library, differ from those here refuses its
        points in words. When the generator is closed or ``report`` raises, points on the nodes are
        cancelled.

        Args:
            measure: Says which set and items; it is not asked to score.

        Raises:
            ResourceError: While scoring: the cluster cannot be reached, or is lost.
        """

        def scored(recipes: Sequence[Recipe], report: Report) -> Generator[Scored, None, None]:
            with self._turn:
                yield from self._all(self._order(measure, recipes), report)

        return scored

    def close(self) -> None:
        """End the process that speaks with the cluster."""
        with self._turn:
            if self._driver is not None:
                self._driver.close()
            self._driver = None

    def _order(self, measure: SetMeasure, recipes: Sequence[Recipe]) -> dict[str, Any]:
        opened = measure.opened
        if opened.id not in self._contents:
            self._contents[opened.id] = set_fingerprint(opened)
        return {
            "set": opened.id,
            "content": self._contents[opened.id],
            "code": code_fingerprint(),
            "items": measure.items,
            "recipes": [write_recipe(recipe) for recipe in recipes],
        }

    def _ready(self, report: Report) -> Driver:
        """Return the running process, started anew where it is gone."""
        if self._driver is not None:
            if not self._driver.gone:
                return self._driver
            self._driver.close()
        self._knock()
        driver = Driver(self._command)
        try:
            first = driver.hear(START, partial(report, 0, "reach the cluster"))
        except BaseException:
            driver.close()
            raise
        if not first.get("ready"):
            driver.close()
            why = first.get("failed", f"no answer within {START:g} s")
            log.warning("the Ray cluster at %s: %s", self.address, why)
            raise ResourceError(NOT_REACHED.format(why="Ray refuses, the server's log says why"))
        self._driver = driver
        return driver

    def _knock(self) -> None:
        match = ADDRESS.fullmatch(self.address)
        if match is None:
            return
        try:
            socket.create_connection((match["host"], int(match["port"])), KNOCK).close()
        except (OSError, OverflowError) as error:
            log.warning("the Ray cluster at %s: %s", self.address, error)
            raise Closed(NOT_REACHED.format(why="nothing answers there")) from error

    def _all(self, order: dict[str, Any], report: Report) -> Generator[Scored, None, None]:
        """Yield all answers; what a process leaves undone, the next one does."""
        recipes, left = order["recipes"], list(range(len(order["recipes"])))
        self.ran = []
        for start in range(STARTS):
            if start:
                _pause(PAUSE * 2 ** (start - 1), partial(report, 1 - len(left) / len(recipes)))
            try:
                driver = self._ready(report)
            except ResourceError as error:
                if start == 0:
                    raise
                if isinstance(error, Closed):
                    break
                continue
            driver.say(order | {"recipes": [recipes[index] for index in left]})
            try:
                for place, told in self._told(driver, left, len(recipes), report):
                    yield place, _found(told)
            finally:
                driver.settle()
            if not left:
                return
        done = len(recipes) - len(left)
        raise ResourceError(LOST.format(done=done, total=len(recipes)))

    def _told(
        self, driver: Driver, left: list[int], total: int, report: Report
    ) -> Generator[tuple[int, dict[str, Any]], None, None]:
        """Take what a process answers off what is left, until it ends or says nonsense."""
        asked = list(left)
        while left:
            told = driver.hear(inf, partial(report, 1 - len(left) / total, "score elsewhere"))
            index = told.get("index")
            place = -1
            if isinstance(index, int) and 0 <= index < len(asked):
                place = asked[index]
            if place not in left:
                log.warning("the process that speaks with Ray said %.200r", told)
                return driver.close()
            left.remove(place)
            self.ran.append((str(told.get("worker", "")), float(told.get("seconds", 0.0))))
            yield place, told


def _pause(seconds: float, report: Callable[[str], None]) -> None:
    """Wait; ``report`` may raise ``Cancelled``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        report("wait for the cluster")
        time.sleep(LOOK)


def named_cluster() -> Cluster | None:
    """Return the cluster that ``MERGE_EXPLORER_RAY`` names, or None.

    Raises:
        ResourceError: It names none.
    """
    address = os.environ.get(VARIABLE, "").strip()
    return Cluster(address) if address else None


def _found(told: dict[str, Any]) -> Any:
    """Return the answers of a point, or why there are none."""
    if "error" in told:
        return MergeError(str(told["error"]))
    if "lost" in told:
        return ResourceError(f"its worker was lost again and again: {told['lost']}")
    if "broken" in told:
        what = str(told["broken"])
        return MemoryError() if what == "memory" else RuntimeError(what)
    try:
        return unpacked(told.get("answers"))
    except MergeError as error:
        return error
