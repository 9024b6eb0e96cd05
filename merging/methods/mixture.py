"""Expert averaging: the experts of a mixture-of-experts layer become one feed-forward layer."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor

from merging.errors import CompatibilityError, ParameterError
from merging.methods.context import Merged, Models, Settings
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

# Mixtral's names as they are saved, and the dense ones of Mistral, which computes the same layer.
EXPERT = re.compile(r"^(?P<layer>.+)\.block_sparse_moe\.experts\.(?P<expert>\d+)\.(?P<part>w[123])")
ROUTER = re.compile(r"^.+\.block_sparse_moe\.gate\.weight$")
DENSE = {"w1": "mlp.gate_proj", "w2": "mlp.down_proj", "w3": "mlp.up_proj"}
DENSE_CONFIG = {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}

SHARES = Param(
    name="shares",
    label="Shares",
    default="",
    origin="Huang et al. 2023: all alike",
    help="How much each expert of a layer counts, with commas, such as 1, 2, 1; empty: all alike.",
)


def shares_of(text: str) -> tuple[float, ...]:
    """Return the numbers of a comma-separated text, in its order; empty for an empty text.

    Raises:
        ParameterError: A part is no number of at least 0, or all are 0.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    try:
        shares = tuple(float(part) for part in parts)
    except ValueError as error:
        raise ParameterError(
            f"shares is {text!r:.60}; it must be numbers with commas between, such as 1, 2, 1."
        ) from error
    if any(not math.isfinite(share) or share < 0 for share in shares):
        raise ParameterError(f"shares is {text!r:.60}; every number must be at least 0.")
    if shares and sum(shares) == 0:
        raise ParameterError(f"shares is {text!r:.60}; at least one must be above 0.")
    return shares


def check(settings: Settings) -> None:
    """Refuse shares that are no weights.

    Raises:
        ParameterError: As ``shares_of``.
    """
    shares_of(settings.word("shares"))


def layers_of(names: tuple[str, ...]) -> dict[tuple[str, str], dict[int, str]]:
    """Return the tensor of every expert, by (dense name, its ending) of each layer's matrices.

    Raises:
        CompatibilityError: The model has no such layers.
    """
    found: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for name in names:
        match = EXPERT.match(name)
        if match:
            dense = f"{match['layer']}.{DENSE[match['part']]}"
            found[dense, name[match.end() :]][int(match["expert"])] = name
    if not found:
        raise CompatibilityError(
            "This model has no mixture-of-experts layers: none of its tensors is called like "
            "model.layers.0.block_sparse_moe.experts.0.w1.weight. Choose a Mixtral model."
        )
    return dict(found)


def average(tensors: list[Tensor], shares: tuple[float, ...]) -> Tensor:
    """Return Σ s_i W_i / Σ s_i, shapes (*shape) each -> (*shape).

    Raises:
        CompatibilityError: There are not as many shares as experts.
    """
    shares = shares or (1.0,) * len(tensors)
    if len(shares) != len(tensors):
        raise CompatibilityError(
            f"shares names {len(shares)} experts, and the layers have {len(tensors)}. "
            "Give one number for each, or leave it empty."
        )
    total = math.fsum(shares)
    merged = tensors[0] * (shares[0] / total)
    for tensor, share in zip(tensors[1:], shares[1:], strict=True):
        merged = merged + tensor * (share / total)
    return merged


def expert_averaging(models: Models) -> Merged:
    """Turn a mixture of experts into a dense model.

    Args:
        models: One model, with ``config`` of model type ``mixtral``.

    Returns:
        The average of each layer's experts under the names of a dense layer; routers are dropped,
        everything else stays. ``config`` names the dense class.

    Raises:
        CompatibilityError: It is no Mixtral, or experts differ in shape or number.

    Source:
        Huang et al. 2023, arXiv:2308.06093, conversion of the trained mixture for inference.
    """
    layers = layers_of(models.names)
    kind = models.config.get("model_type", "mixtral")
    if kind != "mixtral":
        raise CompatibilityError(f"model_type is {kind!r}; expert averaging knows mixtral only.")
    shares = shares_of(models.settings.word("shares"))
    gone = {name for experts in layers.values() for name in experts.values()}
    tensors = {
        name: models.weights(0, name)
        for name in models.names
        if name not in gone and not ROUTER.match(name)
    }
    notes = {}
    for place, ((dense, ending), experts) in enumerate(layers.items()):
        models.tell(place / len(layers), f"average {dense}")
        tensors[dense + ending] = average(_stack(models, experts), shares)
        notes[dense + ending] = f"average of {len(experts)} experts"
    return Merged(tensors, config=DENSE_CONFIG, notes=notes)


def _stack(models: Models, experts: Mapping[int, str]) -> list[Tensor]:
    """Read the experts of one matrix, in order of their numbers."""
    if sorted(experts) != list(range(len(experts))):
        raise CompatibilityError(f"Experts are missing beside {experts[max(experts)]!r}.")
    tensors = [models.weights(0, experts[index]) for index in sorted(experts)]
    for index, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise CompatibilityError(
                f"{experts[index]!r} is {tuple(tensor.shape)}, the first expert's is "
                f"{tuple(tensors[0].shape)}. They cannot be averaged."
            )
    return tensors


EXPERT_AVERAGING = MethodSpec(
    id="expert_averaging",
    label="Expert averaging",
    family="Averages",
    summary="Average the experts inside each mixture-of-experts layer into one dense layer.",
    formula="W = Σ sₑ·Wₑ / Σ sₑ  over the experts e of a layer",
    source=Source("Huang et al. 2023, Experts weights averaging", "2308.06093"),
    whole=expert_averaging,
    params=(SHARES,),
    needs=Needs(base=False, experts=1, most=1, model="mixture"),
    scope=lambda settings: "model",
    check=check,
    weighted=False,
    differs="The paper averages at the end of a training that already mixes the experts; here a "
    "finished Mixtral is converted, and its router's choice is lost.",
)
