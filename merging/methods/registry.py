"""The methods there are. Order is the order of the page."""

from merging.errors import unknown
from merging.methods.arithmetic import TASK_ARITHMETIC
from merging.methods.average import LINEAR
from merging.methods.dare import DARE, DARE_TIES
from merging.methods.spec import MethodSpec
from merging.methods.ties import TIES

METHODS: tuple[MethodSpec, ...] = (LINEAR, TASK_ARITHMETIC, TIES, DARE, DARE_TIES)


def method(name: str) -> MethodSpec:
    """Return a method by its id.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    for spec in METHODS:
        if spec.id == name:
            return spec
    raise unknown("method", name, (spec.id for spec in METHODS))
