"""``python -m merging.conformance``."""

import sys

from merging.conformance.cases import main

sys.exit(main())
