"""Everything that can be set on the page of own models, and its way to and from a recipe. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from merging.checkpoints.library import Kind
from merging.errors import RecipeError
from merging.methods.registry import method
from merging.recipe import DTYPES, Recipe
from merging.recipe.local import Local
from merging.recipe.tokens import POSITION, TEMPLATES
from ui import settings as controls
from ui.own.work import Task
from ui.settings import ControlValues

MOST = 6
SET = "own"  # stands in the controls' values where a bundled set would
OUTPUTS = ("model", "adapter")
OWN = "own"  # stands in the form where a template's whole text would
MOST_RANK = 4096
NEEDS = {
    "fisher": "Fisher diagonals have to be measured on data first, which this page does not do.",
    "gram": "Gram matrices of inputs have to be measured first, which this page does not do.",
    "inputs": "Inputs of layers have to be measured first, which this page does not do.",
    "scorer": "Candidates have to be scored on data, which this page does not do while merging.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One chosen expert.

    Attributes:
        name: Of a listed model, adapter or delta.
        over: Model that an adapter changes, or "" for the base.
        on: Whether it is merged.
        weight: How loud it is.
    """

    name: str
    over: str = ""
    on: bool = True
    weight: Any = 1.0

    def id(self, base: str, kind: Kind | None) -> str:
        """Return its id in a recipe: ``MODEL+ADAPTER`` for an adapter over a model."""
        model = self.over or base
        return f"{model}+{self.name}" if kind == "adapter" and model else self.name


