"""The command line: ``python -m merging merge RECIPE --out DIR``, ``dialects RECIPE``, ``docs``.

Exit codes: 0 done, 1 the recipe, the models or the disk refused, 2 wrong usage, 130 interrupted.
"""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from merging.checkpoints import FolderCheckpoint, open_folder
from merging.dialects import Comparison, compare, compare_models
from merging.engine import make_plan, run
from merging.engine.output import write_model
from merging.errors import MergeError, ResourceError, SourceError
from merging.experiment import merge_recipe
from merging.methods import registry
from merging.methods.reference import reference
from merging.recipe import Recipe, parse_recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m merging", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    merge = commands.add_parser("merge", help="merge a recipe into a model folder")
    merge.add_argument("--out", type=Path, required=True, help="folder to write; must be new")
    dialects = commands.add_parser("dialects", help="tell where implementations of a method part")
    for command in (merge, dialects):
        command.add_argument("recipe", type=Path, help="YAML of format merge-explorer/1")
        command.add_argument("--device", help="cpu or cuda; the best there is by default")
    docs = commands.add_parser("docs", help="write the method reference from the declarations")
    docs.add_argument("--out", type=Path, required=True, help="file to write; replaced if there")
    options = parser.parse_args(arguments)
    try:
        if options.command == "merge":
            merge_file(options.recipe, options.out, options.device)
        elif options.command == "dialects":
            print(dialects_of_file(options.recipe, options.device))
        else:
            write_reference(options.out)
    except MergeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def merge_file(path: Path, out: Path, device: str | None = None) -> None:
    """Merge a recipe file into a model folder.

    The recipe names a bundled set, or paths of the base and the experts, relative to the recipe.

    Args:
        path: The recipe.
        out: Folder to write.
        device: Where to compute.

    Raises:
        MergeError: The recipe, the models or the disk refuse; nothing is written then.
    """
    recipe = _recipe(path)
    if recipe.set is not None:
        opened, outcome = merge_recipe(recipe, _show, device=device)
        reference = opened.base
    else:
        base, experts = _folders(recipe, path.parent)
        plan = make_plan(recipe, base, experts)
        reference = base or experts[plan.recipe.experts[0].id]
        outcome = run(plan, _show, device)
    write_model(outcome, reference.config(), out, str(path.resolve().parent))
    merged = sum(r.action == "merge" for r in outcome.report)
    other = len(outcome.report) - merged
    print(
        f"wrote {out}: {merged} tensors merged, {other} copied or left out, "
        f"{outcome.seconds:.2f} s on {outcome.device}"
    )


def dialects_of_file(path: Path, device: str | None = None) -> str:
    """Return a table of where the dialects of a recipe's method part on its models.

    Args:
        path: The recipe; models are found as in ``merge_file``.
        device: Where to compute.

    Raises:
        MergeError: The recipe or the models refuse.
    """
    recipe = _recipe(path)
    if recipe.set is not None:
        found = compare(recipe, _show, device=device)
    else:
        found = compare_models(recipe, *_folders(recipe, path.parent), _show, device)
    return comparison_table(recipe, found)


def comparison_table(recipe: Recipe, found: tuple[Comparison, ...]) -> str:
    """Return comparisons as text: options of each dialect, then a line per tensor."""
    if not found:
        return f"{recipe.spec.label} has one dialect only: {recipe.dialect}."
    return "\n\n".join("\n".join(_lines(recipe, c)) for c in found)


def _lines(recipe: Recipe, found: Comparison) -> Iterator[str]:
    yield f"{recipe.spec.label}: {recipe.dialect} against {found.dialect}"
    for option in found.options:
        yield f"  {option.name}: {option.ours} here, {option.theirs} there"
    if not found.options:
        yield "  no option differs that the recipe leaves open"
    if found.whole is None:
        yield f"  refused: {found.refused}"
        return
    rows = {"whole model": found.whole, **found.tensors}
    width = max(map(len, rows))
    yield f"  {'':{width}}  {'difference':>11}  {'largest':>9}  {'signs':>7}"
    for name, gap in rows.items():
        apart = f"{gap.relative:.2%}" if math.isfinite(gap.relative) else "no change"
        yield f"  {name:{width}}  {apart:>11}  {gap.largest:9.2e}  {gap.signs:7.2%}"


def _recipe(path: Path) -> Recipe:
    try:
        return parse_recipe(path.read_text("utf-8"))
    except OSError as error:
        raise SourceError(f"Cannot read the recipe {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{str(path)!r} is not text. Give a recipe in YAML.") from error


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
    print(f"wrote {path}: {len(registry.METHODS)} methods")


def _folders(
    recipe: Recipe, beside: Path
) -> tuple[FolderCheckpoint | None, dict[str, FolderCheckpoint]]:
    base = open_folder(beside / recipe.base, recipe.base) if recipe.base else None
    return base, {e.id: open_folder(beside / e.id, e.id) for e in recipe.experts}


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        end = "\n" if fraction >= 1 else ""
        print(f"\r{fraction:4.0%}  {message[:70]:70}", end=end, file=sys.stderr, flush=True)
