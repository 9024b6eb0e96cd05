"""The command line: ``python -m merging merge RECIPE --out DIR``.

Exit codes: 0 done, 1 the recipe, the models or the disk refused, 2 wrong usage, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from merging.checkpoints import FolderCheckpoint, open_folder
from merging.engine import make_plan, run
from merging.engine.output import write_model
from merging.errors import MergeError, SourceError
from merging.experiment import merge_recipe
from merging.recipe import Recipe, parse_recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m merging", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    merge = commands.add_parser("merge", help="merge a recipe into a model folder")
    merge.add_argument("recipe", type=Path, help="YAML of format merge-explorer/1")
    merge.add_argument("--out", type=Path, required=True, help="folder to write; must be new")
    merge.add_argument("--device", default=None, help="cpu or cuda; the best there is by default")
    options = parser.parse_args(arguments)
    try:
        merge_file(options.recipe, options.out, options.device)
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
    try:
        recipe = parse_recipe(path.read_text("utf-8"))
    except OSError as error:
        raise SourceError(f"Cannot read the recipe {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{str(path)!r} is not text. Give a recipe in YAML.") from error
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


def _folders(
    recipe: Recipe, beside: Path
) -> tuple[FolderCheckpoint | None, dict[str, FolderCheckpoint]]:
    base = open_folder(beside / recipe.base, recipe.base) if recipe.base else None
    return base, {e.id: open_folder(beside / e.id, e.id) for e in recipe.experts}


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        end = "\n" if fraction >= 1 else ""
        print(f"\r{fraction:4.0%}  {message[:70]:70}", end=end, file=sys.stderr, flush=True)
