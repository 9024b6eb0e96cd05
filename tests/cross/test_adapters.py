"""Our adapters against peft's own: ``merge_and_unload`` and ``add_weighted_adapter``."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from merging.checkpoints import open_folder
from merging.checkpoints.adapter import over
from merging.checkpoints.adapter_file import AdapterFile, read_adapter
from merging.engine.adapters import merge_adapters
from merging.methods.params import Value
from merging.recipe import make_recipe
from tests.cross.conftest import FIGURES
from tests.cross.peft_side import CASES, COMBINED, WEIGHTS
from tests.cross.tools import other_side

WITHIN = 1e-6  # of the largest number of a tensor
FACTORED: dict[str, tuple[str, dict[str, Value]]] = {
    "linear": ("task_arithmetic", {}),
    "ties": ("ties", {"density": 0.5}),
    "ties, frequency": ("ties", {"density": 0.5, "election": "count"}),
    "dare_linear": ("dare", {"drop_rate": 0.0}),
    "dare_ties": ("dare_ties", {"drop_rate": 0.0}),
    "magnitude_prune": ("magnitude_prune", {"density": 0.5}),
}


@pytest.fixture(scope="session")
def made(other_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What peft made; see ``peft_side``."""
    folder = tmp_path_factory.mktemp("adapters")
    other_side(other_python, "peft_side.py", folder)
    return folder


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours.double() - theirs.double()).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_one_adapter_is_what_merge_and_unload_makes(made: Path, case: str) -> None:
    folder = made / case
    base = open_folder(folder / "base")
    model = over(read_adapter(folder / "adapter", "a"), base, "a")
    theirs = load_file(folder / "merged.safetensors")
    assert model.tensors().keys() == theirs.keys()
    moved = {n for n, t in theirs.items() if not torch.equal(t, base.load(n))}
    assert moved == set(model.changes)
    farthest = max(apart(model.load(n), theirs[n]) for n in moved)
    FIGURES.append(f"merge_and_unload {case:30} {farthest:.1e}")
    assert farthest <= WITHIN


def adapters(made: Path) -> dict[str, AdapterFile]:
    return {name: read_adapter(made / "weighted" / name, name) for name in "abc"}


def weighted(made: Path, case: str) -> AdapterFile:
    return read_adapter(made / "weighted" / f"w{list(COMBINED).index(case)}", case)


@pytest.mark.parametrize("case", FACTORED)
def test_factors_are_merged_as_add_weighted_adapter_does(made: Path, case: str) -> None:
    method, params = FACTORED[case]
    weights = dict(zip("abc", WEIGHTS, strict=True))
    recipe = make_recipe(method, weights, params=params, dialect="peft")
    ours, theirs = merge_adapters(recipe, adapters(made)), weighted(made, case)
    assert ours.factors.keys() == theirs.pairs.keys() and len(ours.factors) == 3
    farthest = 0.0
    for module, found in ours.factors.items():
        b, a = theirs.factors(module, scaled=False)
        assert theirs.config.scale_of(module) == 1.0
        farthest = max(farthest, apart(found.b, b), apart(found.a, a))
    FIGURES.append(f"add_weighted_adapter {case:30} {farthest:.1e}")
    assert farthest <= WITHIN


@pytest.mark.parametrize(("case", "rank"), [("svd", 3), ("cat", 12)])
def test_true_deltas_are_merged_as_svd_and_cat_do(made: Path, case: str, rank: int) -> None:
    weights = dict(zip("abc", WEIGHTS, strict=True))
    recipe = make_recipe("task_arithmetic", weights, params={"scale": 1})
    ours, theirs = merge_adapters(recipe, adapters(made), rank), weighted(made, case)
    assert ours.factors.keys() == theirs.pairs.keys()
    for module, found in ours.factors.items():
        assert apart(found.b @ found.a, theirs.delta(module)) <= 10 * WITHIN
