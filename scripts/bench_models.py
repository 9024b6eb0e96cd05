"""Models for the bench: a Llama of random weights and experts that lie a little beside it.

Written straight to safetensors, from seeds, without a network. An expert's change is 6e-4 · z·|z|
with z normal: most changes are small, few are large, so that a trim by size means something. Base
and experts are stored as bfloat16, as published models are, so that many changes are equal or zero.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scripts.bench_process import settle

WEIGHTS = "model.safetensors"
SPREAD = 0.02
CHANGE = 6e-4
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """Shape of a Llama.

    Attributes:
        name: For options, tables and folders.
        tied: Whether the output layer is the embedding, and has no weights of its own.
    """

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    tied: bool

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of every tensor, in the order of the model."""
        found: dict[str, Shape] = {"model.embed_tokens.weight": (self.vocabulary, self.width)}
        for layer in range(self.layers):
            found |= {f"model.layers.{layer}.{n}.weight": s for n, s in self._layer().items()}
        found["model.norm.weight"] = (self.width,)
        if not self.tied:
            found["lm_head.weight"] = (self.vocabulary, self.width)
        return found

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(prod(shape) for shape in self.shapes().values())

    def config(self) -> dict[str, object]:
        """Return what ``config.json`` says."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "max_position_embeddings": 2048,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "bfloat16",
        }

    def _layer(self) -> dict[str, Shape]:
        keys = self.width // self.heads * self.kv_heads
        wide, narrow = (self.intermediate, self.width), (self.width, self.intermediate)
        return {
            "input_layernorm": (self.width,),
            "self_attn.q_proj": (self.width, self.width),
            "self_attn.k_proj": (keys, self.width),
            "self_attn.v_proj": (keys, self.width),
            "self_attn.o_proj": (self.width, self.width),
            "post_attention_layernorm": (self.width,),
            "mlp.gate_proj": wide,
            "mlp.up_proj": wide,
            "mlp.down_proj": narrow,
        }


SIZES = {
    size.name: size
    for size in (
        Size("tiny", 2, 64, 4, 2, 96, 256, True),
        Size("135m", 30, 576, 9, 3, 1536, 49152, True),
        Size("1.1b", 22, 2048, 32, 4, 5632, 32000, False),
    )
}


@dataclass(frozen=True)
class Family:
    """A base and its experts in folders beside each other.

    Attributes:
        folder: Holds ``base`` and the experts; recipes lie here too.
        size: Of every model.
        experts: Names of the experts' folders.
    """

    folder: Path
    size: Size
    experts: tuple[str, ...]

    def first(self, count: int) -> "Family":
        """Return the same family with its first experts only."""
        return Family(self.folder, self.size, self.experts[:count])

    def files(self) -> list[Path]:
        """Return the weight files: base first, then the experts."""
        return [self.folder / name / WEIGHTS for name in ("base", *self.experts)]


def make_family(root: Path, size: Size, experts: int) -> Family:
    """Return a family below a folder, making what is not there yet.

    Args:
        root: Work folder, kept or temporary. A model that stands in it is used as it is.
        size: Of every model.
        experts: How many, at least 1.
    """
    folder = root / size.name
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(f"expert-{number}" for number in range(1, experts + 1))
    if not (folder / "base").exists():
        _save(folder / "base", size, dict(_base(size)))
    missing = [n for n in names if not (folder / n).exists()]
    base = load_file(folder / "base" / WEIGHTS) if missing else {}
    for name in missing:
        _save(folder / name, size, dict(_expert(base, int(name.rpartition("-")[2]))))
    return Family(folder, size, names)


def _base(size: Size) -> Iterator[tuple[str, Tensor]]:
    source = torch.Generator().manual_seed(0)
    for name, shape in size.shapes().items():
        drawn = torch.randn(shape, generator=source).mul_(SPREAD)
        yield name, (drawn.add_(1) if "norm" in name else drawn).bfloat16()


def _expert(base: dict[str, Tensor], seed: int) -> Iterator[tuple[str, Tensor]]:
    source = torch.Generator().manual_seed(seed)
    for name, weights in base.items():
        drawn = torch.randn(weights.shape, generator=source)
        yield name, weights.float().addcmul_(drawn, drawn.abs(), value=CHANGE).bfloat16()


def _save(folder: Path, size: Size, tensors: dict[str, Tensor]) -> None:
    """Write a model under another name and rename it, so that a folder that is there is whole."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file(tensors, partial / WEIGHTS, {"format": "pt"})
    (partial / "config.json").write_text(json.dumps(size.config(), indent=1) + "\n")
    settle(partial)
    partial.rename(folder)
