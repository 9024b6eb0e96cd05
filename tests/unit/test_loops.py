"""The compiled loops of previews against plain numpy, on inputs that ask for trouble."""

from typing import Any

import numpy as np
import pytest
import torch
from builders import checkpoints
from hypothesis import given
from hypothesis import strategies as st

from merging.checkpoints import MemoryCheckpoint
from merging.methods.kernels import trim
from merging.methods.magnitudes import MeasuredMagnitudes
from merging.methods.masks import hash_bits, kept
from merging.recipe import Recipe, make_recipe
from merging.sketch import Sketch, build_sketch
from merging.sketch.loops import TILE
from merging.sketch.tables import Sums
from merging.sketch.work import Worked, carry_out

WIDTHS = (1, 63, 64, 65, TILE - 1, TILE, TILE + 1, 32768)
# Ties everywhere, zeros of both signs, subnormal and large numbers.
VALUES = np.array([0.0, -0.0, 1.0, -1.0, 1.0, 0.5, -0.5, 2.0, 1e-42, -1e-42, 1e18], np.float32)


def deltas_of(experts: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).choice(VALUES, (experts, width))


def sketch_of(deltas: Any) -> Sketch:
    models = {f"e{i}": {"w": torch.from_numpy(row)} for i, row in enumerate(deltas)}
    base = MemoryCheckpoint("base", {"w": torch.zeros(deltas.shape[1])})
    return build_sketch(base, checkpoints(models))


def counts(deltas: Any, marks: Any, votes: Any) -> dict[str, Any]:
    """The counts that a sketch of one tensor should give."""
    left = marks & (deltas != 0)
    said = np.sign(deltas) * left * np.sign(votes)[:, None]
    present = (said != 0).sum(0)
    return {
        "kept": left.sum(1).tolist(),
        "survivors": np.bincount(present, minlength=len(deltas) + 1).tolist(),
        "contested": int(((said > 0).any(0) & (said < 0).any(0)).sum()),
    }


def told(worked: Worked) -> dict[str, Any]:
    sums = worked.sums
    return {n: getattr(sums, n)[0].tolist() for n in ("kept", "survivors", "contested")}


def recipe_of(method: str, experts: int, weights: Any = None, **params: Any) -> Recipe:
    given = weights if weights is not None else [1.0] * experts
    return make_recipe(method, {f"e{i}": w for i, w in enumerate(given)}, params=params)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("experts", [1, 3, 9])
@pytest.mark.parametrize("rule", ["authors", "exact", "at_least_one", "strict"])
def test_marks_are_those_of_the_trim(width: int, experts: int, rule: str) -> None:
    deltas = deltas_of(experts, width)
    sketch, stack = sketch_of(deltas), torch.from_numpy(deltas)
    for density in (0.0, 0.01, 0.5, 0.73, 1.0):
        recipe = recipe_of("ties", experts, density=density, trim_rule=rule, trim_scope="tensor")
        trimmed = trim(stack, [density] * experts, rule, MeasuredMagnitudes(stack))
        right = counts(deltas, (trimmed != 0).numpy(), np.ones(experts))
        assert told(carry_out(sketch, recipe)) == right


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("experts", [1, 3, 9])
def test_marks_are_those_of_the_masks(width: int, experts: int) -> None:
    deltas = deltas_of(experts, width, seed=1)
    sketch = sketch_of(deltas)
    bits = torch.stack([hash_bits(0, "w", f"e{i}", 0, width) for i in range(experts)])
    for rate in (0.0, 0.3, 0.99, 1 - 2.0**-40):
        recipe = recipe_of("dare", experts, drop_rate=rate)
        marks = kept(bits, rate).numpy() if rate else np.ones(deltas.shape, np.bool_)
        assert told(carry_out(sketch, recipe)) == counts(deltas, marks, np.ones(experts))


@given(st.lists(st.sampled_from((0.0, -1.0, 0.5, 2.0, -0.25)), min_size=1, max_size=9))
def test_weights_decide_who_has_a_say(weights: list[float]) -> None:
    deltas = deltas_of(len(weights), 65, seed=2)
    recipe = recipe_of("task_arithmetic", len(weights), weights)
    right = counts(deltas, np.ones(deltas.shape, np.bool_), np.array(weights))
    assert told(carry_out(sketch_of(deltas), recipe)) == right


@given(st.integers(1, 9), st.sampled_from(WIDTHS[:-1]), st.booleans(), st.integers(0, 99))
def test_values_by_numpy(experts: int, width: int, plus: bool, seed: int) -> None:
    """Task arithmetic with weights of both signs, summed in double precision."""
    source = np.random.default_rng(seed)
    deltas = (source.integers(-3, 4, (experts, width)) / 4).astype(np.float32)
    weights = source.choice([0.5, 1.0, 2.0] if plus else [0.5, -1.0, 0.0], experts)
    pinned = source.integers(-1, 2, width).astype(np.int8)
    recipe = recipe_of("task_arithmetic", experts, weights.tolist(), scale=1.0)
    worked = carry_out(sketch_of(deltas), recipe, pinned, change=True)
    pull = deltas.astype(np.float64) * weights[:, None]
    merged = pull.sum(0)
    along = pull * np.sign(merged)
    won = along.clip(0) * ((along > 0).any(0) & (along < 0).any(0))
    right = {
        "flips": (np.sign(merged) * pinned < 0).sum(), "fought": (won > 0).any(0).sum(),
        "kept2": (deltas.astype(np.float64) ** 2).sum(1), "moved2": (merged**2).sum(),
        "kept4": (deltas.astype(np.float64) ** 4).sum(1), "moved4": (merged**4).sum(),
        "won": won.sum(1), "won2": (won**2).sum(1), "won_all": (won * won.sum(0)).sum(1),
        "all2": (won.sum(0) ** 2).sum(),
    }  # fmt: skip
    assert (worked.change == merged).all()
    for name, value in right.items():
        assert getattr(worked.sums, name)[0] == pytest.approx(value, rel=1e-5), name


def test_every_sum_starts_at_nothing() -> None:
    """Parts that are done again, for a vote guessed wrong, are not counted twice."""
    sketch = sketch_of(np.array([[1, -1, -1, -3], [-1, 1, -1, -3]], np.float32))
    recipe = recipe_of("ties", 2, density=1.0, trim_scope="tensor")
    first, again = carry_out(sketch, recipe, change=True), carry_out(sketch, recipe, change=True)
    assert first.change.tolist() == again.change.tolist() == [-1, -1, -1, -3]
    for name in Sums._fields:
        assert (getattr(first.sums, name) == getattr(again.sums, name)).all()
    assert first.sums.tied.tolist() == [2] and first.sums.balance.tolist() == [-2]
