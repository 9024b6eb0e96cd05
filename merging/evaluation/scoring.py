"""Score a set of weights on tasks: which items are answered correctly."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from merging.errors import EvaluationError
from merging.evaluation.intervals import Bits
from merging.evaluation.tasks import Task, predict

Progress = Callable[[float, str], None]


def vision_model(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> torch.nn.Module:
    """Build the vision transformer of a bundled set from weights in memory.

    Args:
        config: Contents of ``config.json``.
        weights: Tensors as stored in ``model.safetensors``.

    Raises:
        EvaluationError: The config is not a ViT, or a weight is missing, extra or misshapen.
    """
    from transformers import ViTConfig, ViTModel
    from transformers.utils import logging

    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    if config.get("model_type") != "vit":
        raise EvaluationError(f"model_type is {config.get('model_type')!r}; only vit is scored.")
    settings = ViTConfig.from_dict(dict(config))
    wide = {name: t.float() if t.is_floating_point() else t for name, t in weights.items()}
    loaded: Any = ViTModel.from_pretrained(
        None,
        config=settings,
        state_dict=wide,
        dtype=torch.float32,
        add_pooling_layer=False,
        output_loading_info=True,
    )
    model, info = loaded
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[problem]:
            raise EvaluationError(f"The weights do not fit: {problem} {sorted(info[problem])[:3]}.")
    return cast(torch.nn.Module, model.eval())


def score(
    model: torch.nn.Module,
    tasks: Iterable[Task],
    progress: Progress = lambda fraction, message: None,
    device: str = "cpu",
) -> dict[str, Bits]:
    """Return per task which items the model answers correctly.

    Args:
        model: As built by ``vision_model``; features are the mean over all tokens.
        tasks: What to score.
        progress: Called before every batch with the share done; it may raise ``Cancelled``.
        device: Where to compute.

    Returns:
        Bool arrays, shape (items,). Features that are not numbers count as wrong.
    """
    todo = list(tasks)
    total, done = sum(len(t.batches) for t in todo), 0
    model.to(device)
    found: dict[str, Bits] = {}
    with torch.inference_mode():
        for task in todo:
            parts: list[Tensor] = []
            for batch in task.batches:
                progress(done / total, f"score {task.id}")
                features = model(batch.to(device)).last_hidden_state.mean(1).float().cpu()
                right = predict(features, task).eq(_labels(task, len(parts)))
                parts.append(right & features.isfinite().all(1))
                done += 1
            found[task.id] = torch.cat(parts).numpy()
    progress(1.0, "scored")
    return found


def _labels(task: Task, batch: int) -> Tensor:
    start = sum(len(b) for b in task.batches[:batch])
    return task.labels[start : start + len(task.batches[batch])]
