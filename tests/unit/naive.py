"""All bundled methods once more, weight by weight in plain Python: slow, and easy to believe.

Shares with the library only the recipe's settings and the hash masks, which have tests of their
own.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from merging.methods.masks import HashMasks
from merging.recipe import Recipe

Deltas = dict[str, list[list[float]]]


@dataclass
class Answer:
    """What a recipe does to the deltas of a model.

    Attributes:
        kept: Per expert how many of its changes survive.
        survivors: Per tensor, per coordinate the signs that meet there.
        merged: Per tensor how far the merged weights are from the base.
        energy: Per expert the squared length of what survives, before rescaling.
    """

    kept: list[int]
    survivors: dict[str, list[list[int]]]
    merged: dict[str, list[float]]
    energy: list[float]


def answer(recipe: Recipe, models: dict[str, dict[str, Tensor]], base: dict[str, Tensor]) -> Answer:
    recipe = recipe.ordered()
    deltas = {
        name: [(models[e.id][name] - start).flatten().tolist() for e in recipe.experts]
        for name, start in sorted(base.items())
    }
    sparse = _dropped(recipe, deltas)
    alive = _alive(recipe, sparse)
    trimmed = {
        n: [[v if a else 0.0 for v, a in zip(*pair, strict=True)] for pair in _pairs(d, alive[n])]
        for n, d in sparse.items()
    }
    count = range(len(recipe.experts))
    merged = _merged(recipe, sparse, trimmed)
    if recipe.method == "linear" and not recipe.settings().flag("normalize"):
        # Weights that are factors count the base itself sum(w) times.
        times = sum(e.weight for e in recipe.experts) - 1
        starts = {n: base[n].flatten().tolist() for n in merged}
        merged = {n: [m + times * b for m, b in _pairs(merged[n], starts[n])] for n in merged}
    if recipe.settings().common.get("depth_scaling"):
        factors = _depth_factors(recipe, list(merged))
        merged = {n: [factors[n] * m for m in merged[n]] for n in merged}
    return Answer(
        kept=[sum(v != 0 for d in trimmed.values() for v in d[e]) for e in count],
        survivors={n: _signs(recipe, d) for n, d in trimmed.items()},
        merged=merged,
        energy=[
            sum(
                o * o for n in deltas for o, t in zip(deltas[n][e], trimmed[n][e], strict=True) if t
            )
            for e in count
        ],
    )


def _depth_factors(recipe: Recipe, names: list[str]) -> dict[str, float]:
    """LiNeS: α + β l/(L - 1) in block l of L, and α where there is no such block."""
    common = recipe.settings().common
    shallow, deeper = float(common["shallow"]), float(common["deeper"])
    blocks = {n: [int(part) for part in n.split(".")[:-1] if part.isdigit()] for n in names}
    count = int(common["blocks"]) or 1 + max((b[0] for b in blocks.values() if b), default=0)
    return {
        n: shallow + deeper * b[0] / (count - 1) if b and count > 1 and b[0] < count else shallow
        for n, b in blocks.items()
    }


def _pairs(first: list[Any], second: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(first, second, strict=True))


def _columns(rows: list[list[float]]) -> list[tuple[float, ...]]:
    return list(zip(*rows, strict=True))


def _rescaled(part: list[float], whole: list[float], how: str, density: float) -> list[float]:
    if how == "inverse":
        return [v / density if density > 0 else 0.0 for v in part]
    if how == "l1":
        full, rest = sum(map(abs, whole)), sum(map(abs, part))
        return [v * full / rest for v in part] if min(full, rest) >= 1e-7 else part
    return part


def _dropped(recipe: Recipe, deltas: Deltas) -> Deltas:
    settings = recipe.settings()
    if "drop_rate" not in settings.each:
        return deltas
    found: Deltas = {}
    for name, experts in deltas.items():
        found[name] = []
        for e, whole in enumerate(experts):
            rate = settings.each["drop_rate"][e]
            masks = HashMasks(recipe.seed)
            mask = masks.keep(name, recipe.experts[e].id, 0, len(whole), rate).tolist()
            part = [v if m else 0.0 for v, m in zip(whole, mask, strict=True)]
            found[name].append(_rescaled(part, whole, settings.word("rescale"), 1 - rate))
    return found


def _alive(recipe: Recipe, sparse: Deltas) -> dict[str, list[list[bool]]]:
    """Which entries a trim keeps, over the whole model or tensor by tensor."""
    settings = recipe.settings()
    names = list(sparse)
    if "density" not in settings.each:
        return {n: [[True] * len(e) for e in sparse[n]] for n in names}
    found: dict[str, list[list[bool]]] = {n: [] for n in names}
    groups = [names] if settings.word("trim_scope") == "global" else [[n] for n in names]
    for e, density in enumerate(settings.each["density"]):
        for group in groups:
            places = [(n, i) for n in group for i in range(len(sparse[n][e]))]
            sizes = [abs(sparse[n][e][i]) for n, i in places]
            marks = dict(_pairs(places, _kept(sizes, density, settings.word("trim_rule"))))
            for n in group:
                found[n].append([marks[n, i] for i in range(len(sparse[n][e]))])
    return found


def _kept(sizes: list[float], density: float, rule: str) -> list[bool]:
    count = len(sizes)
    if density in (0, 1) or not sizes:
        return [density == 1] * count
    if rule in ("exact", "at_least_one"):
        number = max(int(rule == "at_least_one"), int(count * density))
        chosen = sorted(range(count), key=lambda i: (-sizes[i], i))[:number]
        return [i in chosen for i in range(count)]
    rank = count - int(count * density) if rule == "authors" else int(count * (1 - density))
    cut = sorted(sizes)[rank - 1] if rank else 0.0
    return [size > cut if rule == "strict" else size >= cut for size in sizes]


def _signs(recipe: Recipe, trimmed: list[list[float]]) -> list[list[int]]:
    settings = recipe.settings()
    weights = settings.each["weight"]
    if settings.common.get("voters") == "unweighted":
        weights = (1.0,) * len(weights)
    return [[_sign(w * v) for w, v in zip(weights, at, strict=True)] for at in _columns(trimmed)]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _merged(recipe: Recipe, sparse: Deltas, trimmed: Deltas) -> dict[str, list[float]]:
    settings = recipe.settings()
    weights, scale = settings.each["weight"], float(settings.common.get("scale", 1.0))
    if "combine" not in settings.common:
        share = sum(weights) if settings.flag("normalize") else 1.0
        return {
            n: [scale * sum(w * v for w, v in _pairs(weights, at)) / share for at in _columns(d)]
            for n, d in trimmed.items()
        }
    if recipe.method == "ties":
        how, densities = settings.word("rescale"), settings.each["density"]
        trimmed = {
            n: [_rescaled(t, s, how, p) for t, s, p in zip(d, sparse[n], densities, strict=True)]
            for n, d in trimmed.items()
        }
    elected = {n: [_vote(recipe, at) for at in _columns(d)] for n, d in trimmed.items()}
    return {
        n: [
            scale * _agreed(recipe, at, s or _tie(recipe, elected, n))
            for at, s in zip(_columns(d), elected[n], strict=True)
        ]
        for n, d in trimmed.items()
    }


def _voters(recipe: Recipe, at: tuple[float, ...]) -> list[float]:
    settings = recipe.settings()
    if settings.word("voters") == "unweighted":
        return list(at)
    return [w * v for w, v in _pairs(settings.each["weight"], at)]


def _vote(recipe: Recipe, at: tuple[float, ...]) -> int:
    voters = _voters(recipe, at)
    return _sign(
        sum(map(_sign, voters)) if recipe.settings().word("election") == "count" else sum(voters)
    )


def _tie(recipe: Recipe, elected: dict[str, list[int]], name: str) -> int:
    settings = recipe.settings()
    if settings.word("zero_sign") == "plus":
        return 1
    trims = any(density < 1 for density in settings.each["density"])
    untrimmed = recipe.method == "dare_ties" and not trims
    whole = settings.word("trim_scope") == "global" or untrimmed
    return _sign(sum(sum(elected[n]) for n in elected if whole or n == name))


def _agreed(recipe: Recipe, at: tuple[float, ...], sign: int) -> float:
    settings = recipe.settings()
    weights, combine = settings.each["weight"], settings.word("combine")
    with_sign = [i for i, v in enumerate(_voters(recipe, at)) if v * sign > 0]
    values = [weights[i] * at[i] for i in with_sign]
    if not values:
        return 0.0
    if combine == "max":
        return max(values, key=abs)
    divisor = {
        "sum": 1.0,
        "mean": float(len(values)),
        "weighted_mean": sum(weights[i] for i in with_sign) or 1.0,
    }[combine]
    return sum(values) / divisor
