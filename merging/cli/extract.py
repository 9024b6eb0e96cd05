"""``extract --base DIR --expert MODEL --out FILE``: store a task vector as a small file."""

from dataclasses import asdict
from pathlib import Path

from merging.checkpoints import open_folder
from merging.checkpoints.opening import open_model
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.engine.extract import Extracted, Packing, extract
from merging.errors import RecipeError
from merging.units import size_text


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Extract a delta and say how large it is and what it lost.

    Raises:
        RecipeError: Not exactly one of ``--rank``, ``--density`` and ``--bits`` is given.
        MergeError: The models or the disk refuse; nothing is written then.
    """
    packing = packing_of(options)
    base = open_folder(options.base, str(options.base))
    expert = open_model(options.expert, Path(), base)
    found = extract(base, expert, packing, options.out, progress)
    data = asdict(found) | {
        "file": options.out,
        "kind": packing.kind,
        "setting": packing.setting,
        "left_out": dict(found.left_out),
    }
    return Answer(_text(found), data)


def packing_of(options: Options) -> Packing:
    """Return how to store a delta.

    Raises:
        RecipeError: Not exactly one way is given, or its value is out of range.
    """
    ways = {"rank": options.rank, "density": options.density, "bits": options.bits}
    given = {kind: value for kind, value in ways.items() if value is not None}
    if len(given) != 1:
        said = f"{' and '.join(f'--{kind}' for kind in given)} are" if given else "none is"
        raise RecipeError(f"Give one of --rank, --density and --bits; {said} given.")
    ((kind, value),) = given.items()
    return Packing(kind, value)


def _text(found: Extracted) -> str:
    lines = [
        f"wrote {found.file}: {size_text(found.size)}, {found.tensors} tensors",
        f"  lost {found.loss:.2%} of the task vector's length; most in {found.worst_tensor}: "
        f"{found.worst:.2%}",
    ]
    lines += [f"  left out {name}: {why}" for name, why in found.left_out]
    return "\n".join(lines)
