"""Compare every method with outputs of the reference implementations.

Reads a directory in the format of the golden vectors (``index.json``, inputs and outputs as
safetensors), runs each case through the public registry and prints a line a case. ``source``
selects the variant, ``method`` and ``params`` its options.

    python -m merging.conformance DIR [--only GLOB] [--json]
"""

from merging.conformance.cases import Result, check, check_case, main
from merging.conformance.readers import read_case

__all__ = ["Result", "check", "check_case", "main", "read_case"]
