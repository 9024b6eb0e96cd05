"""What a llama-family model is in GGUF: names of tensors, order of rows, metadata.

Source: the GGUF specification (ggml) and the tensor names of its ``llama`` and ``qwen2``
architectures. Rows of the queries and keys of a Llama are stored in another order there: rotary
positions turn neighbours (2i, 2i+1), where transformers turns (i, i + half a head).
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merging.checkpoints.base import TensorInfo
from merging.errors import CompatibilityError

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2"}
_WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_LAYER = re.compile(r"model\.layers\.(\d{1,4})\.(.+)\.(weight|bias)")
_UNUSED = re.compile(r"\.rotary_emb\.inv_freq$")
ROPE_FREQS = "rope_freqs.weight"


def gguf_names(config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, str]:
    """Return the GGUF name of every tensor that is written, by our name.

    A head that is tied to the embedding is left out, as GGUF wants it.

    Raises:
        CompatibilityError: The architecture is not of the llama family, or a tensor is not of it.
    """
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise CompatibilityError(
            f"GGUF is written for {', '.join(ARCHITECTURES)} models; this one is {kind!r:.60}."
        )
    found = {}
    for name in tensors:
        if _UNUSED.search(name) or (name == "lm_head.weight" and config.get("tie_word_embeddings")):
            continue
        layer = _LAYER.fullmatch(name)
        if name in _WHOLE:
            found[name] = _WHOLE[name]
        elif layer and layer[2] in _PARTS:
            found[name] = f"blk.{int(layer[1])}.{_PARTS[layer[2]]}.{layer[3]}"
        else:
            raise CompatibilityError(
                f"{name!r:.120} is no tensor of a {kind} that GGUF has a name for. Only plain "
                "language models with their head can be written."
            )
    _check_whole(config, found)
    return found


def _check_whole(config: Mapping[str, Any], found: Mapping[str, str]) -> None:
    """Refuse a model that lacks a matrix or has layers that its config does not count."""
    layers = {int(m[1]) for n in found if (m := _LAYER.fullmatch(n))}
    told = number(config, "num_hidden_layers")
    if len(layers) != told or layers != set(range(told)):
        raise CompatibilityError(
            f"The model has tensors of {len(layers)} layers, and config.json says {told}."
        )
    needed = [n for n in _WHOLE if n != "lm_head.weight" or not config.get("tie_word_embeddings")]
    needed += [f"model.layers.{i}.{part}.weight" for i in sorted(layers) for part in _PARTS]
    for name in needed:
        if name not in found:
            raise CompatibilityError(f"The model has no {name!r}; GGUF needs it whole.")


def reordered(name: str, values: NDArray[Any], config: Mapping[str, Any]) -> NDArray[Any]:
    """Return a tensor with its rows as GGUF's ``llama`` wants them; others as they are.

    Args:
        name: Our name.
        values: Shape (rows, columns), or (rows,) for a bias.
        config: Says the number of heads.

    Raises:
        CompatibilityError: The rows do not divide into heads.
    """
    if ARCHITECTURES[config["model_type"]] != "llama" or not re.search(r"\.[qk]_proj\.", name):
        return values
    heads = number(config, "num_attention_heads")
    if ".k_proj." in name:
        heads = number(config, "num_key_value_heads", heads)
    rows = values.shape[0]
    if rows % (2 * heads):
        raise CompatibilityError(f"{name!r} has {rows} rows, which are not {heads} even heads.")
    shape = (heads, 2, rows // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(values.reshape(shape).swapaxes(1, 2).reshape(values.shape))


def number(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """Return a whole number of at least 1 from a config.

    Raises:
        CompatibilityError: It is missing, or no such number.
    """
    value = config.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise CompatibilityError(f"config.json says {key} = {value!r:.40}; GGUF needs a number.")
    return value


def real(config: Mapping[str, Any], key: str, default: float) -> float:
    """Return a positive number from a config.

    Raises:
        CompatibilityError: It is no such number.
    """
    value = config.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise CompatibilityError(f"config.json says {key} = {value!r:.40}; GGUF needs a number.")
    return float(value)


def head_size(config: Mapping[str, Any]) -> int:
    """Return the width of a head of attention."""
    heads = number(config, "num_attention_heads")
    return number(config, "head_dim", number(config, "hidden_size") // heads)


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of rotary positions, from either place transformers keeps them.

    Raises:
        CompatibilityError: They stretch positions in a way that is not written here.
    """
    said = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found: dict[str, Any] = dict(said) if isinstance(said, Mapping) else {}
    found.setdefault("rope_theta", config.get("rope_theta") or 10000.0)
    kind = found.setdefault("rope_type", found.get("type", "default"))
    if kind not in ("default", "linear", "llama3"):
        raise CompatibilityError(
            f"config.json stretches positions by {kind!r:.40}, which is not written to GGUF here. "
            "default, linear and llama3 are."
        )
    return found


def llama3_factors(rope: Mapping[str, Any], size: int) -> NDArray[np.float32]:
    """Return by how much Llama 3's rule divides each rotary frequency, shape (size / 2,).

    Frequencies whose wave is short stay, long ones are divided by ``factor``, and those between
    change smoothly (Llama 3.1's ``rope_scaling``).

    Raises:
        CompatibilityError: A setting is missing.
    """
    factor, low = real(rope, "factor", 8.0), real(rope, "low_freq_factor", 1.0)
    high = real(rope, "high_freq_factor", 4.0)
    context = number(rope, "original_max_position_embeddings", 8192)
    if high <= low:
        raise CompatibilityError("config.json: high_freq_factor must exceed low_freq_factor.")
    theta = real(rope, "rope_theta", 10000.0)
    wave = 2 * math.pi * theta ** (np.arange(0, size, 2, dtype=np.float64) / size)
    smooth = np.clip((context / wave - low) / (high - low), 0.0, 1.0)
    return np.asarray(1 / ((1 - smooth) / factor + smooth), dtype=np.float32)
