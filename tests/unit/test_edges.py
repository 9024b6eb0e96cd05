"""Every method of the registry at the edges: a defined limit, or a refusal that says why.

Models with nothing to merge, nothing to agree on, no length, no experts but one; weights that
cancel or are negative; every parameter at both ends of its range. Never NaN, never a stray error.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import PLAIN, State, checkpoints, context, same_bits
from test_laws import OWN
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.errors import CompatibilityError, MergeError, ParameterError
from merging.methods.params import Param
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.recipe import Expert, Recipe

# Matrices thin, square and empty, kernels, vectors and a single number.
SHAPES: dict[str, tuple[int, ...]] = {
    "conv.weight": (2, 3, 2, 2),
    "embed.weight": (5, 4),
    "empty.weight": (0, 3),
    "layers.0.mlp.fc1.bias": (6,),
    "layers.0.mlp.fc1.weight": (6, 4),
    "layers.0.mlp.fc2.weight": (4, 6),
    "layers.1.column.weight": (4, 1),
    "layers.1.single.weight": (1, 1),
    "logit_scale": (),
    "norm.weight": (4,),
    "void.weight": (2, 0),
}
ALL = [m.id for m in PLAIN]
WEIGHTED = [m.id for m in PLAIN if m.weighted]
OTHER_WIDTH = ("pleas",)


def noise(seed: int, size: float = 1.0) -> State:
    source = torch.Generator().manual_seed(seed)
    return {n: torch.randn(s, generator=source) * size for n, s in SHAPES.items()}


def plus(one: State, other: State, factor: float = 1.0) -> State:
    return {n: t + factor * other[n] for n, t in one.items()}


def masked(state: State, keep: int) -> State:
    """Every third number, counted from ``keep``; the rest is zero."""
    return {
        n: t * (torch.arange(t.numel()) % 3 == keep).to(t.dtype).reshape(t.shape)
        for n, t in state.items()
    }


def without_rows(state: State) -> State:
    """The same with the first row, filter or half of each tensor at zero."""
    return {n: torch.cat([t[:1] * 0, t[1:]]) if t.dim() else t * 0 for n, t in state.items()}


def signs(seed: int) -> State:
    return {n: t.sign() * 0.5 for n, t in noise(seed).items()}


BASE = noise(0)
ZERO = {n: torch.zeros(s) for n, s in SHAPES.items()}
TRIO = [plus(BASE, noise(seed, 0.1)) for seed in (1, 2, 3)]


class Statistics:
    """Fisher diagonals and Gram matrices: random, or all zero."""

    def __init__(self, size: float = 1.0) -> None:
        self.size = size

    def get(self, kind: str, expert: str, tensor: str) -> Tensor | None:
        source = torch.Generator().manual_seed(sum(map(ord, kind + expert + tensor)))
        shape = SHAPES[tensor]
        if kind == "fisher":
            return self.size * torch.rand(shape, generator=source)
        if kind == "gram" and len(shape) == 2:
            inputs = torch.randn(50, shape[1], generator=source)
            return self.size * inputs.T @ inputs
        return None


def recipe_for(spec: MethodSpec, count: int = 3, weights: Any = None, **params: Any) -> Recipe:
    """A recipe of as many experts as the method takes, up to ``count``."""
    used = min(count, spec.needs.most or count)
    own = [p.name for p in spec.params if p.own]
    each = [tuple((p, OWN[p][i]) for p in own) for i in range(used)]
    louds = (weights or [1.0] * count)[:used]
    members = tuple(Expert(f"e{i}", louds[i], each[i]) for i in range(used))
    return Recipe(spec.id, members, params=tuple(params.items()))


def merged(recipe: Recipe, base: State, models: list[State], size: float = 1.0) -> State:
    used = {e.id: models[i] for i, e in enumerate(recipe.experts)}
    plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(used))

    def score(tensors: Mapping[str, Tensor]) -> float:
        return -sum(float(t.square().sum()) for t in tensors.values())

    return dict(run(plan, device="cpu", statistics=Statistics(size), scorer=score).tensors)


def concrete(spec: MethodSpec, error: MergeError) -> bool:
    """Whether a message names a tensor, an expert, a parameter or the method."""
    names = {*SHAPES, "e0", "e1", "e2", "weight", spec.label, *(p.name for p in spec.params)}
    return any(name in str(error) for name in names)


def finite_or_refused(
    spec: MethodSpec, base: State, models: list[State], size: float = 1.0, **how: Any
) -> State | None:
    """Merge; the result is finite, or the method refuses by itself and says why."""
    try:
        found = merged(recipe_for(spec, len(models), **how), base, models, size)
    except MergeError as error:
        assert isinstance(error, ParameterError | CompatibilityError), error
        assert concrete(spec, error), error
        assert "does not fit float32" not in str(error), error
        return None
    assert all(bool(t.isfinite().all()) for t in found.values())
    return found


# --- Models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("base", [BASE, ZERO], ids=["weights", "zeros"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_nothing_to_merge_gives_exactly_the_base(name: str, base: State, count: int) -> None:
    spec = method(name)
    if count < spec.needs.experts:
        return
    params = {"ratio": 0.0} if name in OTHER_WIDTH else {}
    found = finite_or_refused(spec, base, [base] * count, **params)
    assert found is not None
    assert same_bits(found, base)


@pytest.mark.parametrize("name", ALL)
def test_experts_of_zeros_only(name: str) -> None:
    """No norm, no direction, no row sums: the averages are zero, the others finite."""
    spec = method(name)
    found = finite_or_refused(spec, BASE, [ZERO] * 3)
    assert found is not None
    if spec.idempotent and name not in OTHER_WIDTH:
        exact = finite_or_refused(spec, BASE, [ZERO] * 3, **dict(spec.unit))
        assert exact is not None
        for key, tensor in exact.items():
            torch.testing.assert_close(tensor, ZERO[key], atol=1e-6, rtol=0)


MODELS = {
    "identical": [TRIO[0]] * 3,
    "opposite": [TRIO[0], plus(BASE, plus(TRIO[0], BASE, -1), -1), TRIO[0]],
    "rows of zero changes": [plus(BASE, without_rows(noise(s, 0.1))) for s in (1, 2, 3)],
    "rows of zero weights": [without_rows(t) for t in TRIO],
    "nothing in common": [plus(BASE, masked(noise(4, 0.1), k)) for k in range(3)],
    "one changed nothing": [BASE, TRIO[1], TRIO[2]],
    "all the same size": [plus(BASE, signs(s)) for s in (1, 2, 3)],
    "tiny changes": [plus(BASE, noise(s, 1e-6)) for s in (1, 2, 3)],
    "tiny weights": [noise(s, 1e-20) for s in (1, 2, 3)],
    "large changes": [plus(BASE, noise(s, 1e4)) for s in (1, 2, 3)],
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("base", [BASE, ZERO], ids=["weights", "zeros"])
def test_odd_models(name: str, kind: str, base: State) -> None:
    """All are merged but one: tiny weights around nothing have no mean direction."""
    found = finite_or_refused(method(name), base, MODELS[kind])
    refused = (name, kind) == ("multislerp", "tiny weights") and base is ZERO
    assert (found is None) == refused


@pytest.mark.parametrize("name", [m.id for m in PLAIN if m.needs.experts == 1])
def test_one_expert(name: str) -> None:
    """One expert is merged by every method that does not need two; averages return it."""
    spec = method(name)
    found = finite_or_refused(spec, BASE, TRIO[:1], **dict(spec.unit))
    assert found is not None
    if spec.idempotent:
        for key, tensor in found.items():
            torch.testing.assert_close(tensor, TRIO[0][key], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [m.id for m in PLAIN if m.needs.experts > 1])
def test_too_few_experts_are_refused(name: str) -> None:
    spec = method(name)
    with pytest.raises(MergeError, match=f"{spec.label} needs at least {spec.needs.experts} exp"):
        recipe_for(spec, 1)


@pytest.mark.parametrize("name", [m.id for m in PLAIN if m.needs.data in ("fisher", "gram")])
def test_statistics_of_zeros(name: str) -> None:
    """Nobody is sure of anything: the plain average."""
    spec = method(name)
    found = finite_or_refused(spec, BASE, TRIO, size=0.0)
    assert found is not None
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, torch.stack([t[key] for t in TRIO]).mean(0))


# --- Parameters -----------------------------------------------------------------------------------


def ends(param: Param) -> list[Any]:
    """Both ends of the accepted range, every word, yes and no."""
    if param.choices:
        return list(param.choices)
    if isinstance(param.default, bool):
        return [False, True]
    if isinstance(param.default, str):
        return [""]
    top = math.nextafter(param.maximum, 0) if param.exclusive else param.maximum
    return [type(param.default)(param.minimum), type(param.default)(top)]


TABLE = [
    (spec.id, dialect, param.name, value)
    for spec in PLAIN
    for dialect in spec.dialects
    for param in spec.params
    for value in ends(param)
]


@pytest.mark.parametrize(("name", "dialect", "param", "value"), TABLE)
def test_every_parameter_at_its_ends(name: str, dialect: str, param: str, value: Any) -> None:
    spec = method(name)
    try:
        recipe = replace(recipe_for(spec, **{param: value}), dialect=dialect)
        found = merged(recipe, BASE, TRIO)
    except MergeError as error:
        assert isinstance(error, ParameterError | CompatibilityError), error
        assert param in str(error) or spec.param(param).symbol in str(error), error
        assert "does not fit float32" not in str(error), error
        return
    assert all(bool(t.isfinite().all()) for t in found.values())


NOTHING = [("density", 0.0), ("scale", 0.0), ("fraction", 0.0), ("t", 0.0)]
KEPT_NOTHING = [
    (m.id, p, v)
    for m in PLAIN
    for p, v in NOTHING
    if p in {q.name for q in m.params} and m.needs_base(recipe_for(m).settings())
]


@pytest.mark.parametrize(("name", "param", "value"), KEPT_NOTHING)
def test_keeping_nothing_gives_exactly_the_base(name: str, param: str, value: float) -> None:
    spec = method(name)
    found = finite_or_refused(spec, BASE, TRIO, **{param: value})
    assert found is not None
    assert same_bits(found, BASE)


@pytest.mark.parametrize(
    "name", [m.id for m in PLAIN if m.trim and "density" in {p.name for p in m.params}]
)
def test_density_one_trims_nothing(name: str) -> None:
    spec = method(name)
    assert spec.trim is not None
    names = {p.name for p in spec.params}
    params = {"density": 1.0} | ({"gamma": 0.0} if "gamma" in names else {})
    recipe = recipe_for(spec, **params)
    for key in (n for n, shape in SHAPES.items() if 0 not in shape):
        stack = torch.stack([t[key] - BASE[key] for t in TRIO])
        assert torch.equal(spec.trim(stack, context(recipe, stack, key)), stack)


@pytest.mark.parametrize("name", ["della", "della_linear"])
@pytest.mark.parametrize("how", ["inverse", "l1", "none"])
def test_della_at_density_one_keeps_all_and_at_zero_none(name: str, how: str) -> None:
    spec = method(name)
    assert spec.sparsify is not None
    stack = torch.stack([t["embed.weight"] - BASE["embed.weight"] for t in TRIO])
    for density, want in ((1.0, stack), (0.0, torch.zeros_like(stack))):
        told = context(recipe_for(spec, density=density, rescale=how), stack)
        torch.testing.assert_close(spec.sparsify(stack, told), want, rtol=1e-6, atol=0)


def test_della_refuses_chances_outside_0_to_1() -> None:
    with pytest.raises(ParameterError) as caught:
        recipe_for(method("della"), density=0.9, epsilon=0.2)
    assert str(caught.value) == (
        "density 0.9 ± epsilon 0.2 leaves the range of chances, 0 to 1. Lower epsilon below 0.1."
    )


@pytest.mark.parametrize("name", ["dare", "dare_ties"])
def test_drop_rate_zero_drops_nothing_and_nearly_one_nearly_all(name: str) -> None:
    spec = method(name)
    assert spec.sparsify is not None
    stack = torch.ones(3, 1000)
    none = recipe_for(spec, drop_rate=0.0)
    assert torch.equal(spec.sparsify(stack, context(none, stack)), stack)
    rate = 1 - 2.0**-20
    most = recipe_for(spec, drop_rate=rate)
    left = spec.sparsify(stack, context(most, stack))
    assert set(left.unique().tolist()) <= {0.0, 2.0**20}
    assert int((left != 0).sum()) <= 3
