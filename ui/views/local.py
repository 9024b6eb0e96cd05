"""Values by layer and module: a recipe's local values as lines and as a small table. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.checkpoints.block_values import (
    Target,
    plain_of,
    preset_at,
    preset_of,
    presets_for,
    said_of,
    span_of,
    targets_of,
    values_of,
    with_block,
    with_preset,
)
from merging.checkpoints.blocks import AFTER, BEFORE, COLUMNS, Blocks, Row, column_of
from merging.errors import RecipeError
from merging.recipe import Recipe

MOST_LINES = 6
MOST_PARTS = 3
WORDS = {"attention": "Attention", "mlp": "MLP", "other": "Other"}
ROWS = {
    BEFORE: "Embeddings",
    "first": "First third",
    "middle": "Middle third",
    "last": "Last third",
    AFTER: "Final norm and head",
}
RULE = "Embeddings, final norm and head take the first value of a curve, as in mergekit."
NOWHERE = "Choose a base and experts first: the layers are those of their tensors."


@dataclass(frozen=True, slots=True)
class LocalLine:
    """Tensors that have the same values in every layer.

    Attributes:
        label: What they are.
        values: One for each layer; None where the layer has no such tensor.
    """

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class BlockCell:
    """One cell of the table.

    Attributes:
        low, high: Ends of the values in it.
        count: How many tensors it has; 0 where the model has none.
        editable: Names allow to pick its tensors.
    """

    low: float = 0.0
    high: float = 0.0
    count: int = 0
    editable: bool = False


@dataclass(frozen=True, slots=True)
class LocalView:
    """What one target's values are over the model.

    Attributes:
        title: Whose they are, in words.
        plain: The value where nothing else is said.
        lines: Groups of tensors with equal values, the largest first; at most six.
        more: Groups beyond these.
        before, after: Values outside the layers, in front and behind, with their ends.
        rows: Words of the rows, with the words for their layers.
        cells: By row and column.
        preset: Which preset this is, or "".
        presets: Id, label and sentence of those that fit the model.
        sentence: What holds, in words.
        limits: Accepted range.
        step: Of the number boxes.
    """

    title: str
    plain: float
    lines: tuple[LocalLine, ...]
    more: int
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    rows: tuple[tuple[str, str, str], ...]
    cells: Mapping[tuple[str, str], BlockCell]
    preset: str
    presets: tuple[tuple[str, str, str], ...]
    sentence: str
    limits: tuple[float, float]
    step: float


def local_view(
    recipe: Recipe, blocks: Blocks, target: Target, names: Mapping[str, str] | None = None
) -> LocalView:
    """Arrange one target's values over a model.

    Args:
        recipe: With its local values.
        blocks: Of its base, or of the first expert.
        target: Whose values.
        names: Words for experts by id; the ids where None.

    Raises:
        RecipeError: The recipe has no such number or expert.
    """
    found, param = values_of(recipe, blocks, target), recipe.spec.param(target.param)
    preset, lines = preset_at(recipe, blocks, target), _lines(found, blocks)
    title = title_of(recipe, target, names or {})
    return LocalView(
        title=title,
        plain=plain_of(recipe, target),
        lines=lines[:MOST_LINES],
        more=len(lines[MOST_LINES:]),
        before=_ends(found, blocks, BEFORE),
        after=_ends(found, blocks, AFTER),
        rows=tuple((row.id, *_words(row, blocks)) for row in blocks.rows),
        cells={(r.id, c): _cell(found, blocks, r.id, c) for r in blocks.rows for c in COLUMNS},
        preset=preset,
        presets=_presets(recipe, blocks, target),
        sentence=f"{title}: {_said(recipe, blocks, target, preset, found)}",
        limits=(param.minimum, param.maximum),
        step=param.step,
    )


def title_of(recipe: Recipe, target: Target, names: Mapping[str, str]) -> str:
    """Return whose value it is, in words: "Weight of math", "Density"."""
    label = recipe.spec.param(target.param).label
    return f"{label} of {names.get(target.expert, target.expert)}" if target.expert else label


def target_named(recipe: Recipe, word: object) -> Target:
    """Return the target whose ``word_of`` the page sent; the first one where it is none.

    Raises:
        RecipeError: The method has no number that could differ by layer.
    """
    there = targets_of(recipe)
    if not there:
        raise RecipeError(f"{recipe.spec.label} has no number that could differ by layer.")
    return next((target for target in there if word_of(target) == word), there[0])


def word_of(target: Target) -> str:
    """Return a target as one word for the page."""
    return f"{target.param}:{target.expert}"


def edited(
    recipe: Recipe, blocks: Blocks, target: Target, action: str, sent: Mapping[str, object]
) -> Recipe:
    """Return the recipe after something was done in the block table.

    Args:
        recipe: Before.
        blocks: Of the model.
        target: Whose values.
        action: ``preset`` with ``preset``, or ``block`` with ``row``, ``column`` and ``value``.
        sent: From the page, unchecked.

    Raises:
        RecipeError: The preset, the block or the value is refused.
    """
    if action == "preset":
        return with_preset(recipe, blocks, target, preset_of(str(sent.get("preset"))[:40]).id)
    where = f"{recipe.spec.label}, {target.param}"
    value = recipe.spec.param(target.param).check(sent.get("value"), where)
    row, column = (str(sent.get(name))[:40] for name in ("row", "column"))
    return with_block(recipe, blocks, target, row, column, float(value))


def _presets(recipe: Recipe, blocks: Blocks, target: Target) -> tuple[tuple[str, str, str], ...]:
    low, high = span_of(recipe, blocks, target)
    return tuple((p.id, p.label, said_of(p, low, high)) for p in presets_for(blocks))


def _said(
    recipe: Recipe, blocks: Blocks, target: Target, preset: str, found: Mapping[str, float]
) -> str:
    if preset:
        said = said_of(preset_of(preset), *span_of(recipe, blocks, target))
        return f"{said[:1].lower()}{said[1:]}"
    low, high = min(found.values()), max(found.values())
    return f"from {low:g} to {high:g}, by layer and module. {RULE}"


def _lines(found: Mapping[str, float], blocks: Blocks) -> list[LocalLine]:
    """Groups of tensors that differ in no layer, the largest first."""
    places: dict[str, dict[int, float]] = {}
    columns: dict[str, str] = {}
    for name, value in found.items():
        spot = blocks.spots[name]
        if spot.layer is not None:
            part = _part(name, spot.layer)
            places.setdefault(part, {})[spot.layer] = value
            columns[part] = column_of(name)
    groups: dict[tuple[float | None, ...], list[str]] = {}
    for part, by in places.items():
        key = tuple(by.get(layer) for layer in range(blocks.height))
        groups.setdefault(key, []).append(part)
    merged = _joined(groups)
    ordered = sorted(merged.items(), key=lambda item: -len(item[1]))
    return [LocalLine(_label(parts, columns), values) for values, parts in ordered]


def _joined(
    groups: Mapping[tuple[float | None, ...], Sequence[str]],
) -> dict[tuple[float | None, ...], list[str]]:
    """Groups whose values agree wherever both have some are one: a tensor of one layer alone."""
    found: dict[tuple[float | None, ...], list[str]] = {}
    for values, parts in sorted(groups.items(), key=lambda item: item[0].count(None)):
        fits = (known for known in found if _agree(known, values))
        found.setdefault(next(fits, values), []).extend(parts)
    return found


def _agree(known: Sequence[float | None], values: Sequence[float | None]) -> bool:
    return all(b is None or a == b for a, b in zip(known, values, strict=True))


def _part(name: str, layer: int) -> str:
    """A tensor's name without the number of its layer."""
    words = name.split(".")
    at = next(i for i, word in enumerate(words) if word.isdecimal() and int(word) == layer)
    return ".".join((*words[:at], "#", *words[at + 1 :]))


