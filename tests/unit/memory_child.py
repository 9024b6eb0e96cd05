"""Runs the command line and says how much anonymous memory it held at the peak.

Usage: python -m tests.unit.memory_child ARGUMENT... Prints a line of JSON in the end: bytes
``before`` the command began, when all that computes was loaded, and at the ``peak``.
"""

import json
import sys
import threading
from importlib import import_module
from pathlib import Path

PAUSE = 0.0005  # seconds between two looks
LOADED = ("merging.methods.compiled", "merging.engine.commit", "merging.cli")


def anonymous() -> int:
    """Bytes of anonymous memory that are resident in this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise LookupError("RssAnon")


class Watch(threading.Thread):
    """Looks again and again, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.over = anonymous(), threading.Event()

    def run(self) -> None:
        while not self.over.wait(PAUSE):
            self.peak = max(self.peak, anonymous())


def main(arguments: list[str]) -> int:
    for name in LOADED:
        import_module(name)
    before, watch = anonymous(), Watch()
    watch.start()
    code = int(import_module("merging.cli").main(arguments))
    watch.over.set()
    watch.join()
    print(json.dumps({"before": before, "peak": watch.peak}))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
