"""Whether a method's kernels give the same on a tensor and on its elements in a row.

Only then can they be run on a sample of a tensor. Decided by trying, not by a list of methods.
"""

from functools import lru_cache

import torch

from merging.errors import MergeError
from merging.methods.context import Context, Settings
from merging.methods.magnitudes import MeasuredMagnitudes
from merging.methods.masks import HashMasks
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.methods.totals import Tally
from merging.recipe import Recipe

_SHAPE = (6, 8)
_CLOSE = 1e-4


def works_flat(recipe: Recipe) -> bool:
    """Return whether a recipe's kernels do not mind the shapes of tensors."""
    settings = recipe.settings()
    if recipe.spec.scope(settings) == "element" and not recipe.spec.shaped(settings):
        return True
    spec = recipe.spec
    if spec.needs.data or spec.merge is None or not isinstance(spec.survey, Tally | None):
        return False
    common, each = (tuple(sorted(of.items())) for of in (settings.common, settings.each))
    return _tried(recipe.method, common, each, settings.dialect)


@lru_cache(maxsize=256)
def _tried(name: str, common: tuple, each: tuple, dialect: str) -> bool:  # type: ignore[type-arg]
    spec, settings = method(name), Settings(dict(common), dict(each), dialect)
    count = len(settings.each["weight"])
    source = torch.Generator().manual_seed(0)
    deltas = torch.empty((count, *_SHAPE)).normal_(generator=source)
    base = torch.empty(_SHAPE).normal_(generator=source)
    try:
        shaped = _merged(spec, settings, deltas, base)
        flat = _merged(spec, settings, deltas.flatten(1), base.flatten())
    except (MergeError, RuntimeError, IndexError, ValueError):
        return False
    return bool((shaped.flatten() - flat).abs().max() <= _CLOSE)


def _merged(
    spec: MethodSpec, settings: Settings, deltas: torch.Tensor, base: torch.Tensor
) -> torch.Tensor:
    assert spec.merge is not None
    ids = tuple(map(str, range(len(deltas))))
    name = "layers.1.w"
    context = Context(name, ids, settings, HashMasks(0), MeasuredMagnitudes(deltas), base=base,
                      names=(name,))  # fmt: skip
    if spec.sparsify is not None:
        deltas = spec.sparsify(deltas, context)
    if spec.trim is not None:
        context = Context(name, ids, settings, HashMasks(0), MeasuredMagnitudes(deltas), base=base,
                          names=(name,))  # fmt: skip
        deltas = spec.trim(deltas, context)
    if spec.space_of(settings) == "deltas":
        return spec.merge(deltas, context)
    return spec.merge(deltas + base, context) - base
