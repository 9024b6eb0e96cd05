"""What a document of mergekit merges: models, slices or modules, brought into one shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from merging.errors import RecipeError
from merging.recipe.layers import MOST_RUNS
from merging.recipe.mergekit.references import reference
from merging.recipe.mergekit.report import Note, strangers

KEYS = (
    *("merge_method", "base_model", "models", "slices", "modules", "parameters", "dtype"),
    *("out_dtype", "tokenizer_source", "tokenizer", "chat_template", "name"),
)
EVOLVE = ("genome", "tasks")
MODEL_KEYS = ("model", "parameters")
SOURCE_KEYS = ("model", "layer_range", "parameters")
SLICE_KEYS = ("sources", "base_model", "residual_weight", "parameters")
MODULE_KEYS = ("models", "slices", "parameters")

Values = Mapping[str, Any]
Run = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One input of a slice: model id, its layers or None for all, its own parameters."""

    model: str
    run: Run | None
    params: Values


@dataclass(frozen=True, slots=True)
class Slice:
    """Inputs that are merged with each other over a run of layers of the result.

    Attributes:
        sources: At least one.
        run: Layers of the result, or None for all.
        base: Id of the base, or None.
        levels: Parameters that hold for all sources, nearest first: slice, module, global.
    """

    sources: tuple[Source, ...]
    run: Run | None
    base: str | None
    levels: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Slices of a document and what was odd about its keys."""

    slices: tuple[Slice, ...]
    notes: tuple[Note, ...]


def shape_of(data: Values) -> Shape:
    """Return the slices of a document; ``models`` is one slice over all layers.

    Raises:
        RecipeError: None or several of models, slices and modules are there; an entry is
            malformed; sources of a slice differ in length; or modules differ from each other.
    """
    notes = list(strange_keys(data))
    base = reference(data["base_model"], "base_model") if "base_model" in data else None
    shared = params_of(data.get("parameters"), "parameters")
    found = [key for key in ("models", "slices", "modules") if data.get(key)]
    if len(found) != 1:
        said = " and ".join(found) or "none"
        raise RecipeError(
            f"models must be a list of entries such as {{model: path}}; of models, slices and "
            f"modules exactly one is needed, and there is {said}."
        )
    if found == ["modules"]:
        return _of_modules(data["modules"], base, shared, notes)
    slices = tuple(_inside(data, base, (shared,), "", notes))
    return Shape(slices, tuple(notes))


def strange_keys(data: Values) -> Iterator[Note]:
    """Yield a note for every key of a document that mergekit drops silently."""
    return strangers(data, KEYS, "recipe", "key in the mergekit recipe", _MEANT)


def params_of(entries: object, where: str) -> Values:
    """Return parameters as a mapping.

    Raises:
        RecipeError: They are something else.
    """
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise RecipeError(f"{where}: parameters must be names with values.")
    return entries


_MEANT = {"experts": "models", "method": "merge_method"} | dict.fromkeys(
    ("weight", "density", "lambda", "normalize", "rescale", "int8_mask", "t"), "parameters"
)


def _of_modules(modules: object, base: str | None, shared: Values, notes: list[Note]) -> Shape:
    if not isinstance(modules, dict):
        raise RecipeError("modules must be names with models or slices.")
    every = []
    for name, content in modules.items():
        if not isinstance(content, dict):
            raise RecipeError(f"module {name!r:.60} must have models or slices.")
        where = f"module {name!r:.60}"
        notes.extend(strangers(content, MODULE_KEYS, where, f"key of {where}"))
        levels = (params_of(content.get("parameters"), where), shared)
        every.append(tuple(_inside(content, base, levels, f"{where}: ", notes)))
    if any(one != every[0] for one in every):
        raise RecipeError(
            f"The modules {', '.join(map(str, modules))} are merged differently. Which tensors "
            "belong to which is not in the file: write filters under parameters instead."
        )
    if len(every) > 1:
        text = "All modules are merged alike, so they are read as one model."
        notes.append(Note("ignored", "modules", text))
    return Shape(every[0], tuple(notes))


def _inside(
    data: Values, base: str | None, levels: tuple[Values, ...], prefix: str, notes: list[Note]
) -> Iterator[Slice]:
    if bool(data.get("models")) == bool(data.get("slices")):
        raise RecipeError(f"{prefix}either models or slices are needed, and not both.")
    if data.get("models"):
        sources = tuple(_sources(data["models"], "models", MODEL_KEYS, notes))
        seen: set[str] = set()
        for source in sources:
            if source.model in seen:
                raise RecipeError(f"The model {source.model!r:.60} is listed twice. Keep one.")
            seen.add(source.model)
        yield Slice(sources, None, base, levels)
        return
    yield from _slices(data["slices"], base, levels, notes)


def _slices(
    entries: object, base: str | None, levels: tuple[Values, ...], notes: list[Note]
) -> Iterator[Slice]:
    if not isinstance(entries, list) or len(entries) > MOST_RUNS:
        raise RecipeError("slices must be a list of entries such as {sources: [...]}.")
    begin = 0
    for number, entry in enumerate(entries, 1):
        where = f"slice {number}"
        if not isinstance(entry, dict) or "sources" not in entry:
            raise RecipeError(f"{where} has no sources. Add {{model, layer_range}} entries.")
        notes.extend(strangers(entry, SLICE_KEYS, where, "key of a slice"))
        if entry.get("residual_weight") is not None:
            notes.append(Note("ignored", where, "mergekit accepts residual_weight and ignores it."))
        sources = tuple(_sources(entry["sources"], f"{where}: sources", SOURCE_KEYS, notes))
        runs = [s.run for s in sources if s.run is not None]
        lengths = {stop - start for start, stop in runs}
        if len(lengths) != 1 or len(runs) != len(sources):
            raise RecipeError(
                f"{where}: each source needs a layer_range, and all of the same length."
            )
        length = lengths.pop()
        own = entry.get("base_model")
        mine = (params_of(entry.get("parameters"), where), *levels)
        chosen = reference(own, f"{where}: base_model") if own is not None else base
        yield Slice(sources, (begin, begin + length), chosen, mine)
        begin += length


def _sources(
    entries: object, where: str, keys: tuple[str, ...], notes: list[Note]
) -> Iterator[Source]:
    if not isinstance(entries, list) or not entries:
        raise RecipeError(f"{where} must be a list of entries such as {{model: path}}.")
    for entry in entries:
        if not isinstance(entry, dict) or "model" not in entry:
            raise RecipeError(
                f"The entry {entry!r:.60} of {where} has no model. {_near_model(entry)}"
            )
        name = reference(entry["model"], "model")
        notes.extend(strangers(entry, keys, f"model {name!r:.60}", "key of a model"))
        params = params_of(entry.get("parameters"), f"model {name!r:.60}")
        yield Source(name, _run(entry.get("layer_range"), name), params)


def _near_model(entry: object) -> str:
    keys = [str(key)[:40] for key in entry] if isinstance(entry, dict) else []
    near = [k for k in keys if get_close_matches(k.lower(), ("model",), cutoff=0.7)]
    return f"Did you mean 'model' by {near[0]!r}?" if near else "Name its path."


def _run(value: object, name: str) -> Run | None:
    match value:
        case None:
            return None
        case [bool(), _] | [_, bool()]:
            pass
        case [int(start), int(stop)] if 0 <= start < stop:
            return start, stop
    raise RecipeError(
        f"model {name!r:.60}: layer_range is {value!r:.40}; it must be [first, end), as [0, 16]."
    )
