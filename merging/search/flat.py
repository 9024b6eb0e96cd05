"""Whole models as one long vector of weights each, for lines and planes between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt

import torch
from torch import Tensor

from merging.checkpoints import Checkpoint
from merging.errors import CompatibilityError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which weights stand where in the vector of a model.

    Attributes:
        shapes: By name of the tensor, in the order of the vector; tensors of floats only.
    """

    shapes: Mapping[str, Shape]

    @classmethod
    def of(cls, model: Checkpoint) -> "Layout":
        """Return the layout of a model, its tensors in alphabetical order."""
        found = {n: i.shape for n, i in model.tensors().items() if i.dtype.is_floating_point}
        return cls({name: found[name] for name in sorted(found)})

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(prod(shape) for shape in self.shapes.values())

    def read(self, model: Checkpoint, name: str) -> Tensor:
        """Return a model as a vector, shape (weights,), float32.

        Args:
            model: Any that has these tensors.
            name: Of the model, for complaints.

        Raises:
            CompatibilityError: A tensor is missing or has another shape; names both.
            SourceError: It cannot be read.
        """
        there = {n: info.shape for n, info in model.tensors().items()}
        self._check(there, name)
        return self.flat({n: model.load(n) for n in self.shapes}, name)

    def flat(self, weights: Mapping[str, Tensor], name: str) -> Tensor:
        """Return weights in memory as a vector, shape (weights,), float32; otherwise as ``read``.

        Example:
            >>> Layout({"b": (1,), "w": (2,)}).flat(
            ...     {"w": torch.ones(2), "b": torch.zeros(1)}, "one")
            tensor([0., 1., 1.])
        """
        self._check({n: tuple(t.shape) for n, t in weights.items()}, name)
        return torch.cat([weights[n].reshape(-1).float() for n in self.shapes])

    def views(self, vector: Tensor) -> dict[str, Tensor]:
        """Return the tensors of a vector without copying; they change as it does."""
        parts = torch.split(vector, [prod(shape) for shape in self.shapes.values()])
        named = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view(shape) for (name, shape), part in named}

    def _check(self, there: Mapping[str, Shape], model: str) -> None:
        for name, shape in self.shapes.items():
            if name not in there:
                raise CompatibilityError(
                    f"{model} has no tensor {name!r}, which the base has: there is no straight "
                    "line between them. Choose another model."
                )
            if there[name] != shape:
                raise CompatibilityError(
                    f"{name!r} is {_times(there[name])} in {model} and {_times(shape)} in the "
                    "base: there is no straight line between them. Choose another model."
                )


def length(vector: Tensor) -> float:
    """Return the Euclidean length of a vector, summed in float64."""
    return sqrt(dot(vector, vector))


def dot(one: Tensor, other: Tensor) -> float:
    """Return the scalar product of two vectors of any float dtype, summed in float64."""
    return float(torch.dot(one.double(), other.double()))


def _times(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"
