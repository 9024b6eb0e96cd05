"""``python -m merging``: the command line."""

import signal
import sys

from merging.cli import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing is left
    sys.exit(main())
