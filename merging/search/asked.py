"""What a caller asks of a search, checked before any work: whole numbers, names, models."""

from collections.abc import Collection, Sequence
from math import isfinite
from numbers import Integral, Real

import torch
from torch import Tensor

from merging.errors import CompatibilityError, ParameterError, unknown

MOST_SEED = 2**32 - 1
MOST_THREADS = 64


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return a whole number within bounds.

    Args:
        name: Of the argument, for the message.
        value: As it was given.
        least, most: Ends, both allowed; None for no upper one.

    Raises:
        ParameterError: It is none, or out of bounds.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        ends = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ParameterError(f"{name} is {value!r}; choose a whole number {ends}.")
    return int(value)  # type: ignore[call-overload, no-any-return]


def finite_number(name: str, value: object) -> float:
    """Return a finite number.

    Raises:
        ParameterError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ParameterError(f"{name} is {value!r}; choose a finite number.")
    return float(value)


def seconds_of(name: str, value: object) -> float:
    """Return a time that may be spent, also without end.

    Raises:
        ParameterError: It is no number, or below 0.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) >= 0:
        raise ParameterError(f"{name} is {value!r}; choose seconds, at least 0.")
    return float(value)


def seed_of(value: object) -> int:
    """Return a seed, from 0 to 2**32 - 1.

    Raises:
        ParameterError: It is none.
    """
    return whole_number("seed", value, 0, MOST_SEED)


def threads_of(value: object) -> int | None:
    """Return a number of threads; None lets the work choose.

    Raises:
        ParameterError: It is no whole number from 1 to 64.
    """
    return None if value is None else whole_number("threads", value, 1, MOST_THREADS)


def known_name(kind: str, value: object, known: Collection[str]) -> None:
    """Check a word against those that are known.

    Raises:
        UnknownNameError: It is none of them.
    """
    if not isinstance(value, str) or value not in known:
        raise unknown(kind, value, known)


def corners_of(experts: Sequence[str], models: Collection[str], base: str) -> tuple[str, ...]:
    """Return the experts that span a region, at least two different ones.

    Args:
        experts: As they were given.
        models: That are there.
        base: Which of them is no expert.

    Raises:
        CompatibilityError: There are fewer than two.
        ParameterError: The base is among them, or one is named twice.
        UnknownNameError: One is not there.
    """
    if isinstance(experts, str):
        raise ParameterError(f"experts is the text {experts!r}; give a list of names.")
    found = tuple(experts)
    for name in found:
        known_name("expert", name, models)
        if name == base:
            raise ParameterError(f"{base!r} is the base and no expert. Leave it out.")
        if found.count(name) > 1:
            raise ParameterError(f"The expert {name!r} is named twice. Name it once.")
    if len(found) < 2:
        many = "One expert spans" if found else "No expert spans"
        raise CompatibilityError(f"{many} no region. Choose at least two.")
    return found


def fitting(names: Sequence[str], models: Sequence[Tensor]) -> None:
    """Check that vectors of weights can be mixed: one shape, all values finite.

    Raises:
        CompatibilityError: They differ in length, or a value is not finite.
    """
    if len(names) != len(models):
        raise CompatibilityError(f"{len(names)} names for {len(models)} models. Name each once.")
    for name, weights in zip(names, models, strict=True):
        if weights.shape != models[0].shape or weights.dim() != 1:
            shapes = zip(names, (tuple(w.shape) for w in models), strict=True)
            told = " and ".join(f"{n!r} has {shape}" for n, shape in shapes)
            raise CompatibilityError(f"Weights are one row of equal length: {told}.")
        if not bool(torch.isfinite(weights).all()):
            at = int((~torch.isfinite(weights)).nonzero()[0])
            raise CompatibilityError(
                f"Weight {at} of {name!r} is {float(weights[at])}. Choose a model whose weights "
                "are finite."
            )
