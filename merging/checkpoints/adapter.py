"""A LoRA adapter over its base as a checkpoint: W + B·A·scale, worked out when it is read."""

from collections.abc import Mapping

from torch import Tensor

from merging.checkpoints.adapter_file import AdapterFile, Pair
from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.checkpoints.changes import (
    Both,
    Change,
    Decoded,
    Dense,
    LowRank,
    Rows,
    matrix_of,
    widened,
    with_magnitude,
)
from merging.checkpoints.module_names import Names
from merging.checkpoints.patched import PatchedCheckpoint, patched
from merging.errors import SourceError

# Where transformers stores weights of GPT-2's Conv1D as (in, out), whatever the adapter says.
_CONV1D_MODELS = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")
_CONV1D_MODULES = ("c_attn", "c_proj", "c_fc", "q_attn")


def over(adapter: AdapterFile, base: Checkpoint, name: str) -> PatchedCheckpoint:
    """Put an adapter upon its base.

    Args:
        adapter: Ranks, scales and factors.
        base: The model it was trained on; its names may have one part more or less in front.
        name: Of the result, for messages.

    Returns:
        A checkpoint whose changed tensors are float32 (float64 where the base's are).

    Raises:
        SourceError: A module is not in the base, or factors do not fit its shape.
    """
    infos = base.tensors()
    names = Names(infos)
    found: dict[str, Change] = {}
    for tensor, key in adapter.whole.items():
        target = names.find(tensor)
        if target is None:
            raise _unknown(adapter, tensor, base)
        found[target] = _whole(adapter, key, target, infos[target], base)
    for module, pair in adapter.pairs.items():
        target = names.find(f"{module}.weight")
        if target is None:
            raise _unknown(adapter, module, base)
        change = _low_rank(adapter, pair, target, base)
        found[target] = _upon(found[target], change) if target in found else change
    for module, key in adapter.biases.items():
        target = names.find(f"{module}.bias")
        if target is None:
            raise _unknown(adapter, f"{module}.bias", base)
        change = _whole(adapter, key, target, infos[target], base, adapter.config.scale_of(module))
        found[target] = _upon(found[target], change) if target in found else change
    return patched(name, base, adapter.weights, found, repr(_said(adapter)))


def _low_rank(adapter: AdapterFile, pair: Pair, target: str, base: Checkpoint) -> Change:
    info = base.tensors()[target]
    turned = _turned(adapter, pair, info, base)

    def decode(before: Rows) -> Decoded:
        b, a = adapter.factors(pair.module)
        change = LowRank(a.T.contiguous(), b.T.contiguous()) if turned else LowRank(b, a)
        if not pair.magnitude:
            return change
        made = with_magnitude(change, adapter.read(pair.magnitude), before, int(turned))
        if made.factor is None or not bool(made.factor.isfinite().all()):
            raise SourceError(
                f"Adapter {adapter.name}: {pair.module!r} has an output whose weights are all 0, "
                "so DoRA has no direction to scale there."
            )
        return made

    return Change(widened(info), not pair.magnitude, decode)


def _turned(adapter: AdapterFile, pair: Pair, info: TensorInfo, base: Checkpoint) -> bool:
    """Whether the base stores the transposed matrix."""
    plain = info.shape == pair.shape
    turned = len(pair.shape) == 2 and info.shape == pair.shape[::-1]
    if pair.embedding and turned:
        return True
    if plain and turned and not pair.embedding:
        leaf = pair.module.rpartition(".")[2]
        kind = _model_type(base) if leaf in _CONV1D_MODULES else ""
        return adapter.config.transposed or kind in _CONV1D_MODELS
    if (plain or turned) and not pair.embedding:
        return turned
    wanted = pair.shape[::-1] if pair.embedding else pair.shape
    raise SourceError(
        f"Adapter {adapter.name}: {pair.module!r} changes a weight of shape {wanted}, which has "
        f"shape {info.shape} in {base.name}. The adapter was made for another base."
    )


def _model_type(base: Checkpoint) -> str:
    try:
        return str(base.config().get("model_type", ""))
    except SourceError:  # a base without config.json
        return ""


def _whole(
    adapter: AdapterFile,
    key: str,
    target: str,
    info: TensorInfo,
    base: Checkpoint,
    scale: float | None = None,
) -> Change:
    """A tensor written out: in place of the base's, or with a scale added to it."""
    shape = adapter.weights.infos[key].shape
    if shape != info.shape:
        raise SourceError(
            f"Adapter {adapter.name}: {key!r} has shape {shape}, but {target!r} of {base.name} has "
            f"{info.shape}. Rows of a resized vocabulary or a new head cannot be merged: give a "
            "base that was resized in the same way."
        )

    def decode(before: Rows) -> Decoded:
        values = adapter.read(key).reshape(matrix_of(shape))
        return Dense(values if scale is None else values * scale, adds=scale is not None)

    return Change(widened(info), scale is not None, decode)


def _upon(first: Change, then: Change) -> Change:
    def decode(before: Rows) -> Decoded:
        start = first.decode(before)

        def changed(low: int, high: int) -> Tensor:
            return start.rows(low, high, before(low, high))

        return Both(start, then.decode(changed))

    return Change(then.info, first.additive and then.additive, decode)


def _unknown(adapter: AdapterFile, module: str, base: Checkpoint) -> SourceError:
    hint = (
        "The adapter was made for another base, or for an architecture whose files name tensors "
        "otherwise than its modules in a way that is not known here: merge it with peft first."
    )
    if "lm_head" in module or module.rpartition(".")[2] == "head":
        hint = (
            "Its output layer is tied to the embedding or left out: give a base that has it as a "
            "tensor of its own."
        )
    return SourceError(
        f"Adapter {adapter.name} changes {module!r:.120}, which {base.name} does not have. {hint}"
    )


def _said(adapter: AdapterFile) -> Mapping[str, object]:
    """What of the config decides the weights, for the identity."""
    about = adapter.config.about
    keys = ("r", "lora_alpha", "use_rslora", "use_dora", "fan_in_fan_out")
    patterns = ("rank_pattern", "alpha_pattern")
    return {key: about.get(key) for key in (*keys, *patterns)}
