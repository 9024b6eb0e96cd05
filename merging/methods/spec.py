"""What a method declares about itself: parameters, needs, scope and where it comes from.

Sliders, validation, YAML, documentation and tests read these declarations and nothing else.
No mathematics here, and nothing about files or pages.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from merging.errors import unknown
from merging.methods.context import Context, Data, Merged, Models, Pieces, Settings
from merging.methods.params import WEIGHT, Param, Value

Scope = Literal["element", "tensor", "model"]
Space = Literal["deltas", "weights"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there before a method can run.

    Attributes:
        base: The shared starting point is needed (task vectors are differences from it).
        experts: Least number of experts.
        most: Largest number of experts, or None.
        data: What has to be measured on data first: ``fisher`` diagonals, ``gram`` matrices of
            the inputs of linear layers, mean ``inputs``, a ``scorer`` of whole models, or "".
        model: "mixture": models whose layers are mixtures of experts; "" for any.
    """

    base: bool = True
    experts: int = 1
    most: int | None = None
    data: Data = ""
    model: Literal["", "mixture"] = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A paper: how it is cited and its arXiv number (or "")."""

    citation: str
    arxiv: str = ""


def together(*checks: Callable[[Settings], None]) -> Callable[[Settings], None]:
    """Return one check that makes them all, in this order."""

    def check(settings: Settings) -> None:
        for each in checks:
            each(settings)

    return check


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One merge method: everything the rest of the house needs to know about it.

    Attributes:
        id, label, family, summary, formula: Names and words; the formula may name settings.
            The summary is one sentence: what the method does.
        source: The paper.
        merge: Last step of a method that works tensor by tensor, None for others.
            (experts, *shape) -> (*shape).
        params: Parameters besides the weight, in the order of the controls.
        needs: Base, number of experts, data.
        space: "deltas": kernels get task vectors and return the merged delta. "weights": they
            get the experts' weights and return weights. May depend on the settings.
        sparsify: First step, drops entries and makes up for them before anything is compared;
            None where nothing is dropped. (experts, *shape) -> the same shape.
        trim: Second step, sets to zero what does not survive a look at the magnitudes of what
            ``sparsify`` left; None where nothing is trimmed. (experts, *shape) -> the same shape.
        scope: Over what a result depends: one element, one tensor, or the whole model.
        shaped: Whether kernels look at names or shapes of tensors though the scope is no tensor.
        holds: Why a whole tensor or model has to be at hand, as a clause for the plan; "" where
            kernels may be given a tensor in flat chunks: what lies beyond the chunk they ask of
            ``magnitudes`` and ``over_tensor`` only, and a survey is a ``Tally``. By default ""
            where the scope is one element and nothing is shaped.
        survey: A look at the whole model between trim and merge, for scope "model".
        whole: In place of all steps, for methods that cannot work tensor by tensor.
        check: Extra refusals that need more than one setting.
        dialects: Option values of other implementations, by dialect name.
        weighted: Experts have weights; without it every weight is 1.
        random: A seed changes the result.
        symmetric: The order of the experts changes nothing (they are then put in order of id).
        order: What the order of the experts means, where it counts, in one sentence.
        idempotent: Identical experts give that expert, at the settings of ``unit``.
        homogeneous: Scaling all deltas scales the merged delta.
        unit: Settings under which ``idempotent`` holds, where the defaults are others.
        cost: Work beyond reading every weight once, in words.
        differs: Where implementations of the method differ, in words.
        idea: A second sentence, at most 160 characters: why it works, or what to expect.

    Raises:
        ValueError: The declaration has both ``merge`` and ``whole``, or neither.
    """

    id: str
    label: str
    family: str
    summary: str
    formula: str
    source: Source
    merge: Callable[[Tensor, Context], Tensor] | None = None
    params: tuple[Param, ...] = ()
    needs: Needs = Needs()
    space: Space | Callable[[Settings], Space] = "deltas"
    sparsify: Callable[[Tensor, Context], Tensor] | None = None
    trim: Callable[[Tensor, Context], Tensor] | None = None
    scope: Callable[[Settings], Scope] = lambda settings: "element"
    shaped: Callable[[Settings], bool] = lambda settings: False
    holds: Callable[[Settings], str] | None = None
    survey: Callable[[Pieces], object] | None = None
    whole: Callable[[Models], Merged] | None = None
    check: Callable[[Settings], None] | None = None
    dialects: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: {"paper": {}})
    weighted: bool = True
    random: bool = False
    symmetric: bool = True
    order: str = "Experts are merged in this order."
    idempotent: bool = False
    homogeneous: bool = False
    unit: Mapping[str, Value] = field(default_factory=dict)
    cost: str = "one pass over the weights"
    differs: str = ""
    idea: str = ""

    def __post_init__(self) -> None:
        if (self.merge is None) == (self.whole is None):
            raise ValueError(f"{self.id}: declare either merge or whole, and not both.")

    def param(self, name: str) -> Param:
        """Return the declaration of a parameter, the weight included.

        Raises:
            UnknownNameError: The method has no such parameter.
        """
        for param in (WEIGHT, *self.params):
            if param.name == name:
                return param
        raise unknown(
            f"parameter of {self.id}",
            name,
            (p.name for p in self.params),
            {**self.aliases(), "weight": WEIGHT.name},
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

    def active(self, settings: Settings) -> tuple[Param, ...]:
        """Return the parameters that mean something: those whose flag, if they have one, is on."""
        return tuple(p for p in self.params if not p.when or settings.flag(p.when))

    def space_of(self, settings: Settings) -> Space:
        """Return what the kernels work on under these settings."""
        return self.space(settings) if callable(self.space) else self.space

    def streams(self, settings: Settings) -> bool:
        """Return whether a merge can read, merge and write tensors chunk by chunk."""
        return not self.whole_for(settings)

    def whole_for(self, settings: Settings) -> str:
        """Say why a merge cannot go chunk by chunk, "" where it can: "it ranks rows"."""
        if self.whole is not None:
            return "it works on whole models"
        if self.holds is not None:
            return self.holds(settings)
        if self.scope(settings) == "element" and not self.shaped(settings):
            return ""
        return f"it looks at a whole {'model' if self.scope(settings) == 'model' else 'tensor'}"

    def keeps_equal(self, settings: Settings) -> bool:
        """Return whether identical experts give exactly that expert under these settings."""
        return self.idempotent and all(settings.common[n] == v for n, v in self.unit.items())

    def needs_base(self, settings: Settings) -> bool:
        """Return whether a base is needed under these settings."""
        return self.needs.base or (self.whole is None and self.space_of(settings) == "deltas")
