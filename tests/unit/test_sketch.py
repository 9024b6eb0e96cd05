"""The frozen summaries of a set: exact, and read back as they were written."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, tensor

from merging.errors import SourceError
from merging.sketch import Sketch, build_sketch, load_sketch, save_sketch

ARRAYS = ("counts", "quantiles", "tensor_quantiles", "nonzero", "l1", "dots")
DELTAS = {"w": tensor([[3.0, 0.0, -4.0], [0.0, 0.0, 1.0]]), "b": tensor([[0.0], [-2.0]])}
SMALL = build_sketch("0123", ("digits", "letters"), DELTAS)


def test_facts_by_hand() -> None:
    """Names in order: b before w."""
    assert SMALL.tensors == ("b", "w")
    assert SMALL.counts.tolist() == [1, 3]
    assert SMALL.nonzero.tolist() == [[0, 1], [2, 1]]
    assert SMALL.l1.tolist() == [[0, 2], [7, 1]]
    assert SMALL.dots.tolist() == [[[0, 0], [0, 4]], [[25, -4], [-4, 1]]]
    assert SMALL.norms().tolist() == pytest.approx([5, 5**0.5])
    assert SMALL.cosines()[0, 1].item() == pytest.approx(-4 / (5 * 5**0.5))
    assert SMALL.cosines().diagonal().tolist() == pytest.approx([1, 1])


def test_quantiles_start_at_the_smallest_and_end_at_the_largest() -> None:
    assert SMALL.quantiles.shape == (2, 257)
    assert SMALL.quantiles[:, [0, -1]].tolist() == [[0, 4], [0, 2]]
    assert SMALL.tensor_quantiles.shape == (2, 2, 257)
    assert SMALL.tensor_quantiles[1, 0, [0, 128, -1]].tolist() == [0, 3, 4]


def test_quantiles_of_a_known_law() -> None:
    """|uniform(-1, 1)| is uniform: the level at position q is q."""
    source = torch.Generator().manual_seed(0)
    deltas = torch.rand(1, 100_000, generator=source) * 2 - 1
    found = build_sketch("", ("a",), {"w": deltas}).quantiles[0]
    assert torch.allclose(found, torch.linspace(0, 1, 257), atol=0.01)
    assert (found.diff() >= 0).all()


def test_an_unchanged_expert_has_no_direction_and_no_error() -> None:
    found = build_sketch("", ("a", "b"), {"w": tensor([[0.0, 0.0], [1.0, 1.0]])})
    assert found.norms().tolist() == pytest.approx([0, 2**0.5])
    assert found.cosines()[0].tolist() == [0, 0]


def equal(a: Sketch, b: Sketch) -> bool:
    facts = all(getattr(a, n) == getattr(b, n) for n in ("identity", "experts", "tensors"))
    return facts and all(torch.equal(getattr(a, n), getattr(b, n)) for n in ARRAYS)


def test_round_trip(tmp_path: Path) -> None:
    save_sketch(SMALL, tmp_path / "sketch.safetensors")
    found = load_sketch(tmp_path / "sketch.safetensors")
    assert equal(found, SMALL)
    assert [getattr(found, n).dtype for n in ARRAYS] == [getattr(SMALL, n).dtype for n in ARRAYS]
    assert [p.name for p in tmp_path.iterdir()] == ["sketch.safetensors"]


def _other_version(path: Path, arrays: dict[str, Tensor]) -> None:
    save_file(arrays, path, {"format": "merge-explorer-sketch/2"})


def _no_identity(path: Path, arrays: dict[str, Tensor]) -> None:
    save_file(arrays, path, {"format": "merge-explorer-sketch/1"})


def _garbage(path: Path, arrays: dict[str, Tensor]) -> None:
    path.write_bytes(b"garbage")


@pytest.mark.parametrize("spoil", [_other_version, _no_identity, _garbage])
def test_files_that_are_none(spoil: object, tmp_path: Path) -> None:
    path = tmp_path / "sketch.safetensors"
    spoil(path, {n: getattr(SMALL, n).contiguous() for n in ARRAYS})  # type: ignore[operator]
    with pytest.raises(SourceError, match=r"sketch\.safetensors"):
        load_sketch(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Cannot read the sketch none\.safetensors"):
        load_sketch(tmp_path / "none.safetensors")
