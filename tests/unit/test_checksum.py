"""The checksum of pieces in any order is that of the file."""

import os
import zlib
from itertools import pairwise
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from merging.engine.checksum import advanced, file_checksum


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6), st.randoms())
def test_pieces_in_any_order(data: bytes, cuts: list[int], random: Random) -> None:
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    pieces = list(pairwise(edges))
    random.shuffle(pieces)
    total = 0
    for start, stop in pieces:
        total ^= advanced(zlib.crc32(data[start:stop]), len(data) - stop)
    assert total == zlib.crc32(data)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**40))
def test_advancing_twice_is_advancing_by_the_sum(checksum: int, a: int, b: int) -> None:
    assert advanced(advanced(checksum, a), b) == advanced(checksum, a + b)


def test_advancing_over_many_zeros_is_what_zlib_does() -> None:
    for count in (1, 255, 256, 65_536, 3_000_001):
        told = advanced(zlib.crc32(b"merge"), count) ^ zlib.crc32(bytes(count))
        assert told == zlib.crc32(b"merge" + bytes(count))


def test_a_file(tmp_path: Path) -> None:
    for count in (0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 5):
        data = (b"abcdefg" * (count // 7 + 1))[:count]
        path = tmp_path / str(count)
        path.write_bytes(data)
        assert file_checksum(path) == zlib.crc32(data)
        assert file_checksum(os.fspath(path)) == zlib.crc32(data)