def _untouched() -> ControlValues:
    return ControlValues(SET, frozenset(), {}, "task_arithmetic")


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """What the page's controls hold.

    Attributes:
        base: Name of the base, or "".
        rows: The experts in the order in which they were chosen.
        kinds: Kind of every listed name.
        values: Method, its parameters and seed, as on the first page; see ``controls``.
        dtype: Type of the written weights, or "" for the base's.
        tokenizer: union, base, an expert's id, position for rows as they stand whatever tokens
            they are of, or "" where nothing is said.
        pad: Number that divides the rows of a vocabulary.
        template: Name of a chat template or its Jinja text; "" for that of the vocabulary's model.
        output: One of ``OUTPUTS``.
        rank: Of a written adapter; 0 for the largest of the inputs.
        local: Values by layer or tensor; those that do not fit the method are left out of recipes.
    """

    base: str = ""
    rows: tuple[Row, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    values: ControlValues = field(default_factory=_untouched)
    dtype: str = ""
    tokenizer: str = ""
    pad: Any = 1
    template: str = ""
    output: str = OUTPUTS[0]
    rank: Any = 0
    local: tuple[Local, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the chosen experts, switched on or not."""
        return tuple(row.id(self.base, self.kinds.get(row.name)) for row in self.rows)

    @property
    def named(self) -> dict[str, str]:
        """Word for every chosen expert, by id."""
        return {id: row.name for id, row in zip(self.ids, self.rows, strict=True)}

    @property
    def controls(self) -> ControlValues:
        """The controls' values with the chosen experts in them."""
        pairs = list(zip(self.ids, self.rows, strict=True))
        return replace(
            self.values,
            set=SET,
            on=frozenset(id for id, row in pairs if row.on),
            weights={id: row.weight for id, row in pairs},
        )

    @property
    def padded(self) -> bool:
        """Whether rows are brought to a vocabulary, and so can be padded."""
        return self.tokenizer not in ("", POSITION)

    @property
    def template_word(self) -> str:
        """The chat template as the form names it."""
        return self.template if self.template in ("", *TEMPLATES) else OWN

    @property
    def fitting(self) -> tuple[Local, ...]:
        """Local values that the chosen method and the merged experts can have."""
        spec = method(self.values.method)
        known = {p.name: p.per_expert for p in spec.params} | {"weight": spec.weighted}
        on = self.controls.on
        return tuple(
            one
            for one in self.local
            if one.param in known
            and (one.expert in on and known[one.param] if one.expert else one.param != "weight")
        )


def to_recipe(settings: OwnSettings) -> Recipe:
    """Build the recipe that the controls describe; names are paths below the folder of models.

    Raises:
        RecipeError: Something is unknown or out of range, chosen twice, or missing.
    """
    ids = settings.ids
    twice = next((id for at, id in enumerate(ids) if id in ids[:at]), None)
    if twice is not None:
        raise RecipeError(f"Expert {twice!r:.60} is chosen twice. Keep one of them.")
    if not settings.controls.on:
        raise RecipeError("Choose at least one expert.")
    spec = method(settings.values.method)
    plain = controls.to_recipe(settings.controls)
    needs_base = spec.needs_base(plain.settings()) and settings.output == "model"
    if needs_base and not settings.base:
        raise RecipeError(f"{spec.label} needs a base. Choose the model the experts came from.")
    return replace(
        plain,
        set=None,
        base=settings.base or None,
        dtype=settings.dtype or None,
        tokenizer=settings.tokenizer or None,
        pad_to_multiple_of=settings.pad if settings.padded else 1,
        chat_template=settings.template or None,
        local=settings.fitting,
    )


def to_task(settings: OwnSettings) -> Task:
    """Return what the controls ask for.

    Raises:
        RecipeError: As ``to_recipe``, or the rank is none.
    """
    recipe, rank = to_recipe(settings), settings.rank
    if recipe.spec.needs.data:
        raise RecipeError(f"{recipe.spec.label}: {NEEDS[recipe.spec.needs.data]}")
    if settings.output == "model":
        return Task(recipe)
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank <= MOST_RANK:
        shown = "empty" if rank is None else f"{rank!r:.40}"
        raise RecipeError(f"rank is {shown}; it must be a whole number from 0 to {MOST_RANK}.")
    return Task(recipe, "adapter", rank)


def from_recipe(recipe: Recipe, settings: OwnSettings) -> OwnSettings:
    """Set the controls to a recipe; ``settings`` gives what it does not say and all listed names.

    Raises:
        RecipeError: It has something for which there is no control.
    """
    if len(recipe.experts) > MOST:
        raise RecipeError(
            f"The recipe has {len(recipe.experts)} experts; this page takes {MOST}. Use the "
            "command line: python -m merging merge RECIPE --out DIR."
        )
    if recipe.tokens:
        raise RecipeError(
            "The recipe sets rows of single tokens (tokens), for which this page has no control. "
            "Take these lines out, or use python -m merging merge RECIPE --out DIR."
        )
    base = recipe.base or ""
    if base and settings.kinds.get(base) != "model":
        raise RecipeError(f"The recipe's base {base!r:.80} is no model folder of its own.")
    plain = replace(
        recipe, base=None, local=(), tokenizer=None, pad_to_multiple_of=1, chat_template=None,
        dtype=None, set=SET,
    )  # fmt: skip
    blank = ControlValues(SET, frozenset(), {}, settings.values.method, settings.values.methods)
    rows = tuple(_row(e.id, base, e.weight, settings.kinds) for e in recipe.experts)
    alone = not base and all(settings.kinds[r.name] == "adapter" and not r.over for r in rows)
    return replace(
        settings,
        base=base,
        rows=rows,
        values=controls.from_recipe(plain, blank),
        dtype=recipe.dtype or "",
        tokenizer=recipe.tokenizer or "",
        pad=recipe.pad_to_multiple_of,
        template=recipe.chat_template or "",
        output="adapter" if alone else "model",
        local=recipe.local,
    )


def renamed(recipe: Recipe, kinds: Mapping[str, Kind]) -> Recipe:
    """Return a recipe whose adapters are written with the base they change, as the page's are.

    Args:
        recipe: Of listed models.
        kinds: Kind of every listed name.
    """
    base = recipe.base
    ids = {e.id: f"{base}+{e.id}" for e in recipe.experts if base and kinds.get(e.id) == "adapter"}
    if not ids:
        return recipe
    return replace(
        recipe,
        experts=tuple(replace(e, id=ids.get(e.id, e.id)) for e in recipe.experts),
        tokenizer=ids.get(recipe.tokenizer or "", recipe.tokenizer),
        local=tuple(replace(one, expert=ids.get(one.expert, one.expert)) for one in recipe.local),
        tokens=tuple(replace(one, model=ids.get(one.model, one.model)) for one in recipe.tokens),
    )


def _row(id: str, base: str, weight: float, kinds: Mapping[str, Kind]) -> Row:
    if id in kinds:
        return Row(id, weight=weight)
    for place in range(1, len(id) - 1):
        model, adapter = id[:place], id[place + 1 :]
        known = kinds.get(model) == "model" and kinds.get(adapter) == "adapter"
        if id[place] == "+" and known:
            return Row(adapter, "" if model == base else model, weight=weight)
    raise RecipeError(f"The recipe's expert {id!r:.80} is not among the listed models.")


def dtypes() -> tuple[str, ...]:
    """Return the types that can be written, "" (as in the base) first."""
    return ("", *DTYPES)
