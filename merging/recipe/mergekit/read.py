"""Recipes of mergekit 0.1.5 to ours, in dialect mergekit, with a report of what differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from merging.errors import ParameterError, RecipeError, UnknownNameError, unknown
from merging.methods import registry
from merging.methods.params import Value
from merging.recipe.layers import Layers
from merging.recipe.local import Local
from merging.recipe.mergekit.outside import output_type, outside_of, with_tokens
from merging.recipe.mergekit.report import Note, of_method, strangers
from merging.recipe.mergekit.shape import (
    EVOLVE,
    Shape,
    Slice,
    Source,
    Values,
    shape_of,
    strange_keys,
)
from merging.recipe.mergekit.table import ALIASES, METHODS, Method, Theirs, ours_of
from merging.recipe.mergekit.values import Settled, rules_of, settle
from merging.recipe.model import Expert, Recipe


@dataclass(frozen=True, slots=True)
class Imported:
    """A recipe of mergekit in our words.

    Attributes:
        recipe: In dialect mergekit.
        notes: What to know about it.
        name: Of the document, where a file has several; else "".
    """

    recipe: Recipe
    notes: tuple[Note, ...] = ()
    name: str = ""


def imported(data: Mapping[str, Any]) -> Imported:
    """Return what a mapping in mergekit's format describes.

    Raises:
        RecipeError: It cannot be read; a key that mergekit drops silently is a note.
    """
    data = {key: value for key, value in data.items() if value is not None}
    for key in EVOLVE:
        if key in data:
            raise RecipeError(f"{key} is of mergekit-evolve, a search. Read its best recipe here.")
    try:
        theirs = _method(data.get("merge_method"))
        shape = shape_of(data)
        reader = _Reader(theirs, METHODS[theirs], shape)
        recipe = replace(reader.recipe(), dtype=output_type(data))
    except RecipeError as error:
        if hint := _misspelt(data):
            raise UnknownNameError(hint) from error
        raise
    outside, carried = outside_of(data)
    recipe = with_tokens(recipe, outside, shape.slices[0].base)
    averaged = dict(recipe.params).get("combine", recipe.settings().common.get("combine"))
    notes = [*shape.notes, *reader.notes(), *carried]
    notes += of_method(theirs, averaged == "weighted_mean")
    return Imported(recipe, tuple(dict.fromkeys(notes)), outside.name)


def _misspelt(data: Mapping[str, Any]) -> str:
    """The first unknown key, which may be why a document cannot be read."""
    notes = list(strange_keys(data))
    theirs = str(data.get("merge_method"))
    known = METHODS[theirs].params if theirs in METHODS else None
    models = data.get("models")
    for entry in models if isinstance(models, list) and known else ():
        params = entry.get("parameters") if isinstance(entry, dict) else None
        if isinstance(params, dict) and known:
            notes += strangers(params, known, "", f"parameter of {theirs}")
    return notes[0].text if notes else ""


def strict(found: Imported) -> Recipe:
    """Return the recipe of an import that knows every key.

    Raises:
        UnknownNameError: mergekit would drop a key silently.
    """
    for note in found.notes:
        if note.kind == "unknown":
            raise UnknownNameError(note.text)
    return found.recipe


def _method(name: object) -> str:
    if not isinstance(name, str):
        raise RecipeError(f"merge_method is {name!r:.60}; it must be one of {', '.join(METHODS)}.")
    if name not in METHODS:
        raise unknown("merge_method", name, METHODS, ALIASES)
    return name


@dataclass(frozen=True, slots=True)
class _Reader:
    """A document's slices with the words of its method."""

    theirs: str
    method: Method
    shape: Shape

    def recipe(self) -> Recipe:
        """The recipe, output type left open."""
        rows = self._rows()
        base = [_base_of(piece) for piece in self.shape.slices]
        common, local = self._common()
        experts: list[Expert] = []
        for row in rows:
            expert, more = self._expert(row, {e.id for e in experts})
            experts.append(expert)
            local += more
        kept = self.method.base != "input" and self.theirs != "slerp"
        found = base[0] if kept else None
        return Recipe(
            method=self.method.ours,
            experts=tuple(experts),
            base=found.model if found else None,
            base_layers=_layers([b for b in base if b]) if kept else (),
            params=tuple((dict(self.method.fixed) | common | self._special()).items()),
            dialect="mergekit",
            local=tuple(local),
        )

    def notes(self) -> Iterator[Note]:
        """Unknown and idle parameters."""
        known = self.method.params
        for piece in self.shape.slices:
            levels = [(f"model {s.model!r:.60}", s.params) for s in piece.sources]
            for where, params in [*levels, *(("parameters", p) for p in piece.levels)]:
                what = f"parameter of {self.theirs}"
                yield from strangers(params, known, where, what)
                for name in params.keys() & known.keys():
                    if known[name].scope == "nothing" and name not in SWITCHES:
                        text = f"{name} changes no result of {self.theirs} here."
                        yield Note("ignored", where, text)
            for source in piece.sources:
                for name in sorted(source.params.keys() & SWITCHES & known.keys()):
                    text = f"mergekit ignores {name} at a model; it is for the whole merge."
                    yield Note("ignored", f"model {source.model!r:.60}", text)
                if source.model == piece.base and source.params and self.method.base != "input":
                    text = "mergekit ignores parameters of the base."
                    yield Note("ignored", f"model {source.model!r:.60}", text)

    def _rows(self) -> list[list[Source]]:
        """Inputs by position: of every slice the first expert, of every slice the second ..."""
        lists = [list(self._experts(piece)) for piece in self.shape.slices]
        counts = {len(each) for each in lists}
        if len(counts) > 1:
            raise RecipeError(
                "The slices have different numbers of sources. Give each the same number; a source "
                "of weight 0 fills a place where the method has weights."
            )
        if self.theirs == "passthrough" and counts != {1}:
            raise RecipeError("passthrough copies one model for each slice; keep one source there.")
        return [list(row) for row in zip(*lists, strict=True)]

    def _experts(self, piece: Slice) -> list[Source]:
        base = _base_of(piece)
        others = [s for s in piece.sources if s is not base]
        if self.method.base == "input":
            if base is not None and base not in piece.sources:
                return [*piece.sources, base]  # mergekit merges it with the others
            return list(piece.sources)
        if base is None and self.method.base == "required":
            raise RecipeError(f"{self.theirs} needs a base model. Add base_model.")
        if self.method.pair and len(others) != 1:
            raise RecipeError(
                f"{self.theirs} merges the base and exactly one other model; {len(others)} others "
                "are given."
            )
        return [base, *others] if self.theirs == "slerp" and base else others

    def _common(self) -> tuple[dict[str, Value], list[Local]]:
        """Values for all experts."""
        plain: dict[str, Value] = {}
        local = []
        for name, theirs in self.method.params.items():
            if theirs.scope == "nothing":
                self._check_switch(name)
                continue
            if theirs.ours == "weight":
                continue
            found = self._settled(name, theirs, [() for _ in self.shape.slices])
            if found.plain is None and theirs.required:
                raise ParameterError(f"{self.theirs} needs {name} for every tensor.{_LAST}")
            if found.plain is not None:
                plain[theirs.ours] = found.plain
            if found.rules:
                local.append(Local(theirs.ours, found.rules))
        return plain, local

    def _expert(self, row: Sequence[Source], taken: set[str]) -> tuple[Expert, list[Local]]:
        runs = _layers(row)
        name = ", ".join(dict.fromkeys(s.model for s in row))[:400]
        where, plain, local = f"model {name!r:.60}", {}, []
        number = 2
        unique = name
        while unique in taken:
            unique, number = f"{name} ({number})", number + 1
        for key, theirs in self.method.params.items():
            for source in row:
                self._check_place(key, theirs, source)
            if theirs.scope != "model":
                continue
            own = [(s.params,) for s in row]
            whole = theirs.ours == "weight"
            found = self._settled(key, theirs, own, where, whole)
            if found.plain is None and whole:
                plain["weight"] = self._unweighted(theirs, found, where, row[0])
            if found.plain is not None:
                plain[theirs.ours] = found.plain
            if found.rules:
                local.append(Local(theirs.ours, found.rules, unique))
        weight = float(plain.pop("weight", 1.0))
        return Expert(unique, weight, tuple(plain.items()), runs), local

    def _unweighted(self, theirs: Theirs, found: Settled, where: str, source: Source) -> Value:
        """What an expert weighs of whom nothing is said for all tensors."""
        if not theirs.required:
            return 1.0
        if self.method.base == "input" and source.run is None and not source.params:
            base = self.shape.slices[0].base
            if source.model == base:
                raise RecipeError(
                    f"{self.theirs} averages base_model with the other models and needs its weight."
                    " List it under models with a weight, or leave base_model out."
                )
        if found.rules:
            raise ParameterError(f"{where} has no weight where no filter matches.{_LAST}")
        raise ParameterError(f"{where} has no weight. Add parameters: {{weight: 1.0}}.")

    def _settled(
        self,
        name: str,
        theirs: Theirs,
        own: Sequence[Sequence[Values]],
        where: str = "parameters",
        shared: bool = True,
    ) -> Settled:
        """One parameter over all slices, the nearest level first."""
        param = replace(registry.method(self.method.ours).param(theirs.ours), name=name)
        slices = []
        for piece, mine in zip(self.shape.slices, own, strict=True):
            levels = [(where, params) for params in mine]
            levels += [("parameters", params) for params in piece.levels] if shared else []
            rules = [
                rule
                for label, params in levels
                if params.get(name) is not None
                for rule in rules_of(params[name], param, theirs, f"{label}: {name}")
            ]
            slices.append((piece.run, rules))
        return settle(slices)

    def _check_place(self, name: str, theirs: Theirs, source: Source) -> None:
        if theirs.scope == "global" and name in source.params:
            raise RecipeError(
                f"model {source.model!r:.60}: {name} is one value for the whole merge, and mergekit"
                " ignores it at a model. Put it into the parameters of the recipe."
            )

    def _check_switch(self, name: str) -> None:
        for piece in self.shape.slices:
            for params in (*(s.params for s in piece.sources), *piece.levels):
                value = params.get(name)
                if name in ("int8_mask", "rescale", "nuslerp_flatten", "nuslerp_row_wise") and (
                    value is not None
                ):
                    ours_of("flag", value, f"parameters: {name}")
                if name == "eps" and value is not None:
                    self._check_small(value)
                if name == "normalize_weights" and value not in (None, True):
                    raise RecipeError(
                        "normalize_weights: false is not read: here weights are divided by their "
                        "sum. Divide them yourself and leave it out."
                    )

    @staticmethod
    def _check_small(value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != EPS:
            raise RecipeError(
                f"eps is {value!r:.40}; here it is always mergekit's own {EPS:g}. Leave it out."
            )

    def _special(self) -> dict[str, Value]:
        """Settings of ours that follow from more than one word."""
        found: dict[str, Value] = {}
        if self.method.base == "optional":
            found["around"] = "origin" if self.shape.slices[0].base is None else "base"
        if self.theirs == "nuslerp":
            each = [
                {k: v for level in reversed(p.levels) for k, v in level.items() if k in SWITCHES}
                for p in self.shape.slices
            ]
            said = each[0]
            if any(one != said for one in each):
                raise RecipeError(
                    "nuslerp_flatten and nuslerp_row_wise differ between slices; here they are one "
                    "choice for the whole merge. Put them into the parameters of the recipe."
                )
            if not said.get("nuslerp_flatten", True):
                found["flatten"] = "column" if said.get("nuslerp_row_wise") else "row"
        return found


SWITCHES = frozenset(("normalize_weights", "eps", "nuslerp_flatten", "nuslerp_row_wise"))
EPS = 1e-8
_LAST = " Add a last entry {value: ...} without a filter."


def _base_of(piece: Slice) -> Source | None:
    """The source that is the base; mergekit adds one that is not listed among models."""
    if piece.base is None:
        return None
    listed = next((s for s in piece.sources if s.model == piece.base), None)
    if listed is None and piece.run is not None:
        raise RecipeError(
            f"base_model {piece.base!r:.60} is no source of the slice that makes layers "
            f"{piece.run[0]} to {piece.run[1]}; mergekit fails there. List it with its layer_range."
        )
    return listed or Source(piece.base, None, {})


def _layers(row: Sequence[Source]) -> tuple[Layers, ...]:
    return tuple(Layers(s.model, *s.run) for s in row if s.run is not None)
