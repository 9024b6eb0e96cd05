"""Write a model folder of the llama family as one GGUF file, a tensor at a time; read it back.

The ``gguf`` library (MIT) writes and reads the format; only this file knows it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from merging.checkpoints import FolderCheckpoint, open_folder
from merging.errors import CompatibilityError, ResourceError, SourceError
from merging.export.gguf_names import (
    ARCHITECTURES,
    ROPE_FREQS,
    gguf_names,
    head_size,
    llama3_factors,
    number,
    real,
    reordered,
    rope_of,
)
from merging.export.gguf_tokens import Tokens, read_tokens

Kind = Literal["f32", "f16", "bf16", "q8_0"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FILE_TYPES = {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7}  # GGUF's general.file_type
MOST_HALF = 65504.0  # largest finite float16
BLOCK = 32  # weights that share a factor in q8_0


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        file: The file.
        tensors: How many.
        bytes: Its size.
        worst: Largest difference of a weight after reading it back.
        notes: What is not carried, in sentences.
    """

    file: Path
    tensors: int
    bytes: int
    worst: float
    notes: tuple[str, ...]


def write_gguf(folder: Path, kind: Kind, file: Path) -> Exported:
    """Write a model folder as GGUF, read the file back and compare every tensor.

    Vectors (norms, biases) stay float32; so do matrices whose rows do not divide into blocks of
    32 in q8_0, which is told.

    Args:
        folder: A Llama, Mistral or Qwen2 with its head, as transformers stores it.
        kind: Type of the matrices.
        file: Must not exist.

    Raises:
        SourceError: The folder cannot be read, the file exists, or the library is not there.
        CompatibilityError: The model is not of the family, or a weight does not fit the type.
        ResourceError: The disk is full or fails; nothing is left behind.
    """
    if os.path.lexists(file):
        raise SourceError(f"{str(file)!r} exists already. Choose another --out.")
    _library()
    model = open_folder(folder)
    config = model.config()
    names = gguf_names(config, model.tensors())
    partial = file.with_name(f".{file.name}.partial")
    try:
        notes = _write(model, config, names, kind, partial)
        worst = _compare(model, config, names, partial)
        size = partial.stat().st_size
        os.replace(partial, file)
    except OSError as error:
        raise ResourceError(
            f"Writing {str(file)!r} failed: {error.strerror or error}. Nothing was left behind."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return Exported(file, len(names), size, worst, notes)


def _library() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise SourceError(
            "The package gguf is missing: pip install -r requirements.txt."
        ) from error
    return gguf


def _write(
    model: FolderCheckpoint,
    config: Mapping[str, Any],
    names: Mapping[str, str],
    kind: Kind,
    path: Path,
) -> tuple[str, ...]:
    gguf = _library()
    writer = gguf.GGUFWriter(path, ARCHITECTURES[config["model_type"]])
    rows = model.tensors()["model.embed_tokens.weight"].shape[0]
    tokens = read_tokens(model.path, rows)
    rope = rope_of(config)
    try:
        _metadata(writer, config, rope, rows, kind)
        notes = [tokens] if isinstance(tokens, str) else []
        if isinstance(tokens, Tokens):
            _vocabulary(writer, tokens)
        if config.get("sliding_window") and config.get("use_sliding_window", True):
            notes.append("The sliding window of attention is not carried: all positions are seen.")
        types = {n: _type(model, n, kind) for n in names}
        whole = [n for n in names if kind == "q8_0" and _is_matrix(model, n) and types[n] != kind]
        if whole:
            notes.append(f"{len(whole)} matrices stay float32: their rows are not blocks of 32.")
        factors = llama3_factors(rope, head_size(config)) if rope["rope_type"] == "llama3" else None
        if factors is not None:
            writer.add_tensor_info(ROPE_FREQS, factors.shape, factors.dtype, factors.nbytes)
        for name, theirs in names.items():
            _announce(writer, theirs, model.tensors()[name].shape, types[name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for name in names:
            writer.write_tensor_data(_packed(name, _values(model, name, config), types[name]))
    finally:
        writer.close()
    return tuple(notes)


def _metadata(
    writer: Any, config: Mapping[str, Any], rope: Mapping[str, Any], rows: int, kind: Kind
) -> None:
    heads = number(config, "num_attention_heads")
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(2)
    writer.add_vocab_size(rows)
    writer.add_context_length(number(config, "max_position_embeddings"))
    writer.add_embedding_length(number(config, "hidden_size"))
    writer.add_block_count(number(config, "num_hidden_layers"))
    writer.add_feed_forward_length(number(config, "intermediate_size"))
    writer.add_head_count(heads)
    writer.add_head_count_kv(number(config, "num_key_value_heads", heads))
    writer.add_layer_norm_rms_eps(real(config, "rms_norm_eps", 1e-6))
    writer.add_rope_dimension_count(head_size(config))
    writer.add_key_length(head_size(config))
    writer.add_value_length(head_size(config))
    writer.add_rope_freq_base(real(rope, "rope_theta", 10000.0))
    if rope["rope_type"] == "linear":
        from gguf import RopeScalingType

        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(real(rope, "factor", 1.0))


def _vocabulary(writer: Any, tokens: Tokens) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokens.split)
    writer.add_token_list(list(tokens.tokens))
    writer.add_token_types(list(tokens.kinds))
    if tokens.merges:
        writer.add_token_merges(list(tokens.merges))
    for name, number_of in tokens.special.items():
        getattr(writer, f"add_{name}_token_id")(number_of)
    if tokens.template:
        writer.add_chat_template(tokens.template)


def _is_matrix(model: FolderCheckpoint, name: str) -> bool:
    return len(model.tensors()[name].shape) == 2


def _type(model: FolderCheckpoint, name: str, kind: Kind) -> Kind:
    shape = model.tensors()[name].shape
    fits = len(shape) == 2 and (kind != "q8_0" or shape[1] % BLOCK == 0)
    return kind if fits else "f32"


def _announce(writer: Any, name: str, shape: tuple[int, ...], kind: Kind) -> None:
    """Tell the writer a tensor's place before it comes."""
    from gguf import GGMLQuantizationType as Types
    from gguf import quant_shape_to_byte_shape

    raw = Types[kind.upper()]
    if kind in ("f32", "f16"):
        dtype = np.dtype(np.float32 if kind == "f32" else np.float16)
        writer.add_tensor_info(name, shape, dtype, int(np.prod(shape)) * dtype.itemsize, raw)
        return
    stored = quant_shape_to_byte_shape(shape, raw)
    writer.add_tensor_info(name, stored, np.dtype(np.uint8), int(np.prod(stored)), raw)


def _values(model: FolderCheckpoint, name: str, config: Mapping[str, Any]) -> NDArray[np.float32]:
    """A tensor in float32, its rows in GGUF's order."""
    return reordered(name, model.load(name).to(torch.float32).numpy(), config)


def _packed(name: str, values: NDArray[np.float32], kind: Kind) -> NDArray[Any]:
    from gguf import GGMLQuantizationType as Types
    from gguf import quantize

    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest) or (kind == "f16" and largest > MOST_HALF):
        raise CompatibilityError(
            f"{name!r} holds {largest:g}, which {kind} cannot hold. Choose f32 or bf16, or look "
            "at the model."
        )
    return np.asarray(quantize(values, Types[kind.upper()]))


def _compare(
    model: FolderCheckpoint, config: Mapping[str, Any], names: Mapping[str, str], path: Path
) -> float:
    """Read the file and compare; returns the largest difference."""
    from gguf import GGUFReader, dequantize

    found = {t.name: t for t in GGUFReader(path).tensors}
    missing = sorted(set(names.values()) - set(found))
    if missing:
        raise CompatibilityError(f"The file lacks {missing[0]!r} after writing. Write it again.")
    worst = 0.0
    for name, theirs in names.items():
        tensor, want = found[theirs], _values(model, name, config)
        got = dequantize(tensor.data, tensor.tensor_type).reshape(want.shape)
        gap = np.abs(got.astype(np.float64) - want)
        beyond = gap > bound(want, tensor.tensor_type.name.lower())
        if beyond.any():
            raise CompatibilityError(
                f"{name!r} reads back as {got[beyond][0]:g} where {want[beyond][0]:g} was written. "
                "The file was removed; check the disk."
            )
        worst = max(worst, float(gap.max(initial=0.0)))
    return worst


def bound(values: NDArray[np.float32], kind: str) -> NDArray[np.float64]:
    """Return by how much each weight may differ after rounding to a type.

    Float32 is exact. Float16 and bfloat16 round to nearest: half a unit in the last of 11 and 8
    bits, and half the smallest number below that. Q8_0 keeps 32 weights as whole numbers times
    ``largest / 127``: half a step, and what rounding that factor to float16 moves them.

    Args:
        values: What was written.
        kind: f32, f16, bf16 or q8_0.

    Returns:
        The bounds, shape of ``values``.
    """
    size = np.abs(values.astype(np.float64))
    if kind == "f32":
        return np.zeros_like(size)
    if kind in ("f16", "bf16"):
        return size * 2.0 ** (-11 if kind == "f16" else -8) + (
            2.0**-25 if kind == "f16" else 2.0**-134
        )
    largest = size.reshape(-1, BLOCK).max(1, keepdims=True)
    step = largest / 127
    whole = step * 0.5001 + largest * 2.0**-11 + 127 * 2.0**-25
    return np.broadcast_to(whole, (whole.size, BLOCK)).reshape(size.shape)
