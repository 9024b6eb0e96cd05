"""The process that speaks with a cluster, seen from ours: lines of JSON to it and from it."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import merging

ROOT = Path(merging.__file__).resolve().parents[1]
STOP = 5.0  # s until its points have stopped, and until it has ended
LOOK = 0.05  # s between two looks while waiting

Message = dict[str, Any]


class Driver:
    """A running process; what it says is kept until somebody hears it.

    Attributes:
        gone: It has ended, or said something that is no message.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Start it.

        Args:
            command: Program and arguments; it runs where ``merging`` can be imported.
        """
        self.gone = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl+C is for the app, which then closes this
        )
        self._heard: SimpleQueue[Message] = SimpleQueue()
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def say(self, message: Message) -> None:
        """Send a message; where the process has ended, ``hear`` tells."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def hear(self, seconds: float, look: Callable[[], None] = lambda: None) -> Message:
        """Return the next message; an empty one when the process is gone or time is up.

        Args:
            seconds: To wait at most.
            look: Called again and again while waiting, at least once; it may raise.
        """
        end = time.monotonic() + seconds
        while True:
            look()
            try:
                return self._heard.get(timeout=LOOK)
            except Empty:
                if self.gone or time.monotonic() > end:
                    return {}

    def settle(self) -> None:
        """Stop the order at work, if there is one; end a process that does not."""
        if self.gone:
            return self.close()
        self.say({"stop": True})
        end = time.monotonic() + STOP
        while not self.gone and time.monotonic() < end:
            if "ended" in self.hear(LOOK):
                return
        self.close()

    def close(self) -> None:
        """End the process, which cancels its points."""
        self.gone = True
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ear.join(STOP)
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                break
            if not isinstance(message, dict):
                break
            self._heard.put(message)
        self.gone = True
