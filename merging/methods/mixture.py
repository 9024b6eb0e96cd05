"""Expert averaging: the experts of every mixture-of-experts layer become one feed-forward layer.

Names are those of Mixtral, as files hold them (one tensor per expert) and as models in memory hold
them (all experts stacked); the dense model is Mistral's.
"""

import math
import re
from collections.abc import Iterable

import torch
from torch import Tensor

from merging.errors import CompatibilityError, ParameterError
from merging.methods.context import Merged, Models, Settings
from merging.methods.kernels import per_expert
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

SHARES = Param(
    name="shares",
    label="Shares of the experts",
    default="",
    origin="Huang et al. 2023: all the same",
    help="One number for each expert of a layer, with commas between; empty counts all the same.",
)

_ALONE = re.compile(r"^(.*\.)block_sparse_moe\.experts\.(\d+)\.(w[123])\.weight$")
_STACKED = re.compile(r"^(.*\.)mlp\.experts\.(gate_up_proj|down_proj)$")
_ROUTER = re.compile(r"\.(block_sparse_moe|mlp)\.gate\.weight$")
_DENSE = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
_OF_MISTRAL = re.compile(
    r"^(model\.)?(embed_tokens|norm|layers\.\d+\."
    r"(self_attn\.[qkvo]_proj|input_layernorm|post_attention_layernorm))\.weight$"
    r"|^(lm_head|score)\.weight$"
)
_OF_MIXTURES = (
    "num_local_experts",
    "num_experts_per_tok",
    "output_router_logits",
    "router_aux_loss_coef",
    "router_jitter_noise",
)


def read_shares(text: str) -> tuple[float, ...]:
    """Read the shares of a layer's experts; empty where none are given.

    Args:
        text: Numbers of at least 0 with commas between, such as "1, 2, 1", or "".

    Raises:
        ParameterError: Something is no such number, or they sum to zero.
    """
    if not text.strip():
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(share) and share >= 0 for share in found) or sum(found) <= 0:
        raise ParameterError(
            f"shares is {text!r:.60}; it must be numbers of at least 0, not all 0, with commas "
            'between, such as "1, 2, 1".'
        )
    return found


def check(settings: Settings) -> None:
    """Refuse shares that cannot be read; see ``read_shares``."""
    read_shares(settings.word("shares"))


def averaged(experts: Tensor, shares: tuple[float, ...], where: str) -> Tensor:
    """Average one matrix over the experts of a layer.

    Args:
        experts: Shape (experts, *shape).
        shares: One for each expert, or none: all count the same.
        where: Name for the message.

    Returns:
        Σ s W / Σ s, shape (*shape).

    Raises:
        CompatibilityError: There are more or fewer shares than experts.
    """
    if shares and len(shares) != len(experts):
        raise CompatibilityError(
            f"{where} has {len(experts)} experts, but shares holds {len(shares)} numbers. "
            "Give one for each, or none."
        )
    counts = shares or (1.0,) * len(experts)
    return (experts * per_expert([s / sum(counts) for s in counts], experts)).sum(0)


