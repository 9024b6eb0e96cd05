"""What the rows of the bench share: the work, as our recipe and as mergekit's, and how to time it.

mergekit runs as a user with a processor would start it: its own command ``mergekit-yaml`` with its
defaults, ``dtype: float32`` (so that it computes in float32, as we always do) and ``out_dtype:
bfloat16``. ``--no-copy-tokenizer`` and ``--no-write-model-card`` spare it what has nothing to do
with weights, and ``--quiet`` its progress bars. Our recipes leave ``dtype`` out: it names the type
of what is written, which is the base's, bfloat16, when it is left out.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from merging.recipe import Recipe, make_recipe, write_recipe
from scripts.bench_models import SIZES, Family, Size, make_family
from scripts.bench_process import ROOT, python

# Binary fractions: votes cancel exactly or not at all, in any order of addition.
WEIGHTS = (1.0, 0.75, 0.5, 0.25)
SCALE = 0.5
DENSITY = 0.3
CROSS = "MERGE_EXPLORER_CROSS_PYTHON"
MERGEKIT = "0.1.5"
NO_MERGEKIT = "mergekit is not installed"
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Task:
    """A merge, in both tongues.

    Attributes:
        name: For tables.
        method: Of ours and, by the same name, mergekit's.
        params: Ours.
        theirs: mergekit's parameters of each model, beside its weight.
        dialect: Of our recipe.
    """

    name: str
    method: str
    params: Mapping[str, float] = field(default_factory=dict)
    theirs: Mapping[str, float] = field(default_factory=dict)
    dialect: str = "mergekit"

    def recipe(self, family: Family, scale: float = SCALE, seed: int = 0) -> Recipe:
        """Return our recipe; its paths count from the family's folder."""
        weights = {e: WEIGHTS[i % len(WEIGHTS)] for i, e in enumerate(family.experts)}
        params = {**self.params, "scale": scale}
        fields: dict[str, Any] = {"base": "base", "dialect": self.dialect, "seed": seed}
        return make_recipe(self.method, weights, params=params, **fields)

    def config(self, family: Family) -> dict[str, Any]:
        """Return mergekit's configuration."""
        models = [
            {
                "model": str((family.folder / expert).resolve()),
                "parameters": {"weight": WEIGHTS[i % len(WEIGHTS)], **self.theirs},
            }
            for i, expert in enumerate(family.experts)
        ]
        return {
            "merge_method": self.method,
            "base_model": str((family.folder / "base").resolve()),
            "models": models,
            "parameters": {"lambda": SCALE},
            "dtype": "float32",
            "out_dtype": "bfloat16",
        }


TIES = Task("TIES", "ties", {"density": DENSITY}, {"density": DENSITY})
DARE_TIES = Task("DARE-TIES", "dare_ties", {"drop_rate": 1 - DENSITY}, {"density": DENSITY})
TASK_ARITHMETIC = Task("task arithmetic", "task_arithmetic")
TIES_PAPER = Task("TIES, dialect paper", "ties", {"density": DENSITY}, dialect="paper")


@dataclass(frozen=True)
class Bench:
    """Options of one run, and where it works.

    Attributes:
        root: Work folder; models are kept there from run to run.
        size: Of the models.
        large: Whether rows may also work at 1.1 B.
        repeats: How often each thing is timed; mergekit 3 times at most.
        mergekit: Interpreter that has mergekit, or None.
    """

    root: Path
    size: Size
    large: bool = False
    repeats: int = 5
    mergekit: str | None = None

    @property
    def their_repeats(self) -> int:
        """How often mergekit is timed."""
        return min(3, self.repeats)

    def family(self, experts: int = 4, size: Size | None = None) -> Family:
        """Return models, made when they are not there yet."""
        return make_family(self.root, size or self.size, experts)

    def sizes(self) -> tuple[Size, ...]:
        """Return the sizes to work at."""
        return (self.size, SIZES["1.1b"]) if self.large else (self.size,)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a folder that is gone afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="out-", dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def our_command(recipe: Path, out: Path) -> list[str]:
    """Return the command of our merge."""
    return python("-m", "merging", "merge", recipe, "--out", out, "--device", "cpu", "--no-verify")


def their_command(interpreter: str, config: Path, out: Path) -> list[str]:
    """Return the command of mergekit's merge: what ``mergekit-yaml`` starts."""
    options = ["--no-copy-tokenizer", "--no-write-model-card", "--quiet", "--random-seed", "0"]
    return [interpreter, "-m", "mergekit.scripts.run_yaml", str(config), str(out), *options]


def save_recipe(family: Family, recipe: Recipe) -> Path:
    """Write a recipe beside the models, from where its paths count."""
    path = family.folder / f"{recipe.key()}.yaml"
    path.write_text(write_recipe(recipe), "utf-8")
    return path


def save_config(family: Family, task: Task) -> Path:
    """Write mergekit's configuration of a task."""
    path = family.folder / f"mergekit-{task.method}-{len(family.experts)}.yml"
    path.write_text(yaml.safe_dump(task.config(family)), "utf-8")
    return path


def find_mergekit() -> str | None:
    """Return the interpreter that ``scripts/cross-env`` made, or None without mergekit 0.1.5."""
    named = os.environ.get(CROSS) or str(ROOT / ".work" / "cross" / "bin" / "python")
    ask = "from importlib.metadata import version; print(version('mergekit'))"
    try:
        told = subprocess.run([named, "-c", ask], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return named if told.stdout.strip() == MERGEKIT else None


def alternating(*works: tuple[Callable[[], T], int]) -> tuple[list[T], ...]:
    """Call works in turns, first, second, first, second, ..., each its number of times.

    Returns:
        What each work returned, in order.
    """
    found: tuple[list[T], ...] = tuple([] for _ in works)
    for turn in range(max(times for _, times in works)):
        for kept, (work, times) in zip(found, works, strict=True):
            if turn < times:
                kept.append(work())
    return found


def median(values: Sequence[float | int | None]) -> float | None:
    """Return the median of what was measured, or None where nothing was."""
    found = [v for v in values if v is not None]
    return statistics.median(found) if found else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return one over the other, to four digits after the point, or None."""
    return round(ours / theirs, 4) if ours is not None and theirs else None
