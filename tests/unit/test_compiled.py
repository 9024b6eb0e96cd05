"""Compiled loops of merges give the bits of torch's operations, and of plain numpy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from merging.engine import loops as engine_loops
from merging.engine.packed import packed
from merging.methods import kernels, loops, rows, totals
from merging.methods.compiled import flat
from merging.methods.masks import HashMasks, hash_bits

COUNTS = (1, 63, 64, 65, 1023, 1024, 1025, 5000)


def deltas(experts: int, count: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Few sizes, both signs, zeros of both signs: votes tie and cuts meet many."""
    source = torch.Generator().manual_seed(seed)
    found = torch.randint(-4, 5, (experts, count), generator=source).to(dtype) / 8
    return torch.where(torch.rand(found.shape, generator=source) < 0.1, -0.0, found).to(dtype)


def both(monkeypatch: pytest.MonkeyPatch, kernel: Callable[[], Any]) -> tuple[Any, Any]:
    """What a kernel gives by compiled loops, and by torch's operations."""
    compiled = kernel()
    with monkeypatch.context() as patch:
        for module in (kernels, totals, rows):
            patch.setattr(module, "compiles", lambda tensor: False)
        return compiled, kernel()


def same_bits(one: Tensor, other: Tensor) -> bool:
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[one.element_size()]
    return one.dtype == other.dtype and torch.equal(one.view(kind), other.view(kind))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.4, -0.5, 0.0), (2.5,), (0.1,) * 9])
@pytest.mark.parametrize("combine", loops.COMBINE)
@pytest.mark.parametrize("election", ["sum", "count"])
@pytest.mark.parametrize("voting", [True, False])
@pytest.mark.parametrize("tie", [-1.0, 0.0, 1.0])
def test_consensus(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    weights: Sequence[float],
    combine: str,
    election: str,
    voting: bool,
    tie: float,
) -> None:
    stack = deltas(len(weights), 1500, dtype)
    one, other = both(
        monkeypatch,
        lambda: kernels.consensus(stack, weights, voting, election, tie, combine, 0.7),
    )
    assert same_bits(one, other)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps(monkeypatch: pytest.MonkeyPatch, count: int, dtype: torch.dtype) -> None:
    wide = deltas(4, count + 7, dtype)
    stack, weights = wide[:, 3 : 3 + count], (0.4, 0.5, -0.6, 0.0)
    keep = [m > 0 for m in deltas(4, count, torch.float32, seed=1)]
    for kernel in (
        lambda: kernels.weighted_sum(stack, weights),
        lambda: kernels.elect(stack, "sum"),
        lambda: kernels.elect(stack, "count"),
        lambda: kernels.drop(stack, keep),
        lambda: kernels._above(stack, [-1.0, 0.125, 0.3, float("inf")]),
    ):
        one, other = both(monkeypatch, kernel)
        assert same_bits(one, other)
    for sums in (
        lambda: totals.l1(stack),
        lambda: kernels.norms_around_drop(stack, keep),
        lambda: rows._products(stack, None),  # type: ignore[arg-type]
        lambda: rows._squares(stack, None),  # type: ignore[arg-type]
    ):
        one, other = both(monkeypatch, sums)
        assert torch.allclose(one, other, rtol=1e-14, atol=0)


@given(st.integers(0, 99), st.integers(0, 40), st.sampled_from([0.0, 0.125, 0.25, 0.5]))
def test_ties_stay_in_order(seed: int, spare: int, size: float) -> None:
    row = deltas(1, 300, torch.float32, seed)[0]
    kept, wanted = row.clone(), row.clone()
    loops.trim_ties(row.numpy(), np.float32(size), spare, kept.numpy())
    wanted[torch.nonzero(row.abs() == size).flatten()[spare:]] = 0
    assert torch.equal(kept, wanted)


