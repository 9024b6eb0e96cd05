"""Write a merged adapter as a folder that peft loads, whole or not at all."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from merging.checkpoints.adapter_config import CONFIG_FILE
from merging.checkpoints.adapter_file import PREFIX, WEIGHTS_FILE, Pair, read_adapter
from merging.engine.adapters import MergedAdapter
from merging.engine.claim import FULL, Claim
from merging.engine.factored import Factored
from merging.engine.output import RECIPE_FILE, REPORT_FILE, metadata_of
from merging.errors import ResourceError, SourceError
from merging.recipe import write_recipe


def write_adapter(merged: MergedAdapter, folder: Path) -> None:
    """Write an adapter with its recipe and a report of the energy kept.

    Args:
        merged: A finished merge.
        folder: Must not exist, or be empty.

    Raises:
        SourceError: The folder is in use or cannot be made.
        ResourceError: The disk is full, or a factor does not fit the type.
    """
    dtype = getattr(torch, merged.recipe.dtype or "float32")
    tensors: dict[str, Tensor] = {}
    for module, pair in merged.modules.items():
        tensors |= _named(pair, merged.factors[module], dtype)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ResourceError(f"The merged {name!r} does not fit {dtype}. Choose dtype float32.")
    files = {
        CONFIG_FILE: json.dumps(_config(merged), indent=2) + "\n",
        RECIPE_FILE: write_recipe(merged.recipe),
        REPORT_FILE: json.dumps(_report(merged), indent=2) + "\n",
    }
    claim = Claim(folder)
    try:
        claim.keep_only()
        path = claim.model / WEIGHTS_FILE
        path.write_bytes(safetensors.torch.save(tensors, metadata_of(merged.recipe)))
        for name, text in files.items():
            (claim.model / name).write_text(text, "utf-8")
        _read_back(claim.model, tensors)
        claim.deliver()
    except BaseException as error:
        with suppress(OSError):
            claim.keep_only()
        if not isinstance(error, OSError):
            raise
        kind = ResourceError if error.errno in FULL else SourceError
        raise kind(f"Cannot write {str(folder)!r}: {error.strerror}.") from error
    finally:
        claim.release()


def _read_back(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Open an adapter as it was written, as any other is; all factors must be there, unchanged.

    Raises:
        SourceError: It cannot be read, or a factor is another one than was written.
    """
    found = read_adapter(folder, "that was written")
    keys = {key for pair in found.pairs.values() for key in (pair.a, pair.b)}
    for name, tensor in tensors.items():
        if name not in keys or not torch.equal(found.read(name), tensor.double()):
            raise SourceError(f"{name!r} does not read back as it was written. Check the disk.")


def _named(pair: Pair, factors: Factored, dtype: torch.dtype) -> dict[str, Tensor]:
    rank, kernel = factors.a.shape[0], pair.shape[2:]
    a = factors.a.to(dtype).reshape(rank, *pair.shape[1:]).contiguous()
    b = factors.b.to(dtype).reshape(-1, rank, *(1 for _ in kernel)).contiguous()
    mark, leaf = ("embedding_", "") if pair.embedding else ("", ".weight")
    name = f"{PREFIX}{pair.module}.lora_{mark}"
    return {f"{name}A{leaf}": a, f"{name}B{leaf}": b}


def _config(merged: MergedAdapter) -> dict[str, Any]:
    """A config whose scale is 1 everywhere: alpha is the rank."""
    ranks = {module: f.a.shape[0] for module, f in merged.factors.items()}
    rank = max(ranks.values())
    other = {re.escape(module): own for module, own in ranks.items() if own != rank}
    about = [a.config.about for a in merged.adapters]
    return {
        "peft_type": "LORA",
        "task_type": _shared(about, "task_type"),
        "base_model_name_or_path": _shared(about, "base_model_name_or_path"),
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "use_dora": False,
        "bias": "none",
        "fan_in_fan_out": any(a.config.transposed for a in merged.adapters),
        "init_lora_weights": True,
        "modules_to_save": None,
        "target_modules": list(merged.modules),
        "rank_pattern": other,
        "alpha_pattern": other,
    }


def _shared(about: list[Mapping[str, Any]], key: str) -> Any:
    values = [each.get(key) for each in about]
    return values[0] if all(value == values[0] for value in values) else None


def _report(merged: MergedAdapter) -> dict[str, Any]:
    return {
        "recipe": merged.recipe.key(),
        "how": merged.how,
        "seconds": round(merged.seconds, 3),
        "energy_kept": merged.kept,
        "modules": {
            module: {"rank": f.a.shape[0], "energy_kept": f.kept}
            for module, f in merged.factors.items()
        },
    }
