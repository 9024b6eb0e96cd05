"""``python -m merging``: the command line."""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from merging.cli import main


def leave(code: int) -> NoReturn:
    """End the process at once; to take libraries down in order would take a third of a second.

    All that was written is closed by now, and no thread is at work.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it is gone
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing is left
    try:
        code = main()
    except SystemExit as usage:
        code = usage.code if isinstance(usage.code, int) else 1
    leave(code)