def expert_averaging(models: Models) -> Merged:
    """Average the experts of every layer into one feed-forward layer and drop the routers.

    The average is of weights, not of outputs: where the experts are equal the layer computes what
    the mixture computed, elsewhere it need not.

    Args:
        models: One Mixtral; setting ``shares``, the same for all layers.

    Returns:
        The weights of a Mistral model, with what changes in the config.

    Raises:
        CompatibilityError: There is no mixture-of-experts layer, a layer is not complete, or a
            tensor has no place in a Mistral model.

    Source:
        Huang et al. 2023, arXiv:2308.06093: after training each mixture becomes the average of
        its experts.
    """
    shares, groups = read_shares(models.settings.word("shares")), _groups(models.names)
    if not groups:
        raise CompatibilityError(
            f"{models.experts[0]} has no mixture-of-experts layer as Mixtral has "
            "(block_sparse_moe.experts.0.w1.weight or mlp.experts.gate_up_proj). "
            "Expert averaging takes one such model."
        )
    done: dict[str, Tensor] = {}
    notes: dict[str, str] = {}
    for index, (dense, members) in enumerate(groups.items()):
        models.tell(index / len(groups), f"average {dense}")
        stack = torch.stack([models.weights(0, name) for name in members])
        stack = stack[0] if _STACKED.match(members[0]) else stack
        made = _parts(dense, averaged(stack, shares, dense))
        done |= made
        notes |= dict.fromkeys(made, f"mean of {len(stack)} experts")
        notes |= dict.fromkeys(members, f"averaged into {', '.join(made)}")
    _check_complete(done)
    for name in models.names:
        if _ROUTER.search(name):
            notes[name] = "a router; one feed-forward layer needs none"
        elif _OF_MISTRAL.match(name):
            done[name] = models.weights(0, name)
        elif name not in notes:
            raise CompatibilityError(
                f"{name!r} has no place in a Mistral model. Expert averaging knows Mixtral only."
            )
    return Merged(done, config=_config(done), notes=notes)


def _groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the tensors that make each dense one, in the order of the experts."""
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        alone, stacked = _ALONE.match(name), _STACKED.match(name)
        if alone:
            dense = f"{alone[1]}mlp.{_DENSE[alone[3]]}.weight"
            groups.setdefault(dense, {})[int(alone[2])] = name
        elif stacked:
            groups[f"{stacked[1]}mlp.{stacked[2]}.weight"] = {0: name}
    for dense, members in groups.items():
        if sorted(members) != list(range(len(members))):
            raise CompatibilityError(
                f"{dense} cannot be made: the model has experts {sorted(members)} of it. "
                "Its files are not complete."
            )
    return {dense: [m[i] for i in sorted(m)] for dense, m in groups.items()}


def _parts(dense: str, average: Tensor) -> dict[str, Tensor]:
    """Take a stacked gate_up_proj apart: the upper half of its rows is the gate."""
    if "gate_up_proj" not in dense:
        return {dense: average}
    gate, up = average.chunk(2)
    return {
        dense.replace("gate_up_proj", "gate_proj"): gate,
        dense.replace("gate_up_proj", "up_proj"): up,
    }


def _check_complete(done: dict[str, Tensor]) -> None:
    for layer in sorted({name.rsplit(".", 2)[0] for name in done}):
        for part in _DENSE.values():
            if f"{layer}.{part}.weight" not in done:
                raise CompatibilityError(
                    f"{layer}.{part}.weight cannot be made: the model has no experts of it. "
                    "Its files are not complete."
                )


def _config(done: dict[str, Tensor]) -> dict[str, object]:
    if "score.weight" in done:
        kind = "MistralForSequenceClassification"
    elif any(name.startswith("model.") for name in done):
        kind = "MistralForCausalLM"
    else:
        kind = "MistralModel"
    changed: dict[str, object] = {"model_type": "mistral", "architectures": [kind]}
    return changed | dict.fromkeys(_OF_MIXTURES)


EXPERT_AVERAGING = MethodSpec(
    id="expert_averaging",
    label="Expert averaging",
    family="Averages",
    summary="Turn a mixture of experts into a plain model: each layer's experts become their mean.",
    idea="Where experts of a layer are alike, little is lost and one dense layer is enough.",
    formula="W = Σ sᵢ·Wᵢ / Σ sᵢ over the experts i of each layer",
    source=Source("Huang et al. 2023, Experts weights averaging", "2308.06093"),
    whole=expert_averaging,
    params=(SHARES,),
    needs=Needs(base=False, most=1, model="mixture"),
    scope=lambda settings: "tensor",
    check=check,
    weighted=False,
    differs="The paper also pulls the experts towards each other while they are trained; here only "
    "its last step is done, on a model that is given.",
)
