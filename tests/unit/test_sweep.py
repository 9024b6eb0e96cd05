"""The compiled sweep against plain numpy: odd sizes and numbers, types mixed, 1 to 9 experts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from merging.checkpoints import Checkpoint, MemoryCheckpoint, open_folder
from merging.errors import CompatibilityError, SourceError
from merging.sketch import Sketch, build_sketch
from merging.sketch.histogram import SIZES, drain, tables_of
from merging.sketch.quantiles import SHARES, exact_table
from merging.sketch.sweep import BINS, TILE

TYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
Models = list[Tensor]


def weights(count: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, generator=source) * 0.02).to(dtype)


def in_memory(models: Models) -> tuple[Checkpoint, dict[str, Checkpoint]]:
    base, *experts = (MemoryCheckpoint(f"m{i}", {"w": m}) for i, m in enumerate(models))
    return base, {model.name: model for model in experts}


def in_folders(models: Models, folder: Path) -> tuple[Checkpoint, dict[str, Checkpoint]]:
    for i, model in enumerate(models):
        (folder / f"m{i}").mkdir()
        save_file({"w": model}, folder / f"m{i}" / "model.safetensors")
    base, *experts = (open_folder(folder / f"m{i}") for i in range(len(models)))
    return base, {model.name: model for model in experts}


def wrong(found: Sketch, models: Models) -> list[str]:
    """Which figures differ from numpy's, with changes in float32 and sums in float64."""
    base, *rest = (model.float().numpy() for model in models)
    changes = np.stack([model - base for model in rest])
    wide, index = changes.astype(np.float64), found.index.numpy()
    dots, norms = wide @ wide.T, np.sqrt((wide**2).sum(1))
    off = np.abs(found.dots[0].numpy() - dots)
    right = {
        "base": found.base.numpy().tobytes() == base[index].tobytes(),
        "deltas": found.deltas.numpy().tobytes() == changes[:, index].tobytes(),
        "nonzero": found.nonzero[0].tolist() == (changes != 0).sum(1).tolist(),
        "l1": np.allclose(found.l1[0].numpy(), np.abs(wide).sum(1), rtol=1e-12, atol=0),
        "dots": bool((off <= 1e-12 * np.outer(norms, norms)).all()),
        "symmetry": torch.equal(found.dots[0], found.dots[0].T),
    }
    return [name for name, holds in right.items() if not holds]


@pytest.mark.parametrize("count", [1, 2, 7, TILE - 1, TILE, TILE + 1, 3 * TILE + 17, 40_001])
@pytest.mark.parametrize("experts", [1, 2, 3, 9])
def test_sums_and_samples_on_odd_sizes(count: int, experts: int) -> None:
    models = [weights(count, seed) for seed in range(experts + 1)]
    assert wrong(build_sketch(*in_memory(models)), models) == []


@pytest.mark.parametrize("turn", range(4))
def test_types_may_be_mixed(turn: int, tmp_path: Path) -> None:
    models = [weights(35_003, i, TYPES[(turn + i) % 4]) for i in range(5)]
    assert wrong(build_sketch(*in_memory(models)), models) == []
    assert wrong(build_sketch(*in_folders(models, tmp_path)), models) == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_every_finite_number_of_16_bits(dtype: torch.dtype) -> None:
    """-0.0 and subnormals among them; a base of zeros leaves the numbers themselves."""
    every = torch.arange(-(1 << 15), 1 << 15).to(torch.int16).view(dtype)
    every = every[torch.isfinite(every)]
    models = [torch.zeros(len(every), dtype=dtype), every, every.flip(0)]
    found = build_sketch(*in_memory(models), whole=len(every))
    assert wrong(found, models) == []
    assert found.nonzero.tolist() == [[len(every) - 2] * 2]


