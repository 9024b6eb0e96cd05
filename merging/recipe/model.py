"""The recipe: what is merged and how. A frozen, checked value with a canonical hash."""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

from merging.errors import ParameterError, RecipeError, UnknownNameError, unknown
from merging.methods.context import Settings
from merging.methods.params import WEIGHT, Param, Value
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.recipe.layers import Layers, check_layers, told_layers
from merging.recipe.local import Local, Spot, checked, overridden, told
from merging.recipe.token_rows import TokenRow, check_token_rows, write_token_rows
from merging.recipe.tokens import POSITION, check_template, check_tokenizer

FORMAT = "merge-explorer/1"
DTYPES = ("float32", "float16", "bfloat16")
MOST_EXPERTS = 64
LONGEST_NAME = 500
MOST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Expert:
    """One expert of a recipe.

    Attributes:
        id: Its name in the set, or on the command line its path. Masks depend on it.
        weight: How loud it is.
        params: Its own values of per-expert parameters, sorted by name.
        layers: Runs of layers of other models that it is put together from; none where it is the
            model that its id names.
    """

    id: str
    weight: float = 1.0
    params: tuple[tuple[str, Value], ...] = ()
    layers: tuple[Layers, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is merged and how; valid by construction.

    Attributes:
        method: Id of a method in the registry.
        experts: At least as many as the method needs, ids all different.
        set: Name of a bundled set, or None when ``base`` names a folder.
        base: Path or name of the base, or None.
        params: Values that differ from or repeat the defaults, sorted by name.
        dialect: Whose reading of the method fills in what is not said.
        dtype: Type of the written weights, or None for the base's.
        seed: For methods that draw at random, from 0 to 2**63 - 1.
        tokenizer: Whose vocabulary the result has where they differ: ``union``, ``base`` or an
            expert's id; ``position`` takes rows as they stand, whatever their tokens are; None
            does so too, and a merge is refused where that would mix rows of different tokens.
        pad_to_multiple_of: Rows without a token are added until this divides their number.
        chat_template: A name (chatml, auto ...) or a Jinja template; None for that of the model
            whose tokenizer is taken.
        tokens: Rows of single tokens, sorted by token; the others take the stated rule.
        local: Values that depend on layer or tensor, sorted by parameter and expert.
        base_layers: Runs of layers that the base is put together from; none where it is one model.

    Raises:
        RecipeError: Anything is unknown, of the wrong kind or out of range.
    """

    method: str
    experts: tuple[Expert, ...]
    set: str | None = None
    base: str | None = None
    params: tuple[tuple[str, Value], ...] = ()
    dialect: str = "paper"
    dtype: str | None = None
    seed: int = 0
    tokenizer: str | None = None
    local: tuple[Local, ...] = ()
    base_layers: tuple[Layers, ...] = ()
    pad_to_multiple_of: int = 1
    chat_template: str | None = None
    tokens: tuple[TokenRow, ...] = ()

    def __post_init__(self) -> None:
        spec = method(self.method)
        _check_names(self)
        _check_experts(self.experts, spec)
        if self.dtype is not None and self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
        based = ["base"] if self.base or self.set else []
        names = [*based, *(e.id for e in self.experts)]
        check_tokenizer(self.tokenizer, self.pad_to_multiple_of, names)
        check_template(self.chat_template)
        check_token_rows(self.tokens, self.tokenizer not in (None, POSITION), names)
        object.__setattr__(self, "tokens", tuple(sorted(self.tokens, key=lambda t: t.token)))
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            shown = "empty" if self.seed is None else f"{self.seed!r:.60}"
            raise ParameterError(f"seed is {shown}; it must be a whole number.")
        if not 0 <= self.seed <= MOST_SEED:
            raise ParameterError(f"seed is {self.seed}; it must be from 0 to 2**63 - 1.")
        params = tuple(sorted((n, _checked(spec, n, v)) for n, v in self.params))
        object.__setattr__(self, "params", params)
        experts = tuple(_checked_expert(spec, expert) for expert in self.experts)
        object.__setattr__(self, "experts", experts)
        _check_weights(experts, spec)
        check_layers((self.base_layers, *(e.layers for e in experts)))
        if self.local:
            object.__setattr__(self, "local", _checked_local(self))
        if spec.check is not None:
            spec.check(self.settings())

    @property
    def spec(self) -> MethodSpec:
        """The declaration of the method."""
        return method(self.method)

    def plain(self, what: str) -> "Recipe":
        """Return the recipe, for what does not follow values by layer or tensor.

        Args:
            what: Does not, as the beginning of a sentence.

        Raises:
            RecipeError: The recipe has such values.
        """
        if self.local:
            names = ", ".join(dict.fromkeys(one.param for one in self.local))
            raise RecipeError(
                f"{what} does not follow values by layer or tensor, and {names} has such values. "
                "Only merging does: python -m merging merge."
            )
        return self

    def ordered(self) -> "Recipe":
        """Return the recipe with experts in order of id where the method does not mind."""
        if not self.spec.symmetric:
            return self
        return replace(self, experts=tuple(sorted(self.experts, key=lambda e: e.id)))

    def settings(self) -> Settings:
        """Return the value of every parameter, defaults of the dialect filled in."""
        spec = self.spec
        common = spec.defaults(self.dialect) | dict(self.params)
        return self._filled(common, [{"weight": e.weight, **dict(e.params)} for e in self.experts])

    def settings_at(self, spot: Spot) -> Settings:
        """Return the value of every parameter at one tensor.

        Args:
            spot: Where the tensor stands; see ``merging.recipe.local.spots_of``.
        """
        if not self.local:
            return self.settings()
        common = overridden(self.spec.defaults(self.dialect) | dict(self.params), self.local, spot)
        own = [
            overridden({"weight": e.weight, **dict(e.params)}, self.local, spot, e.id)
            for e in self.experts
        ]
        return self._filled(common, own)

    def _filled(self, common: dict[str, Value], own: list[dict[str, Value]]) -> Settings:
        """Settings from common values and each expert's own."""
        each = {"weight": tuple(float(values["weight"]) for values in own)}
        for param in self.spec.params:
            if param.per_expert:
                each[param.name] = tuple(float(v.get(param.name, common[param.name])) for v in own)
        return Settings(common, each, self.dialect)

    def canonical(self) -> dict[str, Any]:
        """Return what decides the result, in one order, with all defaults written out.

        Left out are parameters whose flag is off, and those declared after the first release
        where they stand at their default.
        """
        recipe = self.ordered()
        settings = recipe.settings()
        active = [p for p in recipe.spec.active(settings) if not (p.later and _idle(p, settings))]
        common = sorted(p.name for p in active if not p.per_expert)
        names = sorted(["weight", *(p.name for p in active if p.per_expert)])
        found: dict[str, Any] = {
            "format": FORMAT,
            "set": recipe.set,
            "base": recipe.base,
            "method": recipe.method,
            "dialect": recipe.dialect,
            "dtype": recipe.dtype,
            "seed": recipe.seed if recipe.spec.random else 0,
            "params": {n: settings.common[n] for n in common},
            "experts": [
                {"id": expert.id, **{n: settings.each[n][i] for n in names}}
                for i, expert in enumerate(recipe.experts)
            ],
            **({} if recipe.tokenizer is None else {"tokenizer": recipe.tokenizer}),
        }
        if recipe.pad_to_multiple_of > 1:
            found["pad_to_multiple_of"] = recipe.pad_to_multiple_of
        if recipe.chat_template is not None:
            found["chat_template"] = recipe.chat_template
        if recipe.tokens:
            found["tokens"] = write_token_rows(recipe.tokens)
        if recipe.local:
            found["local"] = list(told(recipe.local))
        if recipe.base_layers or any(e.layers for e in recipe.experts):
            parts = (recipe.base_layers, *(e.layers for e in recipe.experts))
            found["layers"] = [told_layers(runs) for runs in parts]
        return found

    def key(self) -> str:
        """Return the canonical hash, 16 hexadecimal digits: equal results have equal keys."""
        return _key(self)

    def patched(
        self,
        params: Mapping[str, Value] | None = None,
        weights: Mapping[str, float] | None = None,
        **fields: Any,
    ) -> "Recipe":
        """Return a copy with some settings changed.

        Args:
            params: Common parameters to set.
            weights: New weights by expert id.
            fields: Other fields of the recipe.
        """
        experts = tuple(
            replace(e, weight=(weights or {}).get(e.id, e.weight)) for e in self.experts
        )
        merged = tuple({**dict(self.params), **(params or {})}.items())
        return replace(self, **{"experts": experts, "params": merged, **fields})


@lru_cache(maxsize=4096)
def _key(recipe: Recipe) -> str:
    text = json.dumps(recipe.canonical(), sort_keys=True, allow_nan=False)
    return sha256(text.encode()).hexdigest()[:16]


def make_recipe(
    method_id: str, experts: Iterable[str] | Mapping[str, float], /, **fields: Any
) -> Recipe:
    """Build a recipe from plain values.

    Args:
        method_id: Id of a method.
        experts: Expert ids, or weights by id.
        fields: Other fields of ``Recipe``; ``params`` may be a mapping.

    Raises:
        RecipeError: As ``Recipe``.
    """
    weights = experts if isinstance(experts, Mapping) else dict.fromkeys(experts, 1.0)
    params = fields.pop("params", {})
    chosen = tuple(Expert(name, weight) for name, weight in weights.items())
    return Recipe(method_id, chosen, params=tuple(dict(params).items()), **fields)


def _check_names(recipe: Recipe) -> None:
    for where, name in (
        ("set", recipe.set),
        ("base", recipe.base),
        *(("expert id", e.id) for e in recipe.experts),
    ):
        if name is None and where != "expert id":
            continue
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise RecipeError(
                f"{where} is {name!r:.60}; it must be a text of 1 to {LONGEST_NAME} characters."
            )
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
            raise RecipeError(f"{where} {name!r:.60} holds a control character. Remove it.")
    if recipe.set is not None and recipe.base is not None:
        raise RecipeError("The recipe names a set and a base. A set has its own base: keep one.")


def _check_experts(experts: tuple[Expert, ...], spec: MethodSpec) -> None:
    count, least, most = len(experts), spec.needs.experts, spec.needs.most or MOST_EXPERTS
    if count == 0:
        raise RecipeError("No expert is chosen. Pick at least one.")
    if count < least:
        raise RecipeError(f"{spec.label} needs at least {least} experts; {count} is chosen.")
    if count > most:
        noun = "expert" if most == 1 else "experts"
        raise RecipeError(f"{spec.label} takes at most {most} {noun}; {count} are given.")
    seen: set[str] = set()
    for expert in experts:
        if expert.id in seen:
            raise RecipeError(f"Expert {expert.id!r:.60} is listed twice. Keep one of them.")
        seen.add(expert.id)


def _check_weights(experts: tuple[Expert, ...], spec: MethodSpec) -> None:
    loud = [e for e in experts if e.weight != 1]
    if loud and not spec.weighted:
        raise ParameterError(
            f"expert {loud[0].id!r:.60}: weight is {loud[0].weight:g}, but {spec.label} has no "
            "weights. Leave them at 1."
        )


def _idle(param: Param, settings: Settings) -> bool:
    values = settings.each.get(param.name, (settings.common[param.name],))
    return all(value == param.default for value in values)


def _checked(spec: MethodSpec, name: str, value: object) -> Value:
    param = spec.param(str(name))
    if param is WEIGHT:
        raise UnknownNameError("weight belongs to each expert, not to params.")
    return param.check(value, f"method {spec.id}")


def _checked_expert(spec: MethodSpec, expert: Expert) -> Expert:
    where = f"expert {expert.id!r:.60}"
    weight = WEIGHT.check(expert.weight, where)
    values = []
    for name, value in sorted(expert.params):
        param = spec.param(str(name))
        if param is WEIGHT:
            raise RecipeError(f"{where}: weight is a field of the expert, not one of its params.")
        if not param.per_expert:
            raise RecipeError(f"{where}: {name} is one value for all experts; put it in params.")
        values.append((name, param.check(value, where)))
    return Expert(expert.id, float(weight), tuple(values), expert.layers)


def _checked_local(recipe: Recipe) -> tuple[Local, ...]:
    """Local values in the parameters' types, sorted; each parameter and expert once."""
    spec, ids = recipe.spec, {e.id for e in recipe.experts}
    found: dict[tuple[str, str], Local] = {}
    for local in recipe.local:
        where = f"expert {local.expert!r:.60}" if local.expert else f"method {spec.id}"
        param = spec.param(str(local.param))
        if local.expert and local.expert not in ids:
            raise unknown("expert", local.expert, ids)
        if param is WEIGHT and not local.expert:
            raise RecipeError(f"{where}: weight belongs to each expert; put its values there.")
        if local.expert and not param.per_expert:
            raise RecipeError(f"{where}: {local.param} is one value for all; put it in params.")
        if param is WEIGHT and not spec.weighted:
            raise ParameterError(f"{where}: {spec.label} has no weights. Leave them at 1.")
        key = (local.param, local.expert)
        if key in found:
            raise RecipeError(f"{where}: {local.param} has local values twice. Keep one.")
        found[key] = checked(local, param, where)
    return tuple(found[key] for key in sorted(found))
