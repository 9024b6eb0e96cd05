"""Inputs that say nothing: a few tokens, a grey picture, silence."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

TOKENS = 8
PAIRED = ("clip", "siglip", "chinese_clip", "clipseg", "altclip", "align")  # take text and picture


def neutral_inputs(model: Any) -> dict[str, Tensor] | None:
    """Return inputs for one forward pass of a transformers model, or None where none are known.

    Args:
        model: Loaded; its config says how large a picture or a sound is.

    Returns:
        Batch of one: ``input_ids`` of shape (1, 8), ``pixel_values`` of shape (1, channels,
        height, width) or ``input_features`` of shape (1, mel bins, frames); for encoder-decoders
        ``decoder_input_ids`` too. Numbers are zero (grey, silence) in the model's type.
    """
    config, main = model.config, model.main_input_name
    takes = inspect.signature(model.forward).parameters
    inputs: dict[str, Tensor] = {}
    names = [main]
    if config.model_type in PAIRED and {"input_ids", "pixel_values"} <= set(takes):
        names = ["input_ids", "pixel_values"]
    for name in names:
        made = _input(name, config, model.dtype)
        if made is None:
            return None
        inputs[name] = made
    if config.is_encoder_decoder and "decoder_input_ids" in takes:
        inputs["decoder_input_ids"] = _tokens(config)
    return inputs


def finite(output: Any) -> bool:
    """Return whether every floating tensor in an output, however nested, is finite."""
    if isinstance(output, Tensor):
        return not output.is_floating_point() or bool(torch.isfinite(output).all())
    if isinstance(output, Mapping):
        return all(finite(value) for value in output.values())
    if isinstance(output, list | tuple):
        return all(finite(value) for value in output)
    return True


def _input(name: str, config: Any, dtype: torch.dtype) -> Tensor | None:
    if name == "input_ids":
        return _tokens(config)
    if name == "pixel_values":
        part = getattr(config, "vision_config", config)
        size = getattr(part, "image_size", None)
        if size is None:
            return None
        height, width = (size, size) if isinstance(size, int) else tuple(size)
        return torch.zeros(1, getattr(part, "num_channels", 3), height, width, dtype=dtype)
    if name == "input_features" and hasattr(config, "max_source_positions"):
        frames = 2 * config.max_source_positions
        return torch.zeros(1, config.num_mel_bins, frames, dtype=dtype)
    return None


def _tokens(config: Any) -> Tensor:
    text = getattr(config, "text_config", config)
    return (torch.arange(TOKENS) % int(text.vocab_size)).reshape(1, -1)
