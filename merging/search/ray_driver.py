"""The process that speaks with Ray: orders in by lines of JSON, answers out. Only it knows Ray.

It is a process of its own because Ray's client ends the process it lives in when the cluster's
head is gone for a minute; here that is not the app. ``merging.search.cluster`` starts it.

    python -m merging.search.ray_driver ADDRESS

What goes through it is text. Ray itself pickles between its own processes.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from merging.search.node import score_point

RETRIES = 6  # of a point whose worker or node is lost
PATIENCE = 1.0  # s before the first of them, each time twice as long: a dead node is noticed late
AHEAD = 2  # points in flight for each core, so that no core waits for the next
LOOK = 0.05  # s between two looks at what was asked
PULSE = 2.0  # s between two looks at whether the node this process hangs on still lives

Tell = Callable[[dict[str, Any]], None]
Asked = SimpleQueue[dict[str, Any] | None]


def main(arguments: list[str]) -> int:
    """Serve orders until standard input ends; return the exit code."""
    tell, asked = _speaker(), _listener()
    try:
        ray = _connected(arguments[0])
    except Exception as error:  # Ray raises many kinds
        tell({"failed": f"{type(error).__name__}: {error}"[:500]})
        return 1
    tell({"ready": True})
    try:
        while (order := asked.get()) is not None:
            if "recipes" in order and not _Points(ray, order, asked, tell).run():
                os._exit(2)  # without its node, Ray neither answers nor shuts down
    finally:
        ray.shutdown()
    return 0


class _Points:
    """The points of one order: a bounded number in flight, told as they are done."""

    def __init__(self, ray: Any, order: dict[str, Any], asked: Asked, tell: Tell) -> None:
        self._ray, self._asked, self._tell = ray, asked, tell
        self._task = ray.remote(num_cpus=1, max_retries=0)(score_point)
        recipes = order.pop("recipes")
        self._texts = [json.dumps({**order, "recipe": recipe}) for recipe in recipes]
        self._todo = [(0.0, index) for index in range(len(recipes))]  # not before, which
        self._lost: Counter[int] = Counter()
        self._flying: dict[Any, int] = {}
        self._home, self._pulse = ray.get_runtime_context().get_node_id(), time.monotonic()

    def run(self) -> bool:
        """Do all points, or stop when something else is asked; False when our node is dead."""
        while self._todo or self._flying:
            if not self._alive():
                return False
            self._fill()
            if not self._flying:
                time.sleep(LOOK)
            done = self._ray.wait(list(self._flying), timeout=LOOK)[0] if self._flying else []
            for reference in done:
                self._land(reference)
            if not self._asked.empty():
                self._cancel()
                break
        self._tell({"ended": True})
        return True

    def _alive(self) -> bool:
        now = time.monotonic()
        if now < self._pulse + PULSE:
            return True
        self._pulse = now
        return any(n["NodeID"] == self._home and n["Alive"] for n in self._ray.nodes())

    def _fill(self) -> None:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        now = time.monotonic()
        room = AHEAD * max(1, cores) - len(self._flying)
        for entry in [entry for entry in self._todo if entry[0] <= now][: max(0, room)]:
            self._todo.remove(entry)
            self._flying[self._task.remote(self._texts[entry[1]])] = entry[1]

    def _land(self, reference: Any) -> None:
        """Tell what a point answered, or put one whose worker was lost back."""
        index = self._flying.pop(reference)
        try:
            self._tell({"index": index, **dict(json.loads(self._ray.get(reference)))})
        except self._ray.exceptions.RayError as error:
            if self._lost[index] < RETRIES:
                self._todo.append((time.monotonic() + PATIENCE * 2 ** self._lost[index], index))
                self._lost[index] += 1
            else:
                self._tell({"index": index, "lost": str(error).strip().splitlines()[-1][:300]})

    def _cancel(self) -> None:
        for reference in self._flying:
            self._ray.cancel(reference)


def _connected(address: str) -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False)
    return ray


def _speaker() -> Tell:
    """Keep standard output for us; what Ray prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=out, flush=True)

    return tell


def _listener() -> Asked:
    asked: Asked = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            asked.put(json.loads(line))
        asked.put(None)

    threading.Thread(target=listen, daemon=True).start()
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
