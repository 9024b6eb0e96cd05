"""How far a merge changes what a model does, on neutral inputs, where nobody has data for it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.analysis.representation import linear_cka
from merging.errors import EvaluationError
from merging.evaluation.own_models import OpenedModel
from merging.evaluation.scoring import Progress

SENTENCES = (
    "The train leaves at seven in the morning.",
    "She put the book back on the shelf.",
    "Water boils at one hundred degrees.",
    "How many people live in this town?",
    "The report lists the costs of last year.",
    "Please close the window before you go.",
    "Two and three make five.",
    "Rain is expected in the north tomorrow.",
    "He bought apples, bread and a newspaper.",
    "This machine has a red and a green button.",
    "The children played in the garden all day.",
    "An open question is whether it works at night.",
)
LENGTH, PIECES = 16, 12
LONGEST = 32
SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a model makes of the neutral inputs.

    Attributes:
        layers: Hidden states, embeddings first, each of shape (inputs, width): the mean over
            places that are no padding.
        logits: Shape (rows, classes) where the model has a head: for a language model a row for
            every place that is no padding; None without a head.
    """

    layers: tuple[Tensor, ...]
    logits: Tensor | None


@dataclass(frozen=True, slots=True)
class Change:
    """How far two models part.

    Attributes:
        alike: Linear CKA of each layer, embeddings first: 1 where they tell the same.
        divergence: Mean of both Kullback-Leibler divergences of the output distributions, in nats
            a row; None without a head, or where the heads have different classes.
    """

    alike: tuple[float, ...]
    divergence: float | None


def outputs(opened: OpenedModel, progress: Progress = lambda fraction, message: None) -> Outputs:
    """Ask a model the neutral inputs.

    Texts go through its tokenizer; without one, fixed random tokens of its vocabulary are used, and
    fixed patterns for models that see.

    Args:
        opened: The model.
        progress: Called before and after; it may raise ``Cancelled``.

    Raises:
        EvaluationError: There are no neutral inputs for such a model, or it gives no hidden states.
    """
    inputs = neutral_inputs(opened)
    progress(0.0, f"ask {opened.name}")
    with torch.inference_mode():
        try:
            found = opened.model(**inputs, output_hidden_states=True, return_dict=True)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise EvaluationError(f"{opened.name}: cannot be asked: {error}"[:300]) from error
    progress(1.0, f"ask {opened.name}")
    states = getattr(found, "hidden_states", None) or getattr(found, "encoder_hidden_states", None)
    if not states:
        raise EvaluationError(f"{opened.name}: gives no hidden states to compare.")
    mask = inputs.get("attention_mask")
    layers = tuple(_pooled(state.float(), mask) for state in states)
    logits = getattr(found, "logits", None)
    return Outputs(layers, None if logits is None else _rows(logits.float(), mask))


def change(first: Outputs, other: Outputs) -> Change:
    """Compare two models of one architecture on the neutral inputs.

    Raises:
        EvaluationError: They have different numbers of layers.

    Source:
        Linear CKA: Kornblith et al. 2019, arXiv:1905.00414, section 3. Divergence: the mean of
        KL(p, q) and KL(q, p), Kullback and Leibler 1951.
    """
    if len(first.layers) != len(other.layers):
        raise EvaluationError(
            f"One model has {len(first.layers)} layers of hidden states, the other "
            f"{len(other.layers)}: they cannot be compared."
        )
    pairs = zip(first.layers, other.layers, strict=True)
    alike = tuple(float(linear_cka(a, b)) for a, b in pairs)
    return Change(alike, _divergence(first.logits, other.logits))


def neutral_inputs(opened: OpenedModel) -> Mapping[str, Tensor]:
    """Return the inputs of a model by the names of its arguments.

    Raises:
        EvaluationError: It neither reads nor sees, or its tokenizer gives tokens it lacks.
    """
    settings = opened.settings
    size, channels = (getattr(settings, name, None) for name in ("image_size", "num_channels"))
    if isinstance(size, int) and isinstance(channels, int):
        return {"pixel_values": patterns(channels, size)}
    vocabulary = getattr(settings, "vocab_size", None)
    if not isinstance(vocabulary, int) or vocabulary < 1 or hasattr(settings, "num_mel_bins"):
        raise EvaluationError(
            f"{opened.name}: there are no neutral inputs for model_type "
            f"{opened.config.get('model_type')!r:.40}. Give data of your own."
        )
    ids, mask = _tokens(opened, vocabulary)
    found = {"input_ids": ids, "attention_mask": mask}
    if getattr(settings, "is_encoder_decoder", False):
        found["decoder_input_ids"] = ids
    return found


def patterns(channels: int, size: int) -> Tensor:
    """Return fixed pictures, shape (12, channels, size, size), values from -1 to 1.

    Waves of growing frequency in four directions, and noise with a fixed seed in the last third.
    """
    line = torch.linspace(0, 1, size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    ways = (x, y, x + y, x - y)
    waves = [torch.sin(2 * torch.pi * (1 + i // 4) * ways[i % 4]) for i in range(2 * PIECES // 3)]
    source = torch.Generator().manual_seed(SEED)
    noise = torch.empty(PIECES - len(waves), size, size).uniform_(-1, 1, generator=source)
    return torch.cat([torch.stack(waves), noise])[:, None].repeat(1, channels, 1, 1)


def _tokens(opened: OpenedModel, vocabulary: int) -> tuple[Tensor, Tensor]:
    if opened.tokenizer is None:
        source = torch.Generator().manual_seed(SEED)
        ids = torch.randint(vocabulary, (PIECES, LENGTH), generator=source)
        return ids, torch.ones_like(ids)
    rows = [opened.tokenizer.encode(text).ids[:LONGEST] for text in SENTENCES]
    highest = max((token for row in rows for token in row), default=-1)
    if not 0 <= highest < vocabulary or not all(rows):
        raise EvaluationError(
            f"{opened.name}: its tokenizer gives token {highest}, its vocabulary has {vocabulary}. "
            "They do not belong together."
        )
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def _pooled(state: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None or state.dim() != 3 or mask.shape != state.shape[:2]:
        return state.flatten(1) if state.dim() != 3 else state.mean(1)
    weights = mask[..., None].float()
    return (state * weights).sum(1) / weights.sum(1)


def _rows(logits: Tensor, mask: Tensor | None) -> Tensor:
    if logits.dim() != 3 or mask is None or mask.shape != logits.shape[:2]:
        return logits.flatten(0, -2)
    return logits[mask.bool()]


def _divergence(first: Tensor | None, other: Tensor | None) -> float | None:
    if first is None or other is None or first.shape != other.shape:
        return None
    p, q = (logits.double().log_softmax(-1) for logits in (first, other))
    both = (p.exp() - q.exp()) * (p - q)
    return float(both.sum(-1).mean() / 2)
