"""The page as a link: a readable query that restores any view, and its tolerant reader. Pure.

``?v=1&method=ties&experts=digits,fashion:0.5&density=0.2&pin.method=linear&part=disjoint`` says
only what differs from the set's first experiment. ``pin.`` stands before what the pinned recipe
has, ``density.digits`` is the density of one expert, ``hide`` names parts that are left out.
Numbers are written in full, so that a link always gives the same merge.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from urllib.parse import parse_qsl, urlencode

from merging.errors import MergeError
from merging.methods.params import WEIGHT, Param, Value
from merging.methods.registry import method
from merging.recipe import Recipe
from ui.settings import (
    ControlValues,
    MethodValues,
    default_values,
    fitted,
    from_recipe,
    preset,
    to_recipe,
)
from ui.state import (
    BOUNDS,
    BY,
    FREE,
    HEIGHTS,
    PARTS,
    PATIENCE,
    SECONDS,
    SIDES,
    UNITS,
    WAYS,
    AppState,
    View,
)  # fmt: skip

VERSION = 1
LONGEST = 4000
LONGEST_SAID = 40  # of what is repeated in a complaint
MOST_KEYS = 100
PIN = "pin."
HIDEABLE = (
    *("set", "experts", "method", "settings", "seed", "files", "scores", "conflict", "sizes"),
    *("agreement", "winners", "dialects", "whatif", "parts", "map", "runs"),
)
RESERVED = ("v", "set", "method", "experts", "dialect", "seed", "pin", "hide")
CHOICES = {
    "part": PARTS, "side": SIDES, "units": UNITS, "way": WAYS, "free": FREE, "seconds": SECONDS,
    "parts": BY, "patience": PATIENCE, "height": HEIGHTS, "bound": BOUNDS,
}  # fmt: skip
WORDS = ("cell", "kind", "vary", "vary2", "across", "up", "cost", "over", "plane", "ends", "lesson")
LONGEST_WORD = 40


@dataclass(frozen=True, slots=True)
class Start:
    """Where a set's links start from: its experts in order, and its first experiment."""

    experts: tuple[str, ...]
    first: Recipe

    @property
    def values(self) -> ControlValues:
        """The controls of the first experiment."""
        return from_recipe(self.first, default_values(self.first.set or "", self.experts))


Starts = Mapping[str, Start]


def encode(state: AppState, starts: Starts) -> str:
    """Return the query of a page, without "?".

    Args:
        state: Its controls hold a valid recipe.
        starts: By set, the first one first.

    Raises:
        RecipeError: The controls hold no recipe.
    """
    pairs = [("v", str(VERSION))]
    pairs += _written(state.recipe(), starts)
    pairs += _pinned(state, starts)
    plain = View()
    for name in (*CHOICES, *WORDS):
        if (value := getattr(state.view, name)) != getattr(plain, name):
            pairs.append((name, value))
    if state.hide:
        pairs.append(("hide", ",".join(sorted(state.hide))))
    return urlencode(pairs, safe=":,")


def _pinned(state: AppState, starts: Starts) -> list[tuple[str, str]]:
    """What is pinned, where that is not the first experiment of the page's set."""
    if state.pinned is None:
        return [("pin", "none")]
    if state.pinned.key() == starts[state.values.set].first.key():
        return []
    pairs = [(PIN + name, text) for name, text in _written(state.pinned, starts)]
    return pairs or [("pin", "first")]


def _written(recipe: Recipe, starts: Starts) -> list[tuple[str, str]]:
    """What a recipe says that its set's first experiment does not."""
    name = recipe.set or ""
    pairs = [] if name == next(iter(starts)) else [("set", name)]
    start = starts[name]
    plain = _begun(start, recipe.method, recipe.dialect)
    values = from_recipe(recipe, plain)
    if recipe.method != start.first.method:
        pairs.append(("method", recipe.method))
    if recipe.dialect != start.first.dialect:
        pairs.append(("dialect", recipe.dialect))
    if (experts := _experts(values)) != _experts(plain):
        pairs.append(("experts", experts))
    settings = values.chosen
    for param, value in settings.params.items():
        if value != plain.chosen.params[param]:
            pairs.append((param, _text(value)))
    for param, by in settings.own.items():
        pairs += [(f"{param}.{expert}", _text(value)) for expert, value in by.items()]
    if recipe.spec.random and recipe.seed != start.first.seed:
        pairs.append(("seed", str(recipe.seed)))
    return pairs


