"""Sizes as people write them."""

import argparse
import re

UNITS = {"b": 1} | {
    f"{letter}{kind}": base**power
    for power, letter in enumerate("kmgt", 1)
    for kind, base in (("b", 1000), ("ib", 1024))
}
_SIZE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([a-z]*)\s*", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return a size in bytes.

    Args:
        text: A number and a unit: B, KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB
            (powers of 1024), in any case.

    Raises:
        argparse.ArgumentTypeError: It is none, or less than a byte.

    Example:
        >>> parse_size("1.5GB")
        1500000000
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no size. Write 4GiB, 800MB or 1.5GB.")
    number, unit = found[1], found[2]
    if unit.lower() not in UNITS:
        said = f"the unit {unit[:10]!r} is unknown" if unit else "it has no unit"
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: {said}. Write 4GiB, 800MB or 1.5GB.")
    size = int(float(number) * UNITS[unit.lower()])
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is nothing. Write 4GiB, 800MB or 1.5GB.")
    return size
