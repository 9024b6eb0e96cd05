"""Train a sentence model on the tiny task: all its weights, or a LoRA adapter as peft stores it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scripts.real_texts import Sentence

BATCH = 16
TARGETS = ("query", "value")


@dataclass(frozen=True, slots=True)
class Trained:
    """Loss over the first and the last ten steps, and how long it took."""

    first: float
    last: float
    seconds: float


class Lora(nn.Module):
    """A linear layer and its low-rank change, ``alpha / rank · B A``."""

    def __init__(self, inner: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.inner, self.scale = inner, alpha / rank
        self.a = nn.Parameter(torch.randn(rank, inner.in_features) / inner.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(inner.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + x @ self.a.T @ self.b.T * self.scale


def embed(model: Any, tokenizer: Any, texts: list[str]) -> Tensor:
    """Mean over the tokens of each text, shape (texts, width)."""
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    hidden = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


def fit(
    model: Any, tokenizer: Any, data: list[Sentence], question: str, steps: int, rate: float
) -> Trained:
    """Train what wants a gradient, with a head of its own, to answer one question."""
    begin = time.perf_counter()
    torch.manual_seed(0)
    head = nn.Linear(model.config.hidden_size, 2)
    wanted = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW([*wanted, *head.parameters()], lr=rate, weight_decay=0.01)
    losses = []
    model.train()
    for step in range(steps):
        some = [data[(step * BATCH + i) % len(data)] for i in range(BATCH)]
        answers = torch.tensor([s.answers[question] for s in some])
        logits = head(embed(model, tokenizer, [s.text for s in some]))
        loss = nn.functional.cross_entropy(logits, answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    seconds = time.perf_counter() - begin
    return Trained(sum(losses[:10]) / 10, sum(losses[-10:]) / 10, seconds)


def add_lora(model: Any, rank: int, alpha: float, seed: int) -> dict[str, Lora]:
    """Freeze a model and put adapters at its queries and values; they are returned by name."""
    torch.manual_seed(seed)
    model.requires_grad_(False)
    found = [n for n, m in model.named_modules() if n.rpartition(".")[2] in TARGETS]
    layers = {}
    for name in found:
        parent, _, last = name.rpartition(".")
        layers[name] = Lora(model.get_submodule(name), rank, alpha)
        setattr(model.get_submodule(parent), last, layers[name])
    return layers


def save_adapter(layers: dict[str, Lora], rank: int, alpha: float, folder: Path) -> None:
    """Write an adapter folder as peft does."""
    folder.mkdir(parents=True)
    tensors = {}
    for name, layer in layers.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = layer.a.detach().contiguous()
        tensors[f"base_model.model.{name}.lora_B.weight"] = layer.b.detach().contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "FEATURE_EXTRACTION", "r": rank, "lora_alpha": alpha,
        "target_modules": list(TARGETS), "bias": "none", "fan_in_fan_out": False,
        "use_rslora": False, "use_dora": False, "rank_pattern": {}, "alpha_pattern": {},
        "modules_to_save": None, "lora_dropout": 0.0, "base_model_name_or_path": "base",
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))


def folded(weights: dict[str, Tensor], layers: dict[str, Lora]) -> dict[str, Tensor]:
    """A model's weights with the adapters' changes added, in float64."""
    made = {n: t.double() if t.is_floating_point() else t for n, t in weights.items()}
    for name, layer in layers.items():
        delta = layer.b.detach().double() @ layer.a.detach().double() * layer.scale
        made[f"{name}.weight"] = made[f"{name}.weight"] + delta
    return made
