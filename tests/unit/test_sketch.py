"""The sketch: what it samples, its sums and tables against all weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from large_sketch import BASE, BIG, EXPERTS, LARGE, noise, same, sketch_of
from safetensors.torch import save_file
from torch import Tensor

from merging.checkpoints import Bucket, open_folder
from merging.errors import Cancelled, CompatibilityError
from merging.sketch import build_sketch, pieces
from merging.sketch.parts import SAMPLED, WHOLE, draw, make_parts
from merging.sketch.quantiles import SHARES, QuantileTable, exact_table
from merging.sketch.sweep import TILE


def delta(expert: str, name: str) -> Tensor:
    return EXPERTS[expert][name] - BASE[name]


# --- What is sampled ------------------------------------------------------------------------------


def test_small_buckets_are_whole_and_large_ones_sampled_in_proportion() -> None:
    """36,300 elements of fc1: 300 of bias get 300/36,300 of 16,384 columns."""
    taken = {part.tensor: part.sampled for part in make_parts(BIG)}
    assert taken == {
        "embed.weight": 4 * SAMPLED,
        "layers.0.q_proj.weight": SAMPLED,
        "layers.0.mlp.fc1.weight": SAMPLED - 135,
        "layers.0.mlp.fc1.bias": 135,
        "layers.0.norm.weight": 120,
    }
    edge = make_parts({"embed.weight": (WHOLE,), "layers.0.q_proj.weight": (WHOLE + 1,)})
    assert [(p.count, p.whole) for p in edge] == [(WHOLE, True), (WHOLE + 1, False)]


def test_columns_are_runs_of_parts() -> None:
    assert [p.start for p in LARGE.parts[1:]] == [p.stop for p in LARGE.parts[:-1]]
    assert LARGE.deltas.shape == (3, LARGE.parts[-1].stop)
    assert LARGE.buckets == (Bucket("Embed", "embed"), Bucket("L0", "norm"), Bucket("L0", "q"),
                             Bucket("L0", "up"))  # fmt: skip
    assert LARGE.population.tolist() == [120_000, 120, 40_000, 36_300]
    assert (LARGE.count, LARGE.whole) == (196_420, False)


def test_samples_are_those_of_the_index() -> None:
    for part in LARGE.parts:
        inside = slice(part.start, part.stop)
        index = LARGE.index[inside]
        assert bool((index.diff() > 0).all())
        assert torch.equal(LARGE.base[inside], BASE[part.tensor].flatten()[index])
        for row, expert in enumerate(LARGE.experts):
            found = delta(expert, part.tensor).flatten()[index]
            assert torch.equal(LARGE.deltas[row, inside], found)


def test_draws_are_uniform_and_depend_on_seed_and_name_only() -> None:
    first = draw(0, "w", 100_000, 20_000)
    assert len(set(first.tolist())) == 20_000 and first[0] >= 0 and first[-1] < 100_000
    assert (first == draw(0, "w", 100_000, 20_000)).all()
    assert not (first == draw(1, "w", 100_000, 20_000)).all()
    assert not (first == draw(0, "v", 100_000, 20_000)).all()
    tenths = np.bincount(first // 10_000, minlength=10)
    assert ((tenths - 2000) ** 2 / 2000 / 0.8).sum() < 28  # chi-square, 9 degrees of freedom
    gaps = np.bincount(first % 7, minlength=7)
    assert ((gaps - 20_000 / 7) ** 2 / (20_000 / 7) / 0.8).sum() < 23


@pytest.mark.parametrize("count", [5, 16_385, 20_000])
def test_nearly_all_can_be_drawn(count: int) -> None:
    found = draw(3, "w", count, count - 1)
    assert len(set(found.tolist())) == count - 1


# --- Sums -----------------------------------------------------------------------------------------


def test_facts_by_hand() -> None:
    """Names of equal size in order: b before w."""
    models = {
        "digits": {"w": torch.tensor([3.0, 0.0, -4.0]), "b": torch.tensor([0.0])},
        "letters": {"w": torch.tensor([0.0, 0.0, 1.0]), "b": torch.tensor([-2.0])},
    }
    small = sketch_of(models)
    assert [p.tensor for p in small.parts] == ["w", "b"]
    assert small.nonzero.tolist() == [[2, 1], [0, 1]]
    assert small.l1.tolist() == [[7, 1], [0, 2]]
    assert small.dots.tolist() == [[[25, -4], [-4, 1]], [[0, 0], [0, 4]]]
    assert small.norms().tolist() == pytest.approx([5, 5**0.5])
    assert small.cosines()[0, 1].item() == pytest.approx(-4 / (5 * 5**0.5))
    assert small.sizes("digits", [1.0, 0.5, 0.0]) == [0, 3, 4]
    assert small.whole and small.levels.shape == (0, 2, 3, len(SHARES))


def test_sums_are_those_of_all_weights() -> None:
    for index, part in enumerate(LARGE.parts):
        full = torch.stack([delta(e, part.tensor).flatten() for e in "abc"]).double()
        assert LARGE.nonzero[index].tolist() == (full != 0).sum(1).tolist()
        assert torch.allclose(LARGE.l1[index], full.abs().sum(1), rtol=1e-12)
        assert torch.allclose(LARGE.dots[index], full @ full.T, rtol=1e-12, atol=1e-12)


def test_an_unchanged_expert_has_no_direction_and_no_error() -> None:
    found = sketch_of({"a": {"w": torch.zeros(2)}, "b": {"w": torch.ones(2)}})
    assert found.norms().tolist() == pytest.approx([0, 2**0.5])
    assert found.cosines()[0].tolist() == [0, 0]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_nothing(threads: int) -> None:
    own = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert same(sketch_of(EXPERTS, BASE), LARGE)
    finally:
        torch.set_num_threads(own)


def test_pieces_change_no_sample_and_no_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "ROOM", 1)
    monkeypatch.setattr(pieces, "PIECE", 8 * TILE)
    found = sketch_of(EXPERTS, BASE)
    for name in ("index", "base", "deltas", "nonzero", "levels", "model_levels"):
        assert torch.equal(getattr(found, name), getattr(LARGE, name)), name
    assert torch.allclose(found.dots, LARGE.dots, rtol=1e-12)


# --- Quantiles ------------------------------------------------------------------------------------


def laws() -> dict[str, Callable[[], Tensor]]:
    """Deltas as they come: smooth, tied as from bfloat16, mostly zero, heavy, of few values."""
    source = torch.Generator().manual_seed(5)
    size = (1_500_000,)

    def normal() -> Tensor:
        return torch.randn(size, generator=source) * 1e-3

    def from_type(dtype: torch.dtype) -> Tensor:
        start = (torch.randn(size, generator=source) * 0.02).to(dtype)
        return (start.float() + normal()).to(dtype).float() - start.float()

    def sparse() -> Tensor:
        return normal() * (torch.rand(size, generator=source) < 0.03)

    return {
        "smooth": normal,
        "bfloat16": lambda: from_type(torch.bfloat16),
        "float16": lambda: from_type(torch.float16),
        "mostly zero": sparse,
        "heavy": lambda: normal() / (torch.rand(size, generator=source) + 1e-3) ** 2,
        "few values": lambda: torch.randint(-3, 4, size, generator=source) / 8,
        "small and large": lambda: torch.where(
            torch.rand(size, generator=source) < 0.5, normal(), 1e4 * normal()
        ),
    }


ASKED = [*np.geomspace(1e-4, 1, 400).tolist(), *np.linspace(0.001, 1, 333).tolist()]


def _share_off(sizes: np.ndarray, table: QuantileTable, share: float) -> float:
    """How far a share read back is off, over what it may be; ties reach over a range of shares."""
    cut = np.float32(table.size(share))
    least, above = (np.searchsorted(sizes, cut, side) for side in ("left", "right"))
    low, high = (1 - at / len(sizes) for at in (above, least))
    off = max(low - share, share - high, 0.0)
    return off / max(0.001, 0.02 * share)


@pytest.mark.parametrize("law", laws())
def test_shares_read_back_are_within_a_tenth_of_a_point_or_two_per_cent(law: str) -> None:
    values = laws()[law]()
    found = sketch_of({"a": {"embed.weight": values, "norm.weight": values[:50].clone()}})
    sizes = np.sort(np.abs(values.numpy()))
    part = found.parts[0]
    assert not part.whole
    for share in ASKED:
        assert _share_off(sizes, found.table(part, 0), share) <= 1, share
    both = np.sort(np.concatenate([sizes, np.abs(values[:50].numpy())]))
    for share in ASKED:
        assert _share_off(both, found.model_table(0), share) <= 1, share


@pytest.mark.parametrize("law", ["bfloat16", "few values", "mostly zero"])
def test_ties_are_read_back_exactly(law: str) -> None:
    """At a size that more than 3 % of all changes have, the very cut of all weights is found."""
    values = laws()[law]()
    found = sketch_of({"a": {"embed.weight": values}})
    sizes = np.sort(np.abs(values.numpy()))
    checked = 0
    for share in ASKED:
        exact = sizes[len(sizes) - max(1, round(share * len(sizes)))]
        left, right = np.searchsorted(sizes, exact, "left"), np.searchsorted(sizes, exact, "right")
        reach = (1 - right / len(sizes), 1 - left / len(sizes))
        if reach[1] - reach[0] > 0.03 and reach[0] + 0.003 < share < reach[1] - 0.003:
            assert found.table(found.parts[0], 0).size(share) == exact
            checked += 1
    assert checked > 30


def test_exact_tables_of_few_elements() -> None:
    table = exact_table(np.array([1, 2, 2, 5], np.float32))
    assert [table.size(s) for s in (0.0, 0.25, 0.3, 0.75, 0.8, 1.0)] == [5, 5, 2, 2, 1, 1]
    assert table.slack(0.3) == 0


def test_quantiles_of_a_known_law() -> None:
    """|uniform(-1, 1)| is uniform: the size at which a share is kept is 1 minus the share."""
    source = torch.Generator().manual_seed(0)
    values = torch.rand(200_000, generator=source) * 2 - 1
    found = sketch_of({"a": {"w": values}})
    shares = [0.01, 0.1, 0.2, 0.5, 0.9, 0.99]
    assert found.sizes("a", shares) == pytest.approx([1 - s for s in shares], abs=0.004)


# --- Quick mode -----------------------------------------------------------------------------------


def test_quick_mode_reads_blocks_of_large_tensors_only(tmp_path: Path) -> None:
    shape = (2_000, 1_000)
    base, model = noise(shape, 0), noise(shape, 1)
    models = {}
    for name, values in (("base", base), ("a", base + model)):
        (tmp_path / name).mkdir()
        save_file({"embed.weight": values}, tmp_path / name / "model.safetensors")
        models[name] = open_folder(tmp_path / name)
    quick = build_sketch(models["base"], {"a": models["a"]}, quick=True)
    whole = build_sketch(models["base"], {"a": models["a"]})
    assert quick.quick and not whole.quick
    assert len(set((quick.index // 8192).tolist())) == 32
    found = (base + model - base).flatten()[quick.index]
    assert torch.equal(quick.deltas[0], found)
    assert quick.norms().item() == pytest.approx(whole.norms().item(), rel=0.01)
    assert quick.sizes("a", [0.2])[0] == pytest.approx(whole.sizes("a", [0.2])[0], rel=0.02)


# --- Folders, refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_folders_and_memory_give_the_same(dtype: torch.dtype, tmp_path: Path) -> None:
    states = {"base": BASE, **EXPERTS}
    typed = {n: {k: t.to(dtype) for k, t in s.items()} for n, s in states.items()}
    for name, state in typed.items():
        (tmp_path / name).mkdir()
        save_file(state, tmp_path / name / "model.safetensors")
    base, *rest = (open_folder(tmp_path / n) for n in typed)
    found = build_sketch(base, dict(zip(EXPERTS, rest, strict=True)))
    assert same(found, sketch_of({e: typed[e] for e in EXPERTS}, typed["base"]))


@pytest.mark.parametrize(("who", "value"), [("base", "nan"), ("b", "inf"), ("c", "nan")])
def test_numbers_that_are_not_finite_are_named(who: str, value: str) -> None:
    states = {"base": BASE, **EXPERTS}
    states[who] = {**states[who], "embed.weight": states[who]["embed.weight"].clone()}
    states[who]["embed.weight"][7, 7] = float(value)
    with pytest.raises(CompatibilityError, match=rf"^{who} holds a number in 'embed\.weight'"):
        sketch_of({e: states[e] for e in EXPERTS}, states["base"])


def test_models_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CompatibilityError, match="w"):
        sketch_of({"a": {"w": torch.zeros(3)}}, {"w": torch.zeros(4)})


def test_progress_is_told_and_may_cancel() -> None:
    told: list[float] = []
    sketch_of(EXPERTS, BASE, progress=lambda share, message: told.append(share))
    assert sorted(told) == told and told[-1] == 1.0 and len(told) > 4

    def stop(share: float, message: str) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        sketch_of(EXPERTS, BASE, progress=stop)


# --- Thinned --------------------------------------------------------------------------------------
