"""What a sketch answers about a recipe besides its preview, as frozen values."""

from dataclasses import dataclass

from merging.analysis.figures import Figure, Shares
from merging.analysis.strata import Counts, Sums
from merging.checkpoints.buckets import Bucket
from merging.recipe.options import Option


@dataclass(frozen=True, slots=True)
class ConflictTable:
    """Sign conflict of groups of buckets, each of shape (groups,).

    Attributes:
        share, chance: Of the coordinates kept by two or more experts the part where signs clash,
            and where coin tosses would.
        agree, disjoint, contested: Parts of all coordinates, as in ``Conflict``.
        shared: Sampled coordinates kept by two or more.
    """

    share: Shares
    chance: Shares
    agree: Shares
    disjoint: Shares
    contested: Shares
    shared: Counts


@dataclass(frozen=True, slots=True)
class Winners:
    """Who prevails where signs clash.

    Attributes:
        experts: Ids in computing order.
        won: Share of the contested pull that each expert wins, shape (groups, experts).
        flips: Share of weights that change in another direction than under the pinned recipe,
            shape (groups,); None without one.
    """

    experts: tuple[str, ...]
    won: Shares
    flips: Shares | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Experts against experts, shape (experts, experts).

    Attributes:
        experts: Ids in the recipe's order.
        cosine: Of whole task vectors, exact, in [-1, 1].
        signs: Of the coordinates that both keep, the share where their changes have one sign;
            0.5 is a coin toss.
    """

    experts: tuple[str, ...]
    cosine: Sums
    signs: Shares


@dataclass(frozen=True, slots=True)
class Relative:
    """Length of each expert's change over that of the base's weights, layer by layer.

    Attributes:
        rows: Layers, in the order data flows through them.
        experts: Ids.
        ratio: L2 norm of the task vector over that of the base, shape (rows, experts); NaN where
            the base is zero.
        exact: Every weight of the base was counted.
    """

    rows: tuple[str, ...]
    experts: tuple[str, ...]
    ratio: Sums
    exact: bool


@dataclass(frozen=True, slots=True)
class Subspaces:
    """How many directions the changes of one kind of tensor use, and how many they share.

    Attributes:
        module: Kind of tensor.
        rows: Layers.
        experts: Ids.
        rank: Effective rank, shape (rows, experts).
        full: The largest that it could be, shape (rows,).
        overlap: Mean over layers of the mean squared cosine between leading left singular
            subspaces, shape (experts, experts).
        chance: What random subspaces of that size share.
    """

    module: str
    rows: tuple[str, ...]
    experts: tuple[str, ...]
    rank: Sums
    full: Sums
    overlap: Sums
    chance: float


@dataclass(frozen=True, slots=True)
class CellCurve:
    """One expert's changes in one cell.

    Attributes:
        expert: Its id.
        sizes: |delta| of its changes (entries that are not zero), rising; at most 257, and none
            where it changes nothing.
        shares: Share of the changes that are at least so large, falling from 1.
        cut: Size below which changes are trimmed there (in the largest tensor, where each has its
            own); None without such a size.
        kept: Share of its changes that survive.
        energy: Share of their squared length that survives.
    """

    expert: str
    sizes: tuple[float, ...]
    shares: tuple[float, ...]
    cut: float | None
    kept: Figure
    energy: Figure


@dataclass(frozen=True, slots=True)
class TracedWeight:
    """One weight on its way through a method; tuples have one entry for each expert.

    Attributes:
        tensor, place: Where it is; the place is its index in the tensor.
        base: Its value in the base.
        deltas: What each expert changes.
        kept: Whether that survives trimming and dropping; False where it changes nothing.
        made: What it became then (rescaled where the method rescales).
        elected: Sign elected, -1 or 1; 0 where nobody votes, or votes cancel and no majority
            settles them; None without an election.
        agreeing: Whether each carries the elected sign; None without an election.
        merged: The merged change, λ included.
    """

    tensor: str
    place: tuple[int, ...]
    base: float
    deltas: tuple[float, ...]
    kept: tuple[bool, ...]
    made: tuple[float, ...]
    elected: int | None
    agreeing: tuple[bool, ...] | None
    merged: float


@dataclass(frozen=True, slots=True)
class OpenedCell:
    """One cell of the layer x module grid, looked at closely.

    Attributes:
        bucket: Which.
        tensors: Names of its tensors.
        experts: Ids in the recipe's order.
        five: Parts of all its weights: survivors agree on plus, on minus, signs clash and plus
            wins, minus wins, nobody survives. They add up to 1. None where only a merge can tell.
        curves: One for each expert.
        traced: A fixed choice of its weights; empty where only a merge can tell.
    """

    bucket: Bucket
    tensors: tuple[str, ...]
    experts: tuple[str, ...]
    five: tuple[Figure, Figure, Figure, Figure, Figure] | None
    curves: tuple[CellCurve, ...]
    traced: tuple[TracedWeight, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A recipe as one dialect of its method reads it, beside its own reading.

    Attributes:
        dialect: Its name.
        options: What it fills in differently among what the recipe leaves open; empty for the
            recipe's own.
        kept: Mean over the experts of the share of their changes that survive; None if refused.
        clash: Share of the coordinates kept by two or more where signs clash; None where there
            are none, or if refused.
        length: Length of the merged change over the mean length of a task vector; None where only
            a merge can tell, or if refused.
        relative: Norm of the difference of both merged changes over that of the recipe's own; inf
            where only the own one is zero. None where only a merge can tell, or if refused.
        signs: Share of the weights whose merged changes have different signs, no change being a
            sign of its own. None as ``relative``.
        exact: Both compared every weight, under known cuts.
        refused: Why this dialect cannot take these settings, or "".
    """

    dialect: str
    options: tuple[Option, ...]
    kept: Figure | None = None
    clash: Figure | None = None
    length: Figure | None = None
    relative: float | None = None
    signs: float | None = None
    exact: bool = False
    refused: str = ""
