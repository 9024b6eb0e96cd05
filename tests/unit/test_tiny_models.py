"""Models of ten families: merged, written, loaded by transformers, equal to merging by hand."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import FAMILIES, answer, by_hand, loaded, stored, tiny, trio
from torch import Tensor

from merging.checkpoints import open_folder
from merging.engine import make_plan
from merging.engine.commit import commit
from merging.recipe import make_recipe


def task_arithmetic(base: Tensor, experts: Tensor) -> Tensor:
    """base + 0.75 (0.5 τ₁ + 0.25 τ₂)"""
    return base + 0.75 * (0.5 * (experts[0] - base) + 0.25 * (experts[1] - base))


def elect(base: Tensor, experts: Tensor) -> Tensor:
    """TIES with density 1 and scale 1: sign of the sum, mean of those that carry it."""
    deltas = experts - base
    agree = deltas.sign() == deltas.sum(0).sign()
    count = (agree & (deltas != 0)).sum(0).clamp(min=1)
    return base + (deltas * agree).sum(0) / count


RULES = {
    "task_arithmetic": (task_arithmetic, {"one": 0.5, "two": 0.25}, {"scale": 0.75}),
    "ties": (elect, {"one": 1.0, "two": 1.0}, {"density": 1.0, "scale": 1.0}),
}


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_merge_loads_and_says_what_merging_by_hand_says(
    family: str, method: str, tmp_path: Path
) -> None:
    folders = trio(family, tmp_path)
    rule, weights, params = RULES[method]
    recipe = make_recipe(method, weights, base="base", params=params)
    models = {n: open_folder(p, n) for n, p in folders.items()}
    commit(make_plan(recipe, models["base"], models), tmp_path / "out", device="cpu")

    states = {n: stored(p) for n, p in folders.items()}
    expected = by_hand(states["base"], [states["one"], states["two"]], rule)
    written = stored(tmp_path / "out")
    assert written.keys() == expected.keys()
    for name, tensor in written.items():
        assert torch.allclose(tensor, expected[name], atol=1e-6), name

    (tmp_path / "hand").mkdir()

    save_file(expected, tmp_path / "hand" / "model.safetensors", {"format": "pt"})
    (tmp_path / "hand" / "config.json").write_bytes((folders["base"] / "config.json").read_bytes())
    ours, hand = (answer(family, loaded(family, tmp_path / n)) for n in ("out", "hand"))
    assert torch.allclose(ours, hand, atol=1e-4)
    assert not torch.allclose(ours, answer(family, loaded(family, folders["base"])), atol=1e-3)


def test_a_seed_decides_all_numbers_and_no_other_random_numbers() -> None:
    torch.manual_seed(7)
    before = torch.rand(1)
    torch.manual_seed(7)
    first, second = (answer("llama", tiny("llama", seed=3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.rand(1), before)
