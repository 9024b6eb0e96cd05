"""One merge from recipe file to folder, in a process of its own: ``RECIPE --out DIR``.

Prints the seconds from before the recipe is read to after the last file is written, without the
start of the interpreter and its imports. The bench runs it to know the time less start-up, and the
memory of a fresh process.
"""

import argparse
import sys
import time
from pathlib import Path

from merging.checkpoints import open_folder
from merging.engine import make_plan
from merging.engine.commit import commit
from merging.engine.plan import Plan
from merging.recipe import parse_recipe


def merge(recipe: Path, out: Path) -> float:
    """Merge and write; return the seconds."""
    begin = time.perf_counter()
    plan = planned(recipe)
    commit(plan, out)
    return time.perf_counter() - begin


def planned(path: Path) -> Plan:
    """Open the models of a recipe file and plan its merge."""
    recipe = parse_recipe(path.read_text("utf-8"))
    base = open_folder(path.parent / recipe.base) if recipe.base else None
    return make_plan(
        recipe, base, {e.id: open_folder(path.parent / e.id, e.id) for e in recipe.experts}
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    print(merge(options.recipe, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
