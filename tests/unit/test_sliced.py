"""Checkpoints put together from runs of layers."""

from typing import Any

import pytest
import torch

from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.sliced import sliced
from merging.errors import CompatibilityError, SourceError
from merging.recipe.layers import Layers


def model(name: str, shift: float, layers: int = 3, **about: Any) -> MemoryCheckpoint:
    state = {f"m.layers.{n}.w": torch.tensor([shift + n]) for n in range(layers)}
    state |= {"m.embed.weight": torch.tensor([shift - 1]), "m.norm.weight": torch.tensor([-shift])}
    return MemoryCheckpoint(name, state, about)


MODELS = {
    "a": model("a", 10.0, num_hidden_layers=3, layer_types=["x", "y", "z"]),
    "b": model("b", 20.0, num_hidden_layers=3, layer_types=["p", "q", "r"]),
}
RUNS = (Layers("a", 0, 2), Layers("b", 1, 3), Layers("a", 2, 3))


def test_layers_are_renumbered_and_ends_come_from_the_ends() -> None:
    view = sliced("mix", (*RUNS[:2],), MODELS)
    assert {n: float(view.load(n)) for n in view.tensors()} == {
        "m.embed.weight": 9.0,
        "m.layers.0.w": 10.0,
        "m.layers.1.w": 11.0,
        "m.layers.2.w": 21.0,
        "m.layers.3.w": 22.0,
        "m.norm.weight": -20.0,
    }
    with view.opened() as files:
        assert float(files.run("m.layers.2.w", 0, 1)) == 21.0
    with pytest.raises(SourceError):
        view.load("m.layers.4.w")


def test_the_config_counts_the_layers() -> None:
    config = sliced("mix", RUNS, MODELS).config()
    assert config["num_hidden_layers"] == 5
    assert config["layer_types"] == ["x", "y", "q", "r", "z"]


def test_identity_follows_runs_and_content() -> None:
    one, two = sliced("mix", RUNS, MODELS), sliced("mix", RUNS[:2], MODELS)
    other = sliced("mix", RUNS, MODELS | {"b": model("b", 21.0)})
    assert len({one.identity(), two.identity(), other.identity()}) == 3
    assert one.mark() == sliced("else", RUNS, MODELS).mark()


def test_layers_that_are_not_there_and_stacks_are_refused() -> None:
    with pytest.raises(CompatibilityError, match="3 layers, and the recipe asks for layer 3"):
        sliced("mix", (Layers("a", 0, 4),), MODELS)
    double = MemoryCheckpoint("d", {f"{s}.0.w": torch.ones(1) for s in ("enc", "dec")})
    with pytest.raises(CompatibilityError, match="several stacks"):
        sliced("mix", (Layers("d", 0, 1),), {"d": double})
