"""Delta files: what is stored comes back, what is lost is measured, what is hostile is refused."""

import errno
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_adapters import UP, base_model, factors, numbers, write_adapter
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.adapter import over
from merging.checkpoints.adapter_file import read_adapter
from merging.checkpoints.delta import FORMAT, delta_over, read_delta, sample_of
from merging.checkpoints.delta_pack import pack_bits, pack_density, pack_rank, problem, unpack
from merging.engine.extract import Extracted, Packing, extract
from merging.errors import CompatibilityError, MergeError, RecipeError, ResourceError, SourceError

State = dict[str, Tensor]
shapes = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 13)),
    st.tuples(st.integers(1, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    st.just(()),
)


def checked(parts: State, shape: tuple[int, ...]) -> Tensor:
    """Unpack parts that a reader accepts."""
    assert problem({p: (tuple(t.shape), t.dtype) for p, t in parts.items()}, shape) == ""
    return unpack(parts, shape).reshape(shape)


@given(shapes, st.integers(0, 999), st.floats(0.01, 1.0))
def test_density_keeps_the_largest_entries_exactly(
    shape: tuple[int, ...], seed: int, density: float
) -> None:
    delta = numbers(shape, seed).double()
    found = checked(pack_density(delta, density), shape).flatten()
    keep = min(delta.numel(), -int(-density * delta.numel() // 1))
    order = delta.flatten().abs().argsort(descending=True)[:keep]
    wanted = torch.zeros(delta.numel(), dtype=torch.float64)
    wanted[order] = delta.flatten()[order]
    assert torch.equal(found, wanted)


@given(shapes, st.integers(0, 999), st.sampled_from([4, 6]))
def test_bits_round_each_row_to_its_own_scale(shape: tuple[int, ...], seed: int, bits: int) -> None:
    delta = numbers(shape, seed).double()
    found, most = checked(pack_bits(delta, bits), shape), {4: 7, 6: 31}[bits]
    if delta.dim() < 2:
        assert torch.equal(found, delta)
        return
    rows, back = delta.flatten(1), found.flatten(1)
    step = rows.abs().amax(1, keepdim=True) / most
    assert bool(((rows - back).abs() <= step * 0.5 * (1 + 1e-6) + 1e-12).all())
    assert torch.allclose(back.abs().amax(1), rows.abs().amax(1), rtol=1e-6)


@given(st.integers(0, 999), st.sampled_from([4, 6]), st.integers(1, 9))
def test_rows_on_the_grid_come_back_exactly(seed: int, bits: int, columns: int) -> None:
    """Every code there is, in rows of any number of bytes, also rows of zeros."""
    most = {4: 7, 6: 31}[bits]
    source = torch.Generator().manual_seed(seed)
    codes = torch.randint(-most, most + 1, (5, columns), generator=source)
    codes[:, 0] = torch.tensor([most, -most, most, most, 0])
    codes[4] = 0
    delta = codes.double() * torch.tensor([1.0, 0.5, 2.0, 0.25, 1.0]).double().unsqueeze(1)
    assert torch.equal(checked(pack_bits(delta, bits), (5, columns)), delta)


@given(st.integers(0, 999), st.integers(1, 6))
def test_rank_keeps_the_largest_singular_values(seed: int, rank: int) -> None:
    delta = numbers((11, 14), seed).double()
    found = checked(pack_rank(delta, rank), (11, 14))
    s = torch.linalg.svdvals(delta)
    lost = float((delta - found).square().sum())
    assert lost == pytest.approx(float(s[rank:].square().sum()), rel=1e-4)


def test_packed_bytes_by_hand() -> None:
    """4 bits: 7, -7, 1 are codes 15, 1, 9; 6 bits: 31, -31, 1, 0 are codes 63, 1, 33, 32."""
    four = pack_bits(torch.tensor([[7.0, -7.0, 1.0]]).double(), 4)
    assert four["packed4"].tolist() == [[15 | 1 << 4, 9]]
    six = pack_bits(torch.tensor([[31.0, -31.0, 1.0, 0.0]]).double(), 6)
    word = 63 | 1 << 6 | 33 << 12 | 32 << 18
    assert six["packed6"].tolist() == [[word & 255, word >> 8 & 255, word >> 16]]
    assert six["scale"].tolist() == [1.0]


@pytest.fixture
def expert() -> MemoryCheckpoint:
    """Changes all but one tensor."""
    changed = {
        n: t + (0 if n == "norm.weight" else 0.1) * numbers(tuple(t.shape), 90 + i)
        for i, (n, t) in enumerate(base_model().state.items())
    }
    return MemoryCheckpoint("tuned", changed)


def stored(tmp_path: Path, expert: Any, kind: str, value: float) -> tuple[Path, Extracted]:
    path = tmp_path / f"{kind}.safetensors"
    return path, extract(base_model(), expert, Packing(kind, value), path)


@pytest.mark.parametrize(
    ("kind", "value"), [("density", 0.3), ("density", 1.0), ("rank", 2), ("bits", 4), ("bits", 6)]
)
def test_the_measured_loss_is_that_of_the_model_that_is_read_back(
    tmp_path: Path, expert: MemoryCheckpoint, kind: str, value: float
) -> None:
    path, told = stored(tmp_path, expert, kind, value)
    base = base_model()
    model = delta_over(read_delta(path, "d"), base)
    assert model.tensors().keys() == base.tensors().keys()
    lost, whole, each = 0.0, 0.0, {}
    for name in base.state:
        wanted = expert.state[name].double() - base.state[name].double()
        gap = float((model.delta(name) - wanted).square().sum())
        lost, whole = lost + gap, whole + float(wanted.square().sum())
        if bool(wanted.any()):
            each[name] = (gap / float(wanted.square().sum())) ** 0.5
        read = model.load(name).double()
        exact = base.state[name].double() + model.delta(name)
        assert torch.allclose(read, exact, rtol=1e-7, atol=1e-7)
    assert told.loss == pytest.approx((lost / whole) ** 0.5, rel=1e-9, abs=1e-12)
    assert told.worst == pytest.approx(max(each.values()), rel=1e-9, abs=1e-12)
    assert each[told.worst_tensor] == pytest.approx(told.worst, rel=1e-9, abs=1e-12)
    assert told.tensors == 5 and told.size == path.stat().st_size
    limit = {("density", 1.0): 1e-7, ("bits", 6): 0.03, ("bits", 4): 0.15}.get((kind, value), 0.8)
    assert told.loss < limit
    with safe_open(path, framework="pt") as handle:
        about = handle.metadata()
    assert about["format"] == FORMAT and about["kind"] == kind
    assert about["base"] == base.identity() and about["worst_tensor"] == told.worst_tensor
    assert float(about["loss"]) == pytest.approx(told.loss, rel=1e-5)


def test_an_adapter_is_stored_at_its_rank_without_loss(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a", factors(UP, 10, 6, 2))
    base = base_model()
    told = extract(base, over(read_adapter(folder, "a"), base, "a"), Packing("rank", 2),
                   tmp_path / "d.safetensors")  # fmt: skip
    assert told.tensors == 1 and told.loss < 1e-6
    assert load_file(told.file).keys() == {f"{UP}.weight/left", f"{UP}.weight/right"}


def test_runs_of_sparse_and_packed_tensors(tmp_path: Path) -> None:
    from merging.checkpoints.changes import block_rows

    rows = 2 * block_rows(900) + 5
    base = MemoryCheckpoint("base", {"w": numbers((rows, 900), 1)})
    tuned = MemoryCheckpoint("tuned", {"w": base.state["w"] + numbers((rows, 900), 2)})
    for kind, value in (("density", 0.01), ("bits", 4)):
        path = tmp_path / f"{kind}.safetensors"
        extract(base, tuned, Packing(kind, value), path)
        model = delta_over(read_delta(path, "d"), base)
        whole = (base.state["w"].double() + model.delta("w")).float().flatten()
        with model.opened() as opened:
            for start, stop in ((0, 7), (block_rows(900) * 900 - 2, block_rows(900) * 900 + 950)):
                assert torch.equal(opened.run("w", start, stop), whole[start:stop])
        assert torch.equal(model.load("w").flatten(), whole)


def test_another_base_is_refused(tmp_path: Path, expert: MemoryCheckpoint) -> None:
    path, _ = stored(tmp_path, expert, "bits", 4)
    other = base_model()
    other.state["norm.weight"][2] += 1e-3  # type: ignore[index]
    with pytest.raises(SourceError, match="was taken from another base than base"):
        delta_over(read_delta(path, "d"), other)
    assert sample_of(other) != sample_of(base_model())


def damaged(path: Path, change: Any, about: dict[str, str] | None = None) -> None:
    with safe_open(path, framework="pt") as handle:
        said = dict(handle.metadata())
    save_file(change(load_file(path)), path, said | (about or {}))


def _put(name: str, value: Tensor) -> Any:
    return lambda tensors: tensors | {name: value}


W = f"{UP}.weight"
HOSTILE: dict[str, tuple[str, float, Any, dict[str, str], str]] = {
    "version": ("bits", 4, dict, {"format": "merge-explorer-delta/9"}, "delta/9'; this version"),
    "no format": ("bits", 4, dict, {"format": ""}, "format is ''"),
    "unknown tensor": ("bits", 4, _put("x/dense", torch.ones(2)), {}, "changes 'x', which base"),
    "unknown part": ("bits", 4, _put(f"{W}/magic", torch.ones(2)), {}, "has the parts magic"),
    "short rows": ("bits", 4, _put(f"{W}/packed4", torch.ones(10, 2, dtype=torch.uint8)), {},
                   "which do not fit"),
    "scale": ("bits", 6, _put(f"{W}/scale", torch.ones(9)), {}, "which do not fit"),
    "wide left": ("rank", 2, _put(f"{W}/left", torch.ones(10, 3)), {}, "which do not fit"),
    "types": ("rank", 2, _put(f"{W}/left", torch.ones(10, 2).half()), {}, "which do not fit"),
    "lengths": ("density", 0.1, _put(f"{W}/value", torch.ones(2)), {}, "which do not fit"),
    "dense": ("bits", 4, _put("layers.0.self_attn.q_proj.bias/dense", torch.ones(7)), {},
              "which do not fit"),
    "nan": ("rank", 2, _put(f"{W}/left", torch.full((10, 2), torch.nan)), {}, "left' holds nan"),
    "beyond": ("density", 0.1, _put(f"{W}/index", torch.tensor([0, 1, 2, 3, 4, 60]).int()), {},
               "do not rise within 0 to 59"),
    "falling": ("density", 0.1, _put(f"{W}/index", torch.tensor([5, 1, 2, 3, 4, 6]).int()), {},
                "do not rise within"),
    "negative": ("density", 0.1, _put(f"{W}/index", torch.tensor([-1, 1, 2, 3, 4, 6]).int()), {},
                 "do not rise within"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_damaged_is_refused_in_words(
    tmp_path: Path, expert: MemoryCheckpoint, case: str
) -> None:
    kind, value, change, about, words = HOSTILE[case]
    path, _ = stored(tmp_path, expert, kind, value)
    damaged(path, change, about)
    with pytest.raises(SourceError, match=words) as refusal:
        delta_over(read_delta(path, "d"), base_model()).load(W)
    assert str(refusal.value).startswith("Delta d")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("rank", 0), ("rank", 1.5), ("density", 0.0), ("density", 1.1), ("density", float("nan")),
     ("bits", 5), ("magic", 1)],
)  # fmt: skip
def test_settings_out_of_range_are_refused(kind: str, value: float) -> None:
    with pytest.raises(RecipeError, match=f"{kind} is"):
        Packing(kind, value)


def test_what_cannot_be_extracted_leaves_no_file(tmp_path: Path, expert: MemoryCheckpoint) -> None:
    base, packing = base_model(), Packing("bits", 4)
    with pytest.raises(CompatibilityError, match="has the weights of base: nothing to store"):
        extract(base, base_model(), packing, tmp_path / "a.safetensors")
    broken = MemoryCheckpoint("broken", expert.state | {W: torch.full((10, 6), torch.inf)})
    with pytest.raises(CompatibilityError, match="broken holds a number in"):
        extract(base, broken, packing, tmp_path / "a.safetensors")
    with pytest.raises(SourceError, match=r"ends in \.safetensors"):
        extract(base, expert, packing, tmp_path / "a.bin")

    def stop(fraction: float, message: str) -> None:
        if fraction > 0.5:
            raise MergeError("stopped")

    with pytest.raises(MergeError, match="stopped"):
        extract(base, expert, packing, tmp_path / "a.safetensors", stop)
    assert list(tmp_path.iterdir()) == []
    path, _ = stored(tmp_path, expert, "bits", 4)
    with pytest.raises(SourceError, match="exists already"):
        extract(base, expert, packing, path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_no_file(
    tmp_path: Path, expert: MemoryCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tensors: State, path: Path, about: dict[str, str]) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(ResourceError, match="No space left"):
        extract(base_model(), expert, Packing("bits", 4), tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []
