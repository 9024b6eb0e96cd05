"""The exact plane through a base and two experts, with axes at right angles and true distances."""

from dataclasses import dataclass
from itertools import product
from math import hypot

import torch
from torch import Tensor

from merging.errors import CompatibilityError
from merging.search.flat import dot, length

FLAT = 1e-4  # second expert's distance from the first's line, of its length: no plane below that
MARGIN = 0.15  # of the side, around base, experts and their sum
SIDE = 21


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a model stands: the foot of its perpendicular on the plane, and how far off it is.

    Attributes:
        x, y: Of the foot; in lengths of weight changes, as ``off`` and ``far``.
        off: Distance from the plane, at least 0.
        far: Distance from the base, at least ``off``.
    """

    x: float
    y: float
    off: float = 0.0
    far: float = 0.0

    @property
    def outside(self) -> float:
        """Distance from the plane as a share of that from the base, in [0, 1]; 0 at the base."""
        return min(1.0, self.off / self.far) if self.far else 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Right-angled axes of a plane: the base at 0, 0 and the first expert at ``first``, 0.

    Attributes:
        first: Length of the first task vector, above 0.
        along: Second task vector's part along the first one, of either sign.
        across: Its part at right angles to it, above 0.
    """

    first: float
    along: float
    across: float

    @property
    def cosine(self) -> float:
        """Of the two task vectors."""
        return self.along / hypot(self.along, self.across)

    def place(self, a: float, b: float) -> tuple[float, float]:
        """Return the coordinates of base + a * first task vector + b * second one.

        Example:
            >>> Frame(2.0, 3.0, 4.0).place(0.5, 1.0)
            (4.0, 4.0)
        """
        return a * self.first + b * self.along, b * self.across

    def shares(self, x: float, y: float) -> tuple[float, float]:
        """Return how much of each task vector leads to a place: the inverse of ``place``."""
        b = y / self.across
        return (x - b * self.along) / self.first, b

    def grid(self, count: int = SIDE) -> "Grid":
        """Return a square of places around base, experts and the sum of both task vectors."""
        corners = [self.place(a, b) for a, b in product((0, 1), repeat=2)]
        lows = [min(c[axis] for c in corners) for axis in (0, 1)]
        highs = [max(c[axis] for c in corners) for axis in (0, 1)]
        side = (1 + 2 * MARGIN) * max(h - low for low, h in zip(lows, highs, strict=True))
        x, y = ((low + h - side) / 2 for low, h in zip(lows, highs, strict=True))
        return Grid(x, y, side / (count - 1), count)


@dataclass(frozen=True, slots=True)
class Grid:
    """A square lattice: ``count`` places a side, the first one at ``x``, ``y``."""

    x: float
    y: float
    step: float
    count: int

    @property
    def xs(self) -> tuple[float, ...]:
        """Places from left to right."""
        return tuple(self.x + self.step * i for i in range(self.count))

    @property
    def ys(self) -> tuple[float, ...]:
        """Places from below to above."""
        return tuple(self.y + self.step * i for i in range(self.count))

    def holds(self, x: float, y: float) -> bool:
        """Return whether a place lies inside, with half a step around it."""
        edge, side = self.step / 2, self.step * (self.count - 1)
        return all(-edge <= v - low <= side + edge for v, low in ((x, self.x), (y, self.y)))

    def at(self, i: int, j: int) -> tuple[float, float]:
        """Return the coordinates of a column and a row."""
        return self.x + self.step * i, self.y + self.step * j


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The plane itself.

    Attributes:
        base: Weights, shape (weights,), float32.
        first, second: Task vectors, the same.
        frame: Its axes, by Gram-Schmidt: the first task vector, and what of the second is at
            right angles to it.
    """

    base: Tensor
    first: Tensor
    second: Tensor
    frame: Frame

    @classmethod
    def through(
        cls, base: Tensor, first: Tensor, second: Tensor, names: tuple[str, str]
    ) -> "Plane":
        """Return the plane through a base and two experts.

        Args:
            base, first, second: Weights, shape (weights,), float32.
            names: Of the experts, for complaints.

        Raises:
            CompatibilityError: The three lie on one line.
        """
        one, two = first - base, second - base
        size, other = length(one), length(two)
        for found, name in ((size, names[0]), (other, names[1])):
            if not found:
                raise CompatibilityError(
                    f"{name} is the base itself: the three span no plane. Choose another expert."
                )
        along = dot(one, two) / size
        across = length(two.double() - one.double() * (along / size))
        if across < FLAT * other:
            raise CompatibilityError(
                f"{names[0]} and {names[1]} lie on one line with the base: the three span no "
                "plane. Choose another expert."
            )
        return cls(base, one, two, Frame(size, along, across))

    def weights(self, a: float, b: float, out: Tensor | None = None) -> Tensor:
        """Return base + a * first task vector + b * second one, shape (weights,).

        Args:
            a, b: Any numbers.
            out: Takes the result, so that nothing has to be made; same shape.
        """
        found = torch.add(self.base, self.first, alpha=a, out=out)
        return found.add_(self.second, alpha=b)

    def spot(self, weights: Tensor) -> Spot:
        """Return where a model stands beside the plane; weights of shape (weights,)."""
        change = (weights - self.base).double()
        one = self.first.double() / self.frame.first
        x = dot(change, one)
        two = (self.second.double() - self.frame.along * one) / self.frame.across
        y = dot(change, two)
        off = length(change - x * one - y * two)
        return Spot(x, y, off, max(off, length(change)))
