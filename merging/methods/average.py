"""Linear averages of whole weights: uniform soup and weighted average."""

from torch import Tensor

from merging.errors import ParameterError
from merging.methods.context import Context, Settings
from merging.methods.kernels import weighted_sum
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

NORMALIZE = Param(
    name="normalize",
    label="Divide by the sum of weights",
    default=True,
    origin="Wortsman et al. 2022; mergekit",
    help="With it the weights are shares; without it they are factors.",
    advanced=True,
)


def linear(models: Tensor, ctx: Context) -> Tensor:
    """Average the experts' weights.

    Args:
        models: Weights of the experts, shape (experts, *shape).
        ctx: Settings ``weight`` per expert and ``normalize``.

    Returns:
        sum(w θ) / sum(w), or sum(w θ) without ``normalize``; shape (*shape).

    Source:
        Wortsman et al. 2022, arXiv:2203.05482 (uniform soup is w = 1).
    """
    weights = ctx.settings.each["weight"]
    total = weighted_sum(models, weights)
    return total / sum(weights) if ctx.settings.flag("normalize") else total


def check_sum(settings: Settings) -> None:
    """Refuse weights that sum to zero where they are divided by.

    Raises:
        ParameterError: ``normalize`` is on and the weights sum to (nearly) zero.
    """
    if settings.flag("normalize"):
        check_sum_always(settings, " or switch off normalize.")


def check_sum_always(settings: Settings, remedy: str = " the method needs their shares.") -> None:
    """Refuse weights that sum to zero.

    Raises:
        ParameterError: They sum to (nearly) zero.
    """
    total = sum(settings.each["weight"])
    if abs(total) < 1e-8:
        raise ParameterError(
            f"The weights sum to {total:g} and would be divided by. Raise one of them,{remedy}"
        )


def check_shares(settings: Settings) -> None:
    """Refuse weights that a method divides by together with numbers of its own.

    Raises:
        ParameterError: A weight is negative, or all are zero.
    """
    negative = [w for w in settings.each["weight"] if w < 0]
    if negative:
        raise ParameterError(
            f"A weight is {negative[0]:g}, and the method divides by a sum of weights that it "
            "could bring to zero anywhere. Use weights of at least 0."
        )
    check_sum_always(settings)


LINEAR = MethodSpec(
    id="linear",
    label="Average",
    family="Averages",
    summary="The plain or weighted mean of the experts' weights.",
    idea="Experts tuned from one base often lie in one low-loss region, so their mean works and "
    "costs nothing extra to run.",
    formula="θ = Σ w·θᵢ / Σ w",
    source=Source("Wortsman et al. 2022, Model soups", "2203.05482"),
    merge=linear,
    params=(NORMALIZE,),
    needs=Needs(base=False),
    space="weights",
    check=check_sum,
    dialects={"paper": {}, "mergekit": {}, "fusion_bench": {}},
    idempotent=True,
    unit={"normalize": True},
    differs="Where weights sum to zero mergekit divides by zero; here they are refused. The "
    "released script of model-soups averages integer buffers too; here they are never averaged.",
)
