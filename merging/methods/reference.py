"""The method reference: a page of Markdown written from the declarations, and from nothing else."""

from collections.abc import Iterator, Sequence

from merging.methods.context import Settings
from merging.methods.params import LONGEST_TEXT, WEIGHT, Param, Value
from merging.methods.spec import MethodSpec, Scope

_INTRODUCTION = """# Methods

Every merge method of Merge Explorer: what it does and why, its formula and parameters, what it \
needs and costs, and where implementations differ. Formulas write θ₀ for the base, θᵢ for an \
expert, τᵢ = θᵢ - θ₀ for its task vector, w for a weight, λ for the scaling coefficient, d for the \
density and p for the drop rate; defaults are those of the dialect `paper`.
"""
_HEADINGS = ("Parameter", "Meaning", "Default", "Range or choices", "Where the default comes from")
_DATA = {
    "": "no data",
    "fisher": "the Fisher diagonal of every expert, measured on data",
    "gram": "Gram matrices of the inputs of linear layers, measured on data",
    "inputs": "mean inputs of linear layers, measured on data",
    "scorer": "held-out scores of whole models",
}
_SCOPES: dict[Scope, str] = {
    "element": "each element alone",
    "tensor": "one tensor at a time",
    "model": "the whole model",
}
_NUMBERS = ("no", "one", "two", "three", "four")


def reference(methods: Sequence[MethodSpec]) -> str:
    """Return the reference of methods, in Markdown.

    Args:
        methods: Declarations. Families stand in the order in which they first appear, and the
            methods of a family in the order given.

    Returns:
        The page; the same declarations always give the same text.
    """
    families = dict.fromkeys(spec.family for spec in methods)
    parts = [_INTRODUCTION]
    for family in families:
        parts.append(f"## {family}\n")
        parts += [_entry(spec) for spec in methods if spec.family == family]
    return "\n".join(parts)


def _entry(spec: MethodSpec) -> str:
    blocks = [
        f"### {spec.label}",
        f"`{spec.id}`: {spec.summary} {spec.idea}".rstrip(),
        f"```text\n{spec.formula}\n```",
        f"Source: {_source(spec)}",
        _table(spec),
        f"Needs: {'; '.join(_needs(spec))}.",
        f"Works on: {_scope(spec)}.",
        f"Cost: {spec.cost}.",
        _dialects(spec),
    ]
    if spec.differs:
        blocks.append(f"Implementations differ: {spec.differs}")
    return "\n\n".join(blocks) + "\n"


def _source(spec: MethodSpec) -> str:
    citation, number = spec.source.citation, spec.source.arxiv
    return f"[{citation}](https://arxiv.org/abs/{number})" if number else citation


def _table(spec: MethodSpec) -> str:
    params = (WEIGHT, *spec.params) if spec.weighted else spec.params
    if not params:
        return "No parameters."
    rows = [_row(_HEADINGS), _row(["---"] * len(_HEADINGS))]
    return "\n".join(rows + [_row(_cells(param)) for param in params])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _cells(param: Param) -> list[str]:
    named = not param.symbol or param.symbol in param.label.split()
    label = param.label if named else f"{param.label} {param.symbol}"
    meaning = [param.help]
    if param.per_expert:
        meaning.append("May differ between experts.")
    if param.when:
        meaning.append(f"Only with `{param.when}`.")
    return [
        f"{label} `{param.name}`",
        " ".join(meaning),
        "empty" if param.default == "" else _value(param.default),
        _range(param),
        param.origin,
    ]


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    """Write a number as ``:g`` does, without zeros and plus signs in the exponent."""
    digits, mark, exponent = f"{value:g}".partition("e")
    return digits + mark + (str(int(exponent)) if mark else "")


def _range(param: Param) -> str:
    if param.choices:
        return ", ".join(f"`{choice}`" for choice in param.choices)
    if isinstance(param.default, bool):
        return "`true`, `false`"
    if isinstance(param.default, str):
        return f"text of at most {LONGEST_TEXT} characters"
    low, high = _number(param.minimum), _number(param.maximum)
    kind = "whole numbers from " if isinstance(param.default, int) else ""
    return f"{kind}{low} to {'below ' if param.exclusive else ''}{high}"


def _needs(spec: MethodSpec) -> Iterator[str]:
    if spec.needs.base or (spec.whole is None and spec.space == "deltas"):
        yield "the base"
    elif callable(spec.space):
        yield "the base where it works on task vectors"
    else:
        yield "no base"
    yield _experts(spec)
    if spec.needs.model == "mixture":
        yield "a mixture of experts"
    yield _DATA[spec.needs.data]
    if spec.random:
        yield "a seed"
    if spec.needs.most != 1:
        order = "does not count" if spec.symmetric else "counts"
        yield f"the order of the experts {order}"


def _experts(spec: MethodSpec) -> str:
    least, most = spec.needs.experts, spec.needs.most
    noun = "expert" if (most or least) == 1 else "experts"
    if most is None:
        return f"{_word(least)} {noun} or more"
    return f"{_word(least)} {noun}" if most == least else f"{_word(least)} to {_word(most)} {noun}"


def _word(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _scope(spec: MethodSpec) -> str:
    """Tell the scope at the defaults, and the dialects whose options change it."""
    usual = spec.scope(_settings(spec, "paper"))
    words = _SCOPES[usual]
    for dialect in spec.dialects:
        other = spec.scope(_settings(spec, dialect))
        if other != usual:
            words += f"; in dialect `{dialect}` {_SCOPES[other]}"
    return words


def _settings(spec: MethodSpec, dialect: str) -> Settings:
    """All parameters at a dialect's values, with as many experts as the method needs at least."""
    values = spec.defaults(dialect)
    each = {p.name: float(values[p.name]) for p in spec.params if p.per_expert}
    each[WEIGHT.name] = float(WEIGHT.default)
    common = {name: value for name, value in values.items() if name not in each}
    return Settings(common, {name: (value,) * spec.needs.experts for name, value in each.items()})


def _dialects(spec: MethodSpec) -> str:
    """List what other dialects set to other values than the defaults."""
    usual = spec.defaults("paper")
    lines = []
    for dialect, options in spec.dialects.items():
        if dialect == "paper":
            continue
        changed = [f"`{n}` {_value(v)}" for n, v in options.items() if v != usual[n]]
        lines.append(f"- `{dialect}`: {', '.join(changed) or 'the same values'}")
    if not lines:
        return "Dialects: `paper` only."
    return "Dialects, where their values are not the defaults:\n\n" + "\n".join(lines)