def test_unchanged_weights_and_signed_zeros_count_as_nothing() -> None:
    base = torch.zeros(50_000)
    found = build_sketch(*in_memory([base, base, -base, base - 1e-45]))
    assert found.nonzero.tolist() == [[0, 0, 50_000]]
    assert found.l1[0, :2].tolist() == [0, 0]
    assert found.dots[0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, found.dots[0, 2, 2]]]
    assert found.sizes("m1", [0.0, 0.3, 1.0]) == [0, 0, 0]


@pytest.mark.parametrize("who", [0, 1, 2])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("dtype", TYPES)
def test_whose_number_is_not_finite(who: int, value: float, dtype: torch.dtype) -> None:
    models = [weights(5_000, seed, dtype) for seed in range(3)]
    models[who][4_321] = value
    with pytest.raises(
        CompatibilityError, match=rf"^m{who} holds a number in 'w' that is infinite"
    ):
        build_sketch(*in_memory(models))
    if who < 2:
        with pytest.raises(CompatibilityError, match=rf"^m{who} holds a number in 'w'"):
            build_sketch(*in_memory(models[:2]))


def test_changes_beyond_float32_are_refused() -> None:
    base = torch.full((10,), 3e38)
    with pytest.raises(CompatibilityError, match="differs from m0 in 'w' by more than float32"):
        build_sketch(*in_memory([base, -base]))


def test_very_large_changes_have_sums() -> None:
    models = [torch.zeros(40_000), torch.full((40_000,), 3e38)]
    found = build_sketch(*in_memory(models))
    assert wrong(found, models) == []
    assert found.model_levels.isfinite().all() and found.levels.isfinite().all()


def test_tables_of_coarse_changes_are_those_of_all_sizes() -> None:
    """Several pieces, whose histograms are put together; every change is a bfloat16 number."""
    count = (1 << 21) + 4_321
    values = [weights(count, seed).to(torch.bfloat16) for seed in (1, 2)]
    found = build_sketch(*in_memory([torch.zeros(count, dtype=torch.bfloat16), *values]))
    for row, value in enumerate(values):
        exact = exact_table(np.sort(np.abs(value.float().numpy())))
        for table in (found.table(found.parts[0], row), found.model_table(row)):
            assert (table.values == exact.values).all()
            assert table.at_least == pytest.approx(exact.at_least, rel=1e-6)
            assert table.above == pytest.approx(exact.above, rel=1e-6)


def test_a_histogram_by_hand() -> None:
    """Half are zero, a quarter 1, a quarter 2: shares up to 1/4 keep 2, up to 1/2 keep 1."""
    counts = np.zeros((2, BINS), np.int64)
    one, two = (int(np.searchsorted(SIZES, size)) for size in (1.0, 2.0))
    counts[:, [0, one, two]] = [2, 1, 1]
    coarse, fine = tables_of(counts, np.array([True, False]))
    wanted = np.select([SHARES <= 0.25, SHARES <= 0.5], [2, 1], 0)
    assert (coarse[0] == wanted).all()
    assert coarse[1:, -1].tolist() == [1, 0.5]
    assert coarse[1:, 0].tolist() == [0.25, 0]
    assert np.abs(fine[0] - wanted).max() <= 2 / 128
    assert (fine[1, SHARES <= 0.5] == SHARES[SHARES <= 0.5].astype(np.float32)).all()


def test_draining_leaves_nothing_behind() -> None:
    source = np.random.default_rng(0)
    counts = source.integers(0, 3, (2, BINS))
    counts[0, 20_000:], counts[1] = 0, 0
    before, total = counts.copy(), np.ones((2, BINS), np.int64)
    drain(counts, 5, total)
    assert (total == 1 + 5 * before).all() and not counts.any()


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    base, _ = in_folders([weights(5_000, 0)], tmp_path)
    with base.opened() as opened:
        with (tmp_path / "m0" / "model.safetensors").open("r+b") as file:
            file.truncate(10_000)
        with pytest.raises(SourceError, match="Model m0: cannot read 'w': the file ends early"):
            opened.run("w", 0, 5_000)
