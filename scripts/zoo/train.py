"""Train the base, fit the heads on it, and fine-tune the experts.

Experts rehearse: on images that the base was trained on their features stay near the base's.
Without it their average was below the base in every trial (tuning half; for example base .88 of its
experts, average .85), because what one learns moves the features that the others read.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import ViTConfig, ViTModel

from scripts.zoo.augment import augment
from scripts.zoo.sources import Data, Pixels

CONFIG = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "image_size": 28,
    "patch_size": 7,
    "num_channels": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
MEAN, STD = 0.2, 0.33
BATCH = 64
WIDTH = CONFIG["hidden_size"]
Head = tuple[Tensor, Tensor]
Loss = Callable[[torch.Generator], Tensor]
After = Callable[[nn.Module, int], None]


@dataclass(frozen=True)
class Schedule:
    """How one model is trained; the learning rate rises for a tenth of the steps, then falls.

    ``rehearsal`` weighs the squared distance of rehearsed features from the base's, relative to
    the base's own squared size.
    """

    steps: int
    rate: float
    seed: int
    decay: float = 0.01
    rehearsal: float = 0.0


BASE = Schedule(steps=1500, rate=1e-3, seed=1)
GENTLE = Schedule(steps=900, rate=3e-4, seed=2, rehearsal=0.25)
BOLD = Schedule(steps=500, rate=8e-4, seed=3, rehearsal=1.0)
STRANGER = replace(BASE, seed=4)  # other first weights, other order of the same images
BASE_LABELS = 120
HEAD_ITEMS = 300
HEAD_DECAY = 1e-2
REHEARSED, EXTRA_REHEARSED = 48, 600
PER_TASK, PER_EXTRA, PER_TURNED = 12, 32, 36


def new_model(width: int = WIDTH) -> nn.Module:
    """Return an untrained model. Plain attention trains three times faster here than fused."""
    shape = CONFIG | {"hidden_size": width, "intermediate_size": 4 * width}
    return ViTModel(ViTConfig(**shape, attn_implementation="eager"), add_pooling_layer=False)


def images(pixels: Pixels) -> Tensor:
    """Turn uint8 pixels (n, 28, 28) into model input (n, 1, 28, 28)."""
    return (torch.from_numpy(np.array(pixels)).float().unsqueeze(1) / 255 - MEAN) / STD


def features(model: nn.Module, batch: Tensor) -> Tensor:
    """Return the mean over all tokens, shape (n, hidden)."""
    return model(batch).last_hidden_state.mean(1)


def train_base(
    tasks: list[Data], extra: tuple[Pixels, Pixels], schedule: Schedule, width: int = WIDTH
) -> nn.Module:
    """Train the base half: a few labels of every task, other scripts, and turned images.

    Args:
        tasks: Five tasks; only 120 labels of each are used, the same for every schedule.
        extra: Another labelled set that no expert is trained on.
        schedule: Steps, rate, and the seed of first weights and order of images.
        width: Hidden size.
    """
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(BASE.seed)
    model = new_model(width)
    parts = [_few(task.train, BASE_LABELS, rng) for task in tasks] + [extra]
    sets = [(images(p), torch.from_numpy(np.array(c)).long()) for p, c in parts]
    pool = torch.cat([images(task.train[0]) for task in tasks])
    heads = nn.ModuleList(nn.Linear(width, int(c.max()) + 1) for _, c in sets)
    turned = nn.Linear(width, 4)
    everything = nn.ModuleList([model, heads, turned])
    counts = [PER_TASK] * len(tasks) + [PER_EXTRA, PER_TURNED]
    quarters = torch.arange(PER_TURNED) % 4

    def loss(generator: torch.Generator) -> Tensor:
        drawn = [
            torch.randint(len(x), (n,), generator=generator)
            for (x, _), n in zip([*sets, (pool, None)], counts, strict=True)
        ]
        quarter_turned = [
            torch.rot90(pool[i], int(q), (1, 2)) for i, q in zip(drawn[-1], quarters, strict=True)
        ]
        batch = [x[i] for (x, _), i in zip(sets, drawn[:-1], strict=True)]
        batch.append(torch.stack(quarter_turned))
        found = features(model, augment(torch.cat(batch), generator)).float().split(counts)
        total = cross_entropy(turned(found[-1]), quarters)
        for (_, y), i, head, part in zip(sets, drawn[:-1], heads, found[:-1], strict=True):
            total = total + cross_entropy(head(part), y[i])
        return total

    _optimise(everything, loss, schedule)
    return model.eval()


def fit_head(model: nn.Module, task: Data, seed: int = 0) -> Head:
    """Fit a linear head on the base's features of a task; the base does not move."""
    rng = np.random.default_rng(seed)
    pixels, labels = _few(task.train, HEAD_ITEMS, rng)
    with torch.inference_mode():
        parts = [features(model, part) for part in images(pixels).split(250)]
    inputs = torch.cat(parts).clone()
    target = torch.from_numpy(np.array(labels)).long()
    weight = torch.zeros(len(task.classes), inputs.shape[1], requires_grad=True)
    bias = torch.zeros(len(task.classes), requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        logits = inputs @ weight.T + bias
        value = cross_entropy(logits, target) + HEAD_DECAY * weight.square().sum()
        value.backward()
        return value

    solver.step(closure)
    return weight.detach(), bias.detach()


def rehearsal_images(tasks: list[Data], extra: tuple[Pixels, Pixels]) -> Tensor:
    """Return images that experts rehearse: a few of every task and of the extra set."""
    rng = np.random.default_rng(BASE.seed)
    parts = [_few(task.train, BASE_LABELS, rng)[0] for task in tasks]
    return images(np.concatenate([*parts, extra[0][:EXTRA_REHEARSED]]))


def train_expert(
    base: nn.Module,
    task: Data,
    head: Head,
    rehearsed: Tensor,
    schedule: Schedule,
    after: After | None = None,
    anchor: nn.Module | None = None,
) -> nn.Module:
    """Fine-tune the whole base on one task; the head stays as it is.

    Args:
        base: Where training starts.
        task: What is learned.
        head: Of the task.
        rehearsed: Images, (n, 1, 28, 28).
        schedule: Steps, rate, seed and the weight of rehearsal.
        after: Called with the model after every step, and the number of steps done.
        anchor: What rehearsed features are held to; the base when None.
    """
    model, held = copy.deepcopy(base).train(), anchor or base
    x, y = images(task.train[0]), torch.from_numpy(np.array(task.train[1])).long()
    weight, bias = head

    def loss(generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(x), (BATCH,), generator=generator)
        again = torch.randint(len(rehearsed), (REHEARSED,), generator=generator)
        known = augment(rehearsed[again], generator)
        found = features(model, torch.cat([augment(x[chosen], generator), known])).float()
        with torch.no_grad():
            before = features(held, known).float()
        drift = (found[BATCH:] - before).square().mean() / before.square().mean()
        logits = found[:BATCH] @ weight.T + bias
        return cross_entropy(logits, y[chosen]) + schedule.rehearsal * drift

    _optimise(model, loss, schedule, after)
    return model.eval()


def _optimise(model: nn.Module, loss: Loss, schedule: Schedule, after: After | None = None) -> None:
    generator = torch.Generator().manual_seed(schedule.seed)
    solver = torch.optim.AdamW(model.parameters(), schedule.rate, weight_decay=schedule.decay)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        solver, schedule.rate, total_steps=schedule.steps, pct_start=0.1
    )
    begin = time.perf_counter()
    for step in range(schedule.steps):
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(generator)
        solver.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        solver.step()
        plan.step()
        if after:
            after(model, step + 1)
        if step % 400 == 399:
            rate = (time.perf_counter() - begin) / (step + 1)
            print(f"  step {step + 1} loss {value.item():.3f} {rate * 1e3:.0f} ms", flush=True)


def _few(part: tuple[Pixels, Pixels], count: int, rng: np.random.Generator):
    chosen = rng.permutation(len(part[0]))[:count]
    return part[0][chosen], part[1][chosen]
