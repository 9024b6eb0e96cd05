"""What a method declares about itself: parameters, needs, scope and where it comes from.

Sliders, validation, YAML, documentation and tests read these declarations and nothing else.
No mathematics here, and nothing about files or pages.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

from merging.errors import ParameterError, unknown

Value = float | int | bool | str
Scope = Literal["element", "tensor", "model"]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter, declared once.

    Attributes:
        name: Key in the recipe and in Python.
        label: Word shown to people.
        default: Value when nothing is said; its type is the parameter's type.
        origin: Where the default comes from.
        help: One plain sentence.
        minimum, maximum: Accepted range, inclusive (numbers only).
        slider: Range of the control, inside the accepted range.
        step: Step of the control.
        choices: Accepted words (text only).
        symbol: Letter in formulas, or "".
        per_expert: May stand at each expert and differ between them.
        advanced: Folded away in the page.
        exclusive: The maximum itself is refused.
        aliases: Words other tools use for it; only for "did you mean".
    """

    name: str
    label: str
    default: Value
    origin: str
    help: str
    minimum: float = -math.inf
    maximum: float = math.inf
    slider: tuple[float, float] = (0.0, 1.0)
    step: float = 0.01
    choices: tuple[str, ...] = ()
    symbol: str = ""
    per_expert: bool = False
    advanced: bool = False
    exclusive: bool = False
    aliases: tuple[str, ...] = ()

    def check(self, value: object, where: str) -> Value:
        """Return ``value`` in the parameter's type, or say what is wrong with it.

        Args:
            value: Anything, as read from a recipe or a page.
            where: Prefix of the message, for example ``"method ties"``.

        Raises:
            ParameterError: Wrong kind, not finite, out of range, or not a known choice.
        """
        label = f"{where}: {self.name}"
        if self.choices:
            if value not in self.choices:
                raise ParameterError(
                    f"{label} is {_shown(value)}; it must be one of {', '.join(self.choices)}."
                )
            return str(value)
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise ParameterError(f"{label} is {_shown(value)}; it must be true or false.")
            return value
        return self._number(value, label)

    def _number(self, value: object, label: str) -> float | int:
        if value is None:
            raise ParameterError(f"{label} is empty; it must be a number.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{label} is {_shown(value)}; it must be a number.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(f"{label} is {value}; it must be a finite number.")
        below_top = value < self.maximum if self.exclusive else value <= self.maximum
        if not (self.minimum <= value and below_top):
            edge = "below" if self.exclusive else "at most"
            raise ParameterError(
                f"{label} is {_shown(value)}; it must be at least {self.minimum:g} "
                f"and {edge} {self.maximum:g}."
            )
        if isinstance(self.default, float):
            return float(value) + 0.0  # -0.0 becomes 0.0: equal values look equal
        if value != int(value):
            raise ParameterError(f"{label} is {_shown(value)}; it must be a whole number.")
        return int(value)


WEIGHT = Param(
    name="weight",
    label="Weight",
    default=1.0,
    origin="all methods: 1 leaves the expert as it is",
    help="How loud this expert is. 0 adds nothing of it, though it still votes.",
    minimum=-10.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="w",
    per_expert=True,
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there before a method can run.

    Attributes:
        base: The shared starting point is needed (task vectors are differences from it).
        experts: Least number of experts.
        most: Largest number of experts, or None.
    """

    base: bool = True
    experts: int = 1
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A paper: how it is cited and its arXiv number (or "")."""

    citation: str
    arxiv: str = ""


class Magnitudes(Protocol):
    """Order statistics of |delta|, measured now or looked up in a sketch."""

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to the number of elements."""
        ...

    @property
    def count(self) -> int:
        """Number of elements the statistics run over."""
        ...


class Masks(Protocol):
    """Random keep masks: a pure function of seed, tensor name, expert id and element index."""

    def keep(self, tensor: str, expert: str, start: int, count: int, drop_rate: float) -> Tensor:
        """Return a bool tensor of shape (count,): True where the element is kept."""
        ...


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
        start: Flat index of the first element, for work in chunks.
    """

    tensor: str
    experts: tuple[str, ...]
    settings: "Settings"
    masks: Masks
    magnitudes: Magnitudes
    survey: object = None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """Values of all parameters of one method, checked and complete."""

    common: Mapping[str, Value]
    each: Mapping[str, tuple[float, ...]]

    def number(self, name: str) -> float:
        """Return a common number."""
        return float(self.common[name])

    def word(self, name: str) -> str:
        """Return a common choice."""
        return str(self.common[name])

    def flag(self, name: str) -> bool:
        """Return a common yes or no."""
        return bool(self.common[name])


Piece = tuple[Context, Tensor]
Pieces = Callable[[], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One merge method: everything the rest of the house needs to know about it.

    Attributes:
        id, label, family, summary, formula: Names and words; the formula may name settings.
        source: The paper.
        needs: Base and number of experts.
        space: "deltas": kernels get task vectors and return the merged delta. "weights": they
            get the experts' weights and return weights.
        sparsify: First step, drops entries and makes up for them before anything is compared;
            None where nothing is dropped. (experts, *shape) -> the same shape.
        trim: Second step, sets to zero what does not survive a look at the magnitudes of what
            ``sparsify`` left; None where nothing is trimmed. (experts, *shape) -> the same shape.
        merge: Last step. (experts, *shape) -> (*shape).
        params: Parameters besides the weight, in the order of the controls.
        scope: Over what a result depends: one element, one tensor, or the whole model.
        survey: A look at the whole model between trim and merge, for scope "model".
        check: Extra refusals that need more than one setting.
        dialects: Option values of other implementations, by dialect name.
        random: A seed changes the result.
        symmetric: The order of the experts changes nothing (they are then put in order of id).
    """

    id: str
    label: str
    family: str
    summary: str
    formula: str
    source: Source
    merge: Callable[[Tensor, Context], Tensor]
    params: tuple[Param, ...] = ()
    needs: Needs = Needs()
    space: Literal["deltas", "weights"] = "deltas"
    sparsify: Callable[[Tensor, Context], Tensor] | None = None
    trim: Callable[[Tensor, Context], Tensor] | None = None
    scope: Callable[[Settings], Scope] = lambda settings: "element"
    survey: Callable[[Pieces], object] | None = None
    check: Callable[[Settings], None] | None = None
    dialects: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: {"paper": {}})
    random: bool = False
    symmetric: bool = True

    def param(self, name: str) -> Param:
        """Return the declaration of a parameter, the weight included.

        Raises:
            UnknownNameError: The method has no such parameter.
        """
        for param in (WEIGHT, *self.params):
            if param.name == name:
                return param
        raise unknown(
            f"parameter of {self.id}", name, (p.name for p in self.params), self.aliases()
        )

    def aliases(self) -> dict[str, str]:
        """Return the words other tools use, mapped to our parameter names."""
        return {alias: p.name for p in (WEIGHT, *self.params) for alias in p.aliases}

    def defaults(self, dialect: str) -> dict[str, Value]:
        """Return the value of every common parameter in a dialect when nothing is said.

        Raises:
            UnknownNameError: The method is not defined in that dialect.
        """
        if dialect not in self.dialects:
            raise unknown(f"dialect for {self.id}", dialect, self.dialects)
        return {p.name: p.default for p in self.params} | dict(self.dialects[dialect])


def _shown(value: object) -> str:
    return repr(value)[:60]
