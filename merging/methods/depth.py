"""LiNeS: shallow layers move less than deep ones, as a method and on top of every other."""

import re
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from merging.errors import ParameterError
from merging.methods import arithmetic
from merging.methods.average import check_sum
from merging.methods.context import Context, Merged, Models, Settings
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source, together

_BLOCK = re.compile(r"(?:^|\.)(\d+)\.")
SHALLOW = Param(
    name="shallow",
    label="First block α",
    default=0.5,
    origin="Wang et al. 2024: L1(Στ)/L1(merged)/n; 1/n for a sum",
    help="How much of the change the first block, and whatever is outside blocks, keeps.",
    minimum=-10.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="α",
)
DEEPER = Param(
    name="deeper",
    label="Added to the last block β",
    default=0.5,
    origin="Wang et al. 2024: chosen on validation data; 1 - α for one expert",
    help="How much more of the change the last block keeps than the first.",
    minimum=-10.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="β",
)
BLOCKS = Param(
    name="blocks",
    label="Blocks",
    default=0,
    origin="ours: counted from the names; LiNeS asks for the number",
    help="Number of blocks of the model; 0 counts them from the names of the tensors.",
    minimum=0,
    maximum=10_000,
    slider=(0, 64),
    step=1,
    advanced=True,
)

NUMBER = Param(
    name="block_number",
    label="Block's number",
    default="first",
    origin="ours; the authors' code takes the lowest",
    help="Of several numbers in a name, take the first, or the lowest that stands between dots.",
    choices=("first", "lowest"),
    advanced=True,
    later=True,
)

DEPTH_SCALING = Param(
    name="depth_scaling",
    label="Scale by depth",
    default=False,
    origin="Wang et al. 2024: a step after any merge",
    help="LiNeS: scale the merged change block by block, less in the first than in the last.",
    advanced=True,
    later=True,
)
ON_TOP = (
    DEPTH_SCALING,
    *(
        replace(param, advanced=True, later=True, when=DEPTH_SCALING.name)
        for param in (SHALLOW, DEEPER, BLOCKS)
    ),
)


def block_of(tensor: str) -> int | None:
    """Return the number of a tensor's block, the first number of its name; None outside blocks.

    Example:
        >>> block_of("visual.resblocks.3.mlp.weight")
        3
    """
    found = _BLOCK.search(tensor)
    return int(found[1]) if found else None


def depth_factor(tensor: str, names: tuple[str, ...], settings: Settings) -> float:
    """Return α + β l/(L - 1) for a tensor of block l of L, and α outside blocks.

    Source:
        Wang et al. 2024, arXiv:2410.17146. One block alone counts as the first.
    """
    shallow, deeper = settings.number("shallow"), settings.number("deeper")
    count = int(settings.number("blocks"))
    if count == 0:
        count = 1 + max((b for name in names if (b := block_of(name)) is not None), default=0)
    lowest = settings.common.get(NUMBER.name) == "lowest"
    block = _lowest(tensor, count) if lowest else block_of(tensor)
    if block is None or count < 2 or block >= count:
        return shallow
    return shallow + deeper * block / (count - 1)


def _lowest(tensor: str, count: int) -> int | None:
    return next((block for block in range(count) if f".{block}." in tensor), None)


def lines(deltas: Tensor, ctx: Context) -> Tensor:
    """Add the task vectors and scale the sum by depth; shapes (experts, *shape) -> (*shape).

    Source:
        Wang et al. 2024, arXiv:2410.17146.
    """
    factor = depth_factor(ctx.tensor, ctx.names, ctx.settings)
    return arithmetic.weighted_sum(deltas, ctx) * factor


LINES = MethodSpec(
    id="lines",
    label="LiNeS",
    family="Task vectors",
    summary="Add the task vectors, with shallow layers moved less than deep ones.",
    idea="Shallow layers hold general features that all tasks share; deep layers hold what is "
    "special to one.",
    formula="θ = θ₀ + (α + β·l/(L-1)) · λ Σ w·τᵢ",
    source=Source("Wang et al. 2024, LiNeS", "2410.17146"),
    merge=lines,
    params=(
        SHALLOW,
        DEEPER,
        replace(arithmetic.SCALE, default=0.3, origin="as for task arithmetic"),
        BLOCKS,
        NUMBER,
        arithmetic.DIVIDE,
    ),
    shaped=lambda settings: True,
    holds=lambda settings: "",
    check=check_sum,
    homogeneous=True,
    differs="The authors look for the lowest block number anywhere in the name, so a digit "
    "elsewhere may hit the wrong block; here the first number counts, unless told otherwise. They "
    "take α from L1 norms of the task "
    "vectors; here it is given.",
)


def with_depth(spec: MethodSpec) -> MethodSpec:
    """Return a method with LiNeS as an option: its merged delta times ``depth_factor``.

    Args:
        spec: A method. One that always works on whole weights has no merged delta and comes back
            as it is, and so does one on whole models that needs no base.

    Returns:
        The method with the parameters ``ON_TOP``; at their defaults nothing changes.

    Source:
        Wang et al. 2024, arXiv:2410.17146, section on model merging.
    """
    if spec.space == "weights" or (spec.whole is not None and not spec.needs.base):
        return spec
    checks = (spec.check,) if spec.check else ()
    return replace(
        spec,
        params=(*spec.params, *ON_TOP),
        merge=_scaled(spec.merge) if spec.merge else None,
        whole=_scaled_whole(spec.whole) if spec.whole else None,
        shaped=lambda settings: settings.flag(DEPTH_SCALING.name) or spec.shaped(settings),
        holds=spec.whole_for,
        check=together(*checks, _on_deltas(spec)),
    )


def _scaled(merge: Callable[[Tensor, Context], Tensor]) -> Callable[[Tensor, Context], Tensor]:
    def scaled(stack: Tensor, ctx: Context) -> Tensor:
        merged = merge(stack, ctx)
        if not ctx.settings.flag(DEPTH_SCALING.name):
            return merged
        return merged * depth_factor(ctx.tensor, ctx.names, ctx.settings)

    return scaled


def _scaled_whole(whole: Callable[[Models], Merged]) -> Callable[[Models], Merged]:
    def scaled(models: Models) -> Merged:
        found = whole(models)
        if not models.settings.flag(DEPTH_SCALING.name):
            return found
        tensors = dict(found.tensors)
        for name, tensor in tensors.items():
            factor = depth_factor(name, models.names, models.settings)
            if factor != 1:
                base = models.base(name)
                tensors[name] = base + (tensor - base) * factor
        return replace(found, tensors=tensors)

    return scaled


def _on_deltas(spec: MethodSpec) -> Callable[[Settings], None]:
    def check(settings: Settings) -> None:
        if settings.flag(DEPTH_SCALING.name) and spec.space_of(settings) == "weights":
            raise ParameterError(
                f"depth_scaling scales a change from the base, but {spec.label} merges whole "
                "weights under these settings. Switch depth_scaling off, or merge around the base."
            )

    return check
