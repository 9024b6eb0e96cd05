"""A folder as ``MODELS_DIR`` names it, with tiny models of all kinds."""

import sys
from pathlib import Path

from merging.checkpoints import open_folder
from merging.engine.extract import Packing, extract

sys.path.insert(0, str(Path(__file__).parent / "unit"))

from made_adapters import factors, write_adapter
from tiny_models import LAYERS, VOCAB, WIDTH, saved, tiny, trio

__all__ = ["RANKS", "SCALE", "VOCAB", "make_models", "saved", "tiny"]
RANKS = {"lora-a": 2, "lora-b": 4}
SCALE = 3.0  # lora_alpha 6 over rank 2


def adapter(root: Path, name: str, rank: int, seed: int) -> Path:
    """Write an adapter of the query projections of the tiny llama."""
    tensors = {}
    for layer in range(LAYERS):
        module = f"model.layers.{layer}.self_attn.q_proj"
        tensors |= factors(module, WIDTH, WIDTH, rank, seed + 10 * layer)
    return write_adapter(root / name, tensors, r=rank, lora_alpha=SCALE * rank)


def make_models(root: Path) -> Path:
    """Write base, one and two (llama), other/gpt2, two adapters and a delta; return the folder."""
    trio("llama", root)
    saved(tiny("gpt2"), root / "other" / "gpt2")
    for seed, (name, rank) in enumerate(RANKS.items()):
        adapter(root, name, rank, seed)
    base, two = (open_folder(root / name, name) for name in ("base", "two"))
    extract(base, two, Packing("rank", 16), root / "two.delta.safetensors")
    return root
