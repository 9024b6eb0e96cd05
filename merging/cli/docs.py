"""``docs --out FILE``: write the method reference from the declarations."""

import os
import tempfile
from pathlib import Path

from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.errors import ResourceError
from merging.methods import registry
from merging.methods.reference import reference


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Write the reference and say so.

    Raises:
        ResourceError: The file cannot be written.
    """
    write_reference(options.out)
    count = len(registry.METHODS)
    return Answer(f"wrote {options.out}: {count} methods", {"file": options.out, "methods": count})


def write_reference(path: Path) -> None:
    """Write the method reference under a temporary name beside its place, then rename it.

    Args:
        path: File to write, in a folder that exists; an older file is replaced.

    Raises:
        ResourceError: The file cannot be written; an older one is left as it was.
    """
    partial = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=".docs.", delete=False
        ) as file:
            partial = Path(file.name)
            file.write(reference(registry.METHODS))
        partial.chmod(0o644)
        os.replace(partial, path)
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise ResourceError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
