"""Random keep masks as a pure function of seed, tensor name, expert id and element index.

An integer hash instead of a stream of random numbers: any single element can be computed alone, so
neither order, chunks, threads nor device change a mask, and preview and merge see the same one. A
larger drop rate only ever drops more. The expert's id counts, never its position.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from merging.methods.hashing import hash_run, keep_run

# Multipliers of "lowbias32", a 32-bit mixer found by search (C. Wellons, hash prospector, 2018,
# public domain), written as signed 32-bit numbers.
_FIRST = 0x7FEB352D
_SECOND = 0x846CA68B - (1 << 32)
_WORD = 1 << 32
_HALF = 1 << 31
CHUNK = 1 << 18

Words = tuple[np.uint32, np.uint32, np.uint32]


def hash_bits(
    seed: int,
    tensor: str,
    expert: str,
    start: int,
    count: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return uniform 32-bit integers for a run of elements.

    Two rounds of an integer mixer over the element index, each with its own half of a 64-bit key
    made from seed, tensor name and expert id.

    Args:
        seed: Any integer.
        tensor: Name of the tensor.
        expert: Id of the expert.
        start: Flat index of the first element, at least 0.
        count: Number of elements.
        device: Where to compute; the result is the same everywhere.

    Returns:
        int32 tensor of shape (count,), uniform over all 2**32 values.
    """
    low, high = _keys(seed, tensor, expert)
    if torch.device(device).type == "cpu":
        words = np.empty(count, np.int32)
        for run, keys in _runs(low, high, start, count):
            hash_run(*keys, words[run])
        return torch.from_numpy(words)
    bits = torch.empty(count, dtype=torch.int32, device=device)
    for at in range(0, count, CHUNK):
        part = bits[at : at + CHUNK]
        index = torch.arange(start + at, start + at + len(part), device=device)
        part.copy_(_signed_low_half(index)).bitwise_xor_(low)
        _mix(part)
        part.bitwise_xor_((index >> 32).to(torch.int32)).bitwise_xor_(high)
        _mix(part)
    return bits


def _runs(low: int, high: int, start: int, count: int) -> Iterator[tuple[slice, Words]]:
    """Cut a run of elements where the upper word of their index changes; keys for each part."""
    at = 0
    while at < count:
        upper, lower = divmod(start + at, _WORD)
        size = min(count - at, _WORD - lower)
        yield slice(at, at + size), (_word(lower), _word(low), _word(high ^ upper))
        at += size


def _word(number: int) -> np.uint32:
    return np.uint32(number % _WORD)


def hash_at(seed: int, tensor: str, expert: str, index: Tensor) -> Tensor:
    """Return the bits that ``hash_bits`` has at some elements.

    Args:
        seed, tensor, expert: As for ``hash_bits``.
        index: Flat indices of the elements, int64, shape (count,).

    Returns:
        int32 tensor of shape (count,).
    """
    low, high = _keys(seed, tensor, expert)
    bits = _signed_low_half(index).to(torch.int32).bitwise_xor_(low)
    _mix(bits)
    bits.bitwise_xor_((index >> 32).to(torch.int32)).bitwise_xor_(high)
    _mix(bits)
    return bits


def _keys(seed: int, tensor: str, expert: str) -> tuple[int, int]:
    key = sha256(f"{seed}\x1f{tensor}\x1f{expert}".encode()).digest()
    return int.from_bytes(key[:4], "big", signed=True), int.from_bytes(key[4:8], "big", signed=True)


def _signed_low_half(index: Tensor) -> Tensor:
    return ((index + _HALF) & 0xFFFFFFFF) - _HALF


def _mix(bits: Tensor) -> None:
    for shift, factor in ((16, _FIRST), (15, _SECOND)):
        bits.bitwise_xor_(_logical_shift(bits, shift)).mul_(factor)
    bits.bitwise_xor_(_logical_shift(bits, 16))


def _logical_shift(bits: Tensor, by: int) -> Tensor:
    return (bits >> by).bitwise_and_((1 << (32 - by)) - 1)


def kept(bits: Tensor, drop_rate: float | Tensor) -> Tensor:
    """Turn hash bits into a keep mask.

    Args:
        bits: int32, uniform over all values.
        drop_rate: Chance that an element is dropped, in [0, 1]: one for all, or one for each.

    Returns:
        Bool tensor of the same shape; True is kept.
    """
    if isinstance(drop_rate, Tensor):
        thresholds = (drop_rate.double() * (1 << 32)).round() - _HALF
        return bits.double() >= thresholds
    threshold = _least(drop_rate)
    if threshold >= _HALF:
        return torch.zeros_like(bits, dtype=torch.bool)
    return bits >= threshold


def _least(drop_rate: float) -> int:
    """The smallest hash that is kept; 2**31, which none reaches, where all are dropped."""
    return round(drop_rate * _WORD) - _HALF


@dataclass(frozen=True, slots=True)
class HashMasks:
    """Masks computed from the hash: the source every merge uses."""

    seed: int
    device: torch.device | str = "cpu"

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Return the keep mask of a run of elements; see ``merging.methods.context.Masks``."""
        if not isinstance(drop_rate, Tensor) and drop_rate <= 0:
            return torch.ones(count, dtype=torch.bool, device=self.device)
        if torch.device(self.device).type == "cpu" and not isinstance(drop_rate, Tensor):
            return self._drawn(tensor, expert, start, count, drop_rate)
        return kept(hash_bits(self.seed, tensor, expert, start, count, self.device), drop_rate)

    def _drawn(self, tensor: str, expert: str, start: int, count: int, drop_rate: float) -> Tensor:
        """The same in one pass."""
        low, high = _keys(self.seed, tensor, expert)
        least = _least(drop_rate)
        keep = np.zeros(count, np.bool_)
        if least < _HALF:
            for part, keys in _runs(low, high, start, count):
                keep_run(*keys, np.int32(least), keep[part])
        return torch.from_numpy(keep)


@dataclass(frozen=True, slots=True)
class GivenMasks:
    """Masks handed in, for comparison with implementations that draw their own."""

    masks: Mapping[tuple[str, str], Tensor]

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Return the stored mask of a run of elements; at rate 0 there need be none."""
        if (tensor, expert) not in self.masks and not torch.as_tensor(drop_rate).any():
            return torch.ones(count, dtype=torch.bool)
        return self.masks[tensor, expert].flatten()[start : start + count].bool()