@pytest.mark.parametrize("count", COUNTS)
def test_bfloat16_there_and_back(count: int) -> None:
    source = torch.Generator().manual_seed(count)
    stored = torch.randn(count, generator=source).bfloat16()
    base, wide = torch.randn(count, generator=source), torch.empty(count)
    half = stored.view(torch.uint16).numpy()
    assert engine_loops.widen(half, wide.numpy()) and same_bits(wide, stored.float())
    assert engine_loops.widen_less(half, base.numpy(), wide.numpy())
    assert same_bits(wide, stored.float() - base)
    rounded = torch.empty(count, dtype=torch.bfloat16)
    out = rounded.view(torch.uint16).numpy()
    assert engine_loops.narrow_sum(base.numpy(), wide.numpy(), out)
    assert same_bits(rounded, (base + wide).bfloat16())
    assert engine_loops.narrow(base.numpy(), out) and same_bits(rounded, base.bfloat16())


def test_what_lies_midway_goes_to_the_even_number() -> None:
    """Of every upper half: the float32 numbers just below, at and just above the middle."""
    upper = torch.arange(-(1 << 15), 1 << 15, 7, dtype=torch.int32) << 16
    numbers = torch.cat([upper + low for low in (0, 0x7FFF, 0x8000, 0x8001)]).view(torch.float32)
    numbers = numbers[numbers.bfloat16().isfinite()]
    rounded = torch.empty(len(numbers), dtype=torch.bfloat16)
    assert engine_loops.narrow(numbers.numpy(), rounded.view(torch.uint16).numpy())
    assert same_bits(rounded, numbers.bfloat16())


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_what_is_not_finite_is_seen_wherever_it_is(value: float) -> None:
    for place in (0, 31, 99):
        stored, wide = torch.zeros(100).bfloat16(), torch.zeros(100)
        stored[place] = value
        half = stored.view(torch.uint16).numpy()
        assert not engine_loops.widen(half, wide.numpy())
        assert not engine_loops.widen_less(half, np.zeros(100, np.float32), wide.numpy())
        assert not engine_loops.narrow(stored.float().numpy(), half.copy())


def test_what_rounds_up_to_infinity_does_not_fit() -> None:
    largest = torch.tensor([torch.finfo(torch.float32).max])
    assert not engine_loops.narrow(largest.numpy(), np.empty(1, np.uint16))
    fits = torch.tensor([torch.finfo(torch.bfloat16).max])
    assert engine_loops.narrow(fits.numpy(), np.empty(1, np.uint16))


def test_masks_are_those_of_the_bits_also_where_indices_pass_two_to_the_32() -> None:
    start = (1 << 32) - 700
    bits = hash_bits(3, "w", "a", start, 1500)
    single = [hash_bits(3, "w", "a", start + i, 1)[0] for i in (0, 699, 700, 1499)]
    assert bits[[0, 699, 700, 1499]].tolist() == [int(b) for b in single]
    for rate in (0.0, 0.3, 0.999, 1.0):
        keep = HashMasks(3).keep("w", "a", start, 1500, rate)
        assert torch.equal(keep, bits.long() >= round(rate * (1 << 32)) - (1 << 31))


def test_the_least_that_is_kept_is_kept() -> None:
    """At the drop rate that a weight's own bits stand for it stays; a step above it goes."""
    bits = hash_bits(3, "w", "a", 0, 100).long()
    for index in (0, 41, 99):
        rate = (int(bits[index]) + (1 << 31)) / (1 << 32)
        above = rate + 1 / (1 << 32)
        assert HashMasks(3).keep("w", "a", 0, 100, rate)[index]
        assert not HashMasks(3).keep("w", "a", 0, 100, above)[index]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", COUNTS)
def test_what_is_kept_packed_comes_back_bit_for_bit(count: int, dtype: torch.dtype) -> None:
    stack = deltas(3, count, dtype)[:, : count - count // 9]
    found = packed(stack)
    back = torch.full((3, count + 2), 9.0, dtype=dtype)[:, : stack.shape[1]]
    found.into(back)
    assert same_bits(back.contiguous(), stack.contiguous())
    assert len(found.values) - 1 == int(((stack != 0) | stack.signbit()).sum())


def test_rows_that_lie_apart_or_the_wrong_way_round() -> None:
    numbers = torch.arange(12.0).reshape(3, 4)
    for stack in (numbers, numbers[:, 1:3], numbers.T, numbers[:, :0], numbers[:1].expand(3, 4)):
        memory, step = flat(stack)
        count = stack.shape[1]
        got = [memory[i * step : i * step + count].tolist() for i in range(len(stack))]
        assert got == stack.tolist()
