"""``config.json`` of a merged model: that of the reference, made right for what was written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from merging.checkpoints.base import TensorInfo

# Entries that would be wrong or harmful in a merged model, with what is said about it ("": nothing,
# it is only the name of the folder that the reference was loaded from).
DROPPED = {
    "auto_map": "it names code of the model's author, which is not taken along or run",
    "custom_pipelines": "it names code of the model's author, which is not taken along or run",
    "quantization_config": "the weights are written unquantised",
    "_name_or_path": "",
}
NESTED = ("text_config", "vision_config", "audio_config", "encoder", "decoder")
_EMBEDDING = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|token_embedding|shared|embed_in)\.weight$"
)
_LAYER = re.compile(r"^(.*?\b(?:layers?|blocks?|h))\.(\d+)\.")
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


@dataclass(frozen=True, slots=True)
class Config:
    """A config and what was changed in it, in sentences."""

    data: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def written_config(
    config: Mapping[str, Any],
    tensors: Mapping[str, TensorInfo],
    reference: Mapping[str, TensorInfo],
    changes: Mapping[str, object],
) -> Config:
    """Return the config of what was written.

    ``dtype`` becomes the type of most weights; the vocabulary's size the rows of the token
    embedding; the number of layers that of the one stack of layers, where it is another than the
    reference's. Code, quantisation and the name of a folder are taken out.

    Args:
        config: The reference's.
        tensors: What was written.
        reference: The reference's tensors, or empty: then the number of layers stays.
        changes: What the method says about the config; None takes an entry out.
    """
    notes: list[str] = []
    data = _clean(config, notes)
    dtype = _main_type(tensors)
    if dtype:
        data["dtype"] = dtype
        for name in NESTED:
            if isinstance(data.get(name), dict) and "dtype" in data[name]:
                data[name] = {**data[name], "dtype": dtype}
    rows = {i.shape[0] for n, i in tensors.items() if _EMBEDDING.search(n) and len(i.shape) == 2}
    if len(rows) == 1:
        _set(data, ("vocab_size",), rows.pop(), "rows of the token embedding", notes)
    layers, before = layer_count(tensors), layer_count(reference)
    if layers and before and layers != before:
        _set(data, _LAYER_KEYS, layers, "layers written", notes)
    data |= changes
    gone = {k for k, v in changes.items() if v is None}
    return Config({k: v for k, v in data.items() if k not in gone}, tuple(notes))


def layer_count(tensors: Mapping[str, TensorInfo]) -> int:
    """Return the number of layers where all are of one stack counted from 0, else 0."""
    stacks: dict[str, set[int]] = {}
    for name in tensors:
        found = _LAYER.match(name)
        if found and len(found[2]) < 6:
            stacks.setdefault(found[1], set()).add(int(found[2]))
    if len(stacks) != 1:
        return 0
    (numbers,) = stacks.values()
    return len(numbers) if numbers == set(range(len(numbers))) else 0


def _clean(config: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """A copy without what must not stay, also one level down."""
    data: dict[str, Any] = {}
    for key, value in config.items():
        if key in DROPPED:
            if DROPPED[key]:
                notes.append(f"{key} was taken out of config.json: {DROPPED[key]}.")
        elif key in NESTED and isinstance(value, dict):
            data[key] = _clean(value, notes)
        elif key == "torch_dtype":
            data.setdefault("dtype", value)
        else:
            data[key] = value
    return data


def _main_type(tensors: Mapping[str, TensorInfo]) -> str:
    """The type of most weights: "bfloat16"."""
    counts: dict[torch.dtype, int] = {}
    for info in tensors.values():
        if info.dtype.is_floating_point:
            counts[info.dtype] = counts.get(info.dtype, 0) + max(1, torch.Size(info.shape).numel())
    return str(max(counts, key=counts.__getitem__)).removeprefix("torch.") if counts else ""


def _set(
    data: dict[str, Any], keys: tuple[str, ...], value: int, what: str, notes: list[str]
) -> None:
    """Set the first of these keys that is there, at the top or in the config of the text part."""
    for place in (data, data.get("text_config")):
        for key in keys:
            if isinstance(place, dict) and key in place:
                if place[key] != value:
                    said = f"{place[key]!r:.40}"
                    notes.append(f"{key} in config.json is now {value}, the {what}; it was {said}.")
                    place[key] = value
                return
