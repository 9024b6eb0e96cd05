"""CRC-32 of a file whose pieces become known in any order.

The checksum of two pieces one after the other is that of the first, advanced over the length of
the second, xor that of the second. So the checksum of a file is the xor of its pieces' checksums,
each advanced over the bytes that follow the piece: no order, no state but one number.

Chosen by measurement (270 MB, seconds on one core that has instructions for SHA): zlib.crc32 0.04,
adler32 0.07, sha1 0.14, sha256 0.14, blake2b 0.20, sha512 0.25,
md5 0.33. It finds accidents (a torn or flipped write), which is what resuming needs.
"""

import os
import zlib
from functools import cache

_POLYNOMIAL = 0xEDB88320  # CRC-32 as zlib computes it: the lowest power is the highest bit
_ONE = 1 << 31
_BYTE = 1 << (31 - 8)  # x to the power 8
_READ = 1 << 20


def advanced(checksum: int, count: int) -> int:
    """Carry the checksum of a piece over the bytes that follow it.

    Args:
        checksum: ``zlib.crc32`` of the piece.
        count: Number of bytes between the piece's end and the end of the file; any values.

    Returns:
        The piece's share of the file's checksum, to be combined by xor.
    """
    place = 0
    while count:
        if count & 255:
            checksum = _times(checksum, _steps(place)[count & 255])
        count >>= 8
        place += 1
    return checksum


def file_checksum(path: str | os.PathLike[str]) -> int:
    """``zlib.crc32`` of a file's contents.

    Raises:
        OSError: The file cannot be read.
    """
    checksum = 0
    piece = bytearray(_READ)
    view = memoryview(piece)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(piece):
            checksum = zlib.crc32(view[:count], checksum)
    return checksum


@cache
def _steps(place: int) -> tuple[int, ...]:
    """x to the power 8 · digit · 256^place, modulo the polynomial, for every digit up to 255."""
    step = _BYTE
    if place:
        lower = _steps(place - 1)
        step = _times(lower[255], lower[1])
    powers = [_ONE]
    for _ in range(255):
        powers.append(_times(powers[-1], step))
    return tuple(powers)


def _times(a: int, b: int) -> int:
    """Product of two polynomials over GF(2), modulo the CRC's."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product