def _begun(start: Start, name: str, dialect: str) -> ControlValues:
    """The first experiment's controls, with another method as its dialect has it."""
    values = start.values
    if (name, dialect) == (start.first.method, start.first.dialect):
        return values
    return fitted(replace(values, method=name, methods={name: preset(method(name), dialect)}))


def _experts(values: ControlValues) -> str:
    names = values.sequence
    loud = {e: w for e, w in values.weights.items() if w != 1 and e in names}
    return ",".join(f"{e}:{_text(loud[e])}" if e in loud else e for e in names)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


@dataclass(slots=True)
class _Reader:
    """Takes entries out of a query, and notes what it could not use."""

    entries: dict[str, str]
    problems: list[str] = field(default_factory=list)

    def take(self, name: str) -> str | None:
        return self.entries.pop(name, None)

    def complain(self, name: str, text: str, why: str) -> None:
        self.problems.append(f"{name[:LONGEST_SAID]}={text[:LONGEST_SAID]}: {why}")


def decode(query: str, starts: Starts) -> tuple[AppState, tuple[str, ...]]:
    """Return the page that a query describes, and in words all that could not be used.

    What is unknown is left out, what is wrong falls back to the set's first experiment.

    Args:
        query: From anyone, without "?".
        starts: By set, the first one first.
    """
    reader = _Reader({})
    for name, text in _pairs(query, reader):
        if name in reader.entries:
            reader.complain(name, text, "it stands twice; the first counts.")
        elif not name.startswith("__"):  # Gradio's own
            reader.entries[name] = text
    version = reader.take("v") or str(VERSION)
    if version not in map(str, range(1, VERSION + 1)):
        reader.complain("v", version, f"this page knows links of version {VERSION}.")
    state = _read_state(reader, starts)
    for name, text in reader.entries.items():
        reader.complain(name, text, _nearest(name, state.values))
    return state, tuple(reader.problems)


def _pairs(query: str, reader: _Reader) -> list[tuple[str, str]]:
    """Names and texts of as many entries as a link may have; what is beyond is complained of."""
    whole = query
    if len(query) > LONGEST:
        whole = query[:LONGEST].rpartition("&")[0]
        reader.problems.append(
            f"It is longer than {LONGEST} characters; what is beyond is left out."
        )
    entries = whole.split("&")
    if len(entries) > MOST_KEYS:
        reader.problems.append(
            f"It has more than {MOST_KEYS} entries; the first {MOST_KEYS} count."
        )
    return parse_qsl("&".join(entries[:MOST_KEYS]), keep_blank_values=True)


def _read_state(reader: _Reader, starts: Starts) -> AppState:
    values = _read_values(reader, "", starts)
    pinned: Recipe | None = starts[values.set].first
    said = reader.take("pin")
    if said == "none":
        pinned = None
    elif said == "first" or any(name.startswith(PIN) for name in reader.entries):
        pinned = to_recipe(_read_values(reader, PIN, starts))
    elif said is not None:
        reader.complain("pin", said, "it can be none or first.")
    return AppState(values, pinned, view=_read_view(reader), hide=_read_hidden(reader))


def _read_values(reader: _Reader, prefix: str, starts: Starts) -> ControlValues:
    """Read one recipe's entries into controls that make a valid recipe."""
    first = next(iter(starts))
    name = reader.take(f"{prefix}set") or first
    if name not in starts:
        reader.complain(f"{prefix}set", name, f"there is no such set; {first} is shown.")
        name = first
    start = starts[name]
    plain = _read_method(reader, prefix, start)
    values = _read_experts(reader, prefix, plain)
    values = _read_settings(reader, prefix, values)
    try:
        to_recipe(values)
    except MergeError as error:
        reader.problems.append(str(error))
        return plain
    return values


