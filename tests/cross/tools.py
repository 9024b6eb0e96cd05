"""What the comparisons share: the other interpreter, experts of a base, written weights."""

import os
import subprocess
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

SECONDS = 600


def other_side(python: str, script: str, *arguments: Path) -> None:
    """Run a script of this folder in the interpreter that has mergekit and peft."""
    told = subprocess.run(
        [python, str(Path(__file__).with_name(script)), *map(str, arguments)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert told.returncode == 0, told.stderr[-2000:]


def save_models(make: Any, folder: Path) -> None:
    """Write a base of random weights, and experts a, b and c a little away from it.

    Args:
        make: Returns a model of transformers.
        folder: Where ``base``, ``a``, ``b`` and ``c`` go.
    """
    from transformers.utils import logging

    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make().save_pretrained(folder / "base")
    base = load_file(folder / "base" / "model.safetensors")
    for seed, name in enumerate("abc"):
        source = torch.Generator().manual_seed(seed)
        changed = {n: t + 0.03 * torch.randn(t.shape, generator=source) for n, t in base.items()}
        (folder / name).mkdir()
        save_file(changed, folder / name / "model.safetensors", {"format": "pt"})
        (folder / name / "config.json").write_text((folder / "base" / "config.json").read_text())


def written(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, or of the files in a folder."""
    if path.is_file():
        return load_file(path)
    found: dict[str, Tensor] = {}
    for part in sorted(path.glob("*.safetensors")):
        found |= load_file(part)
    return found