def _label(parts: Sequence[str], columns: Mapping[str, str]) -> str:
    """What a group is: whole columns by their words, else the tensors by name."""
    mine, said = set(parts), []
    for column in COLUMNS:
        whole = {part for part, c in columns.items() if c == column}
        if whole and whole <= mine:
            said.append(WORDS[column])
            mine -= whole
    if len(said) == len(set(columns.values())) and not mine:
        return "All tensors of the layers"
    tails = sorted({part.partition("#.")[2].removesuffix(".weight") for part in mine})
    said += tails[:MOST_PARTS]
    more = len(tails) - MOST_PARTS
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def _ends(found: Mapping[str, float], blocks: Blocks, row: str) -> tuple[float, float] | None:
    values = [found[n] for c in COLUMNS for n in blocks.tensors.get((row, c), ())]
    return (min(values), max(values)) if values else None


def _words(row: Row, blocks: Blocks) -> tuple[str, str]:
    if row.layers is None:
        return ROWS[row.id], ""
    first, last = row.layers[0], row.layers[1] - 1
    layers = f"layer {first}" if first == last else f"layers {first} to {last}"
    if blocks.height < len(WORDS):
        return f"L{layers[1:]}", ""
    return ROWS[row.id], layers


def _cell(found: Mapping[str, float], blocks: Blocks, row: str, column: str) -> BlockCell:
    names = blocks.tensors.get((row, column), ())
    if not names:
        return BlockCell()
    values = [found[name] for name in names]
    return BlockCell(min(values), max(values), len(names), bool(blocks.parts[row, column]))
