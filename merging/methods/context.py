"""What methods are given besides numbers, and what they give back: the words of the contract.

No mathematics here, and nothing about files or pages.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

from merging.methods.params import Value

Data = Literal["", "fisher", "gram", "inputs", "scorer"]


class Magnitudes(Protocol):
    """Order statistics of |delta|, measured now or looked up in a sketch."""

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to the number of elements."""
        ...

    @property
    def count(self) -> int:
        """Number of elements the statistics run over."""
        ...

    def spare(self, expert: int, threshold: float, kept: int) -> int | None:
        """Return how many entries of size ``threshold`` of the stack at hand stay, None for all.

        ``kept`` entries of the expert stay in all, the largest; among equals the first.
        """
        ...


class Totals(Protocol):
    """Sums over a tensor of which only a run is at hand; see ``merging.methods.totals``."""

    def total(self, name: str, measure: "Measure") -> Tensor:
        """Return the sum of a measure over all blocks of the tensor, float64."""
        ...


class Masks(Protocol):
    """Random keep masks: a pure function of seed, tensor name, expert id and element index."""

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Return a bool tensor of shape (count,): True where the element is kept.

        ``drop_rate`` is one for all elements or a tensor of shape (count,).
        """
        ...


class Statistics(Protocol):
    """What was measured on data for each expert, handed in by the caller."""

    def get(self, kind: Data, expert: str, tensor: str) -> Tensor | None:
        """Return a statistic of one tensor, or None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Values of all parameters of one method, checked and complete.

    Attributes:
        common: Values that hold for all experts, by name.
        each: Values per expert, by name.
        dialect: Whose reading they follow; some refusals depend on it, no result does.
    """

    common: Mapping[str, Value]
    each: Mapping[str, tuple[float, ...]]
    dialect: str = "paper"

    def number(self, name: str) -> float:
        """Return a common number."""
        return float(self.common[name])

    def word(self, name: str) -> str:
        """Return a common choice."""
        return str(self.common[name])

    def flag(self, name: str) -> bool:
        """Return a common yes or no."""
        return bool(self.common[name])


@dataclass(frozen=True, slots=True)
class Context:
    """What a kernel may know besides the numbers.

    Attributes:
        tensor: Name of the tensor at hand.
        experts: Expert ids, in the order of the stack.
        settings: Value of every parameter, all defaults filled in; a per-expert parameter is a
            tuple in the order of the experts.
        masks: Where random masks come from.
        magnitudes: Order statistics of the deltas at hand.
        survey: What the method's ``survey`` returned, or None.
        totals: Sums over the whole tensor where only a run of it is at hand, else None.
        start: Flat index of the first element, for work in chunks.
        base: The base's weights of this tensor, shape (*shape), or None without a base.
        statistics: What was measured on data, or None.
        names: Names of all tensors that are merged.
    """

    tensor: str
    experts: tuple[str, ...]
    settings: Settings
    masks: Masks
    magnitudes: Magnitudes
    survey: object = None
    start: int = 0
    base: Tensor | None = None
    statistics: Statistics | None = None
    names: tuple[str, ...] = ()
    totals: Totals | None = None


Measure = Callable[[Tensor, Context], Tensor]
Piece = tuple[Context, Tensor]
Pieces = Callable[[], Iterator[Piece]]


class Models(Protocol):
    """Base and experts as a method sees them that works on whole models: read when asked for.

    All tensors come as float32 (float64 where any model has it).
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors to merge, sorted."""
        ...

    @property
    def experts(self) -> tuple[str, ...]:
        """Expert ids, in the order of the recipe."""
        ...

    @property
    def settings(self) -> Settings:
        """Values of all parameters."""
        ...

    @property
    def seed(self) -> int:
        """The recipe's seed, for methods that draw."""
        ...

    @property
    def config(self) -> Mapping[str, object]:
        """What ``config.json`` says of the base or first expert; empty where there is none."""
        ...

    def base(self, name: str) -> Tensor:
        """Return a tensor of the base."""
        ...

    def weights(self, expert: int, name: str) -> Tensor:
        """Return a tensor of one expert."""
        ...

    def delta(self, expert: int, name: str) -> Tensor:
        """Return expert minus base."""
        ...

    def score(self, tensors: Mapping[str, Tensor]) -> float:
        """Return how good a model is on held-out data, higher is better.

        Raises:
            RecipeError: No scorer was given.
        """
        ...

    def tell(self, fraction: float, message: str) -> None:
        """Report progress; it may raise ``Cancelled``."""
        ...


@dataclass(frozen=True, slots=True)
class PerTask:
    """One model per task, kept as a shared task vector, a mask and a factor per expert.

    Attributes:
        shared: The shared delta by tensor.
        masks: By expert id and tensor, bool: where the shared delta applies.
        factors: By expert id.
    """

    shared: Mapping[str, Tensor]
    masks: Mapping[str, Mapping[str, Tensor]]
    factors: Mapping[str, float]

    def delta(self, expert: str, tensor: str) -> Tensor:
        """Return the delta of the model for one expert's task."""
        return self.shared[tensor] * self.masks[expert][tensor] * self.factors[expert]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a method returns that works on whole models.

    Attributes:
        tensors: Merged weights by name, in the type they were computed in.
        per_task: One model per task beside it, or None.
        config: Entries of the model's config that change with it (another width, another class);
            None takes one out.
        notes: What was done that a reader of the report should know, by tensor.
    """

    tensors: Mapping[str, Tensor]
    per_task: PerTask | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