def _read_method(reader: _Reader, prefix: str, start: Start) -> ControlValues:
    name = reader.take(f"{prefix}method") or start.first.method
    said = reader.take(f"{prefix}dialect")
    try:
        spec = method(name)
    except MergeError as error:
        reader.complain(f"{prefix}method", name, str(error))
        spec = start.first.spec
    dialect = said or (start.first.dialect if spec.id == start.first.method else "paper")
    try:
        return _begun(start, spec.id, dialect)
    except MergeError as error:
        reader.complain(f"{prefix}dialect", dialect, str(error))
        return _begun(start, spec.id, "paper")


def _read_experts(reader: _Reader, prefix: str, values: ControlValues) -> ControlValues:
    text = reader.take(f"{prefix}experts")
    if text is None:
        return values
    weights: dict[str, float] = {}
    for entry in text.split(","):
        name, _, weight = entry.partition(":")
        if name not in values.weights:
            reader.complain(f"{prefix}experts", name, "the set has no such expert.")
            continue
        weights[name] = 1.0
        if weight:
            weights[name] = _checked(reader, f"{prefix}experts", WEIGHT, weight, 1.0, entry)
    if not weights:
        return values
    every = dict.fromkeys(values.weights, 1.0) | weights
    return replace(values, on=frozenset(weights), weights=every, order=tuple(weights))


def _read_settings(reader: _Reader, prefix: str, values: ControlValues) -> ControlValues:
    spec, chosen = method(values.method), values.chosen
    params, own = dict(chosen.params), {name: dict(by) for name, by in chosen.own.items()}
    for param in spec.params:
        key = f"{prefix}{param.name}"
        if (text := reader.take(key)) is not None:
            params[param.name] = _checked(reader, key, param, text, params[param.name])
        for expert in values.weights if param.per_expert else ():
            if (text := reader.take(f"{key}.{expert}")) is not None:
                value = _checked(reader, f"{key}.{expert}", param, text, params[param.name])
                own.setdefault(param.name, {})[expert] = value
    values = values.having(MethodValues(chosen.dialect, params, own))
    text = reader.take(f"{prefix}seed")
    if text is None:
        return values
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        reader.complain(f"{prefix}seed", text, "it must be a whole number.")
        return values
    return replace(values, seed=int(text))


def _checked(
    reader: _Reader, key: str, param: Param, text: str, otherwise: Value, said: str = ""
) -> Value:
    """Return an entry as a value of a parameter, or another value with a complaint."""
    try:
        return param.check(_value(param, text), "the link")
    except (MergeError, ValueError) as error:
        why = str(error) if isinstance(error, MergeError) else "it must be a number."
        reader.complain(key, said or text, why)
        return otherwise


def _value(param: Param, text: str) -> Value:
    if param.choices or isinstance(param.default, str):
        return text
    if isinstance(param.default, bool):
        return {"true": True, "false": False}.get(text, text)
    if len(text) > 40:
        raise ValueError
    return float(text)


def _read_view(reader: _Reader) -> View:
    found = {}
    for name, choices in CHOICES.items():
        if (text := reader.take(name)) is None:
            continue
        if text in choices:
            found[name] = text
        else:
            reader.complain(name, text, f"it must be one of {', '.join(choices)}.")
    for name in WORDS:
        if (text := reader.take(name)) is None:
            continue
        if len(text) <= 40 and text.isprintable():
            found[name] = text
        else:
            reader.complain(name, text, "it is no name.")
    return View(**found)


def _read_hidden(reader: _Reader) -> frozenset[str]:
    names = [name for name in (reader.take("hide") or "").split(",") if name]
    for name in names:
        if name not in HIDEABLE:
            reader.complain("hide", name, f"it can be {', '.join(HIDEABLE)}.")
    return frozenset(names) & frozenset(HIDEABLE)


def _nearest(name: str, values: ControlValues) -> str:
    known = [*_known(values)]
    near = get_close_matches(name.removeprefix(PIN)[:40], known, n=1, cutoff=0.6)
    return f"unknown; did you mean {near[0]}?" if near else "unknown."


def _known(values: ControlValues) -> Iterator[str]:
    yield from (*RESERVED, *CHOICES, *WORDS)
    for param in method(values.method).params:
        yield param.name
