"""Scores: images to features to a frozen head; and files that do not fit."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, tensor

from merging.errors import Cancelled, EvaluationError
from merging.evaluation import Task, load_task, score, vision_model
from merging.evaluation.tasks import BATCH, predict

PLAIN = {"mean": 0.0, "std": 1.0}


class Corners(torch.nn.Module):
    """Two tokens: the first two pixels, and zeros. Their mean is half the pixels."""

    def forward(self, images: Tensor) -> Any:
        first = images.flatten(1)[:, :2]
        return SimpleNamespace(last_hidden_state=torch.stack([first, torch.zeros_like(first)], 1))


def task(pixels: Tensor, labels: list[int], size: int = BATCH, bias: float = 0.0) -> Task:
    """Class 0 where the first pixel is brighter than the second by more than 2 * bias."""
    images = torch.zeros(len(pixels), 1, 28, 28)
    images[:, 0, 0, :2] = pixels
    return Task("t", torch.split(images, size), tensor(labels), torch.eye(2), tensor([0.0, bias]))


BRIGHT = tensor([[4.0, 0.0], [0.0, 4.0], [4.0, 2.0], [2.0, 4.0], [1.0, 0.0]])


def test_items_answered_correctly_by_hand() -> None:
    found = score(Corners(), [task(BRIGHT, [0, 1, 1, 1, 0])])
    assert found["t"].tolist() == [True, True, False, True, True]
    assert found["t"].dtype == bool


def test_the_mean_over_tokens_is_what_the_head_sees() -> None:
    """Half of 1 is less than a bias of 0.75; half of 4 and of 4 - 2 is more."""
    found = score(Corners(), [task(BRIGHT, [0, 0, 0, 0, 0], bias=0.75)])
    assert found["t"].tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_batches_change_nothing(size: int) -> None:
    found = score(Corners(), [task(BRIGHT, [0, 1, 1, 1, 0], size)])
    assert found["t"].tolist() == [True, True, False, True, True]


def test_features_that_are_not_numbers_are_wrong() -> None:
    broken = task(tensor([[float("nan"), 0.0], [4.0, 0.0], [float("inf"), 0.0]]), [0, 0, 0])
    assert score(Corners(), [broken])["t"].tolist() == [False, True, False]


def test_progress_and_cancel() -> None:
    seen: list[tuple[float, str]] = []
    score(Corners(), [task(BRIGHT, [0] * 5, 3)], lambda done, word: seen.append((done, word)))
    assert seen == [(0.0, "score t"), (0.5, "score t"), (1.0, "scored")]

    def stop(done: float, word: str) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        score(Corners(), [task(BRIGHT, [0] * 5)], stop)


def test_the_heads_bias_counts() -> None:
    one = Task("t", (), tensor([0]), torch.eye(2), tensor([0.0, 5.0]))
    assert predict(tensor([[4.0, 0.0], [6.0, 0.0]]), one).tolist() == [1, 0]


# --- Files ----------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    images, head = tmp_path / "images.safetensors", tmp_path / "head.safetensors"
    pixels = torch.zeros(3, 28, 28, dtype=torch.uint8)
    pixels[1] = 255
    stored = {
        "tuning/images": pixels[:1].clone(),
        "tuning/labels": torch.zeros(1, dtype=torch.uint8),
        "reporting/images": pixels,
        "reporting/labels": tensor([0, 1, 1], dtype=torch.uint8),
    }
    save_file({n: t.contiguous() for n, t in stored.items()}, images)
    save_file({"weight": torch.eye(2).half(), "bias": torch.zeros(2)}, head)
    return images, head


def test_pixels_are_scaled_and_halves_kept_apart(files: tuple[Path, Path]) -> None:
    found = load_task("t", *files, "reporting", {"mean": 0.5, "std": 0.25})
    assert found.count == 3
    assert found.batches[0].shape == (3, 1, 28, 28)
    assert [float(image.mean()) for image in found.batches[0]] == [-2, 2, -2]
    assert found.labels.tolist() == [0, 1, 1]
    assert (found.weight.dtype, found.labels.dtype) == (torch.float32, torch.int64)
    assert load_task("t", *files, "tuning", PLAIN).count == 1


@pytest.mark.parametrize(
    ("which", "changes"),
    [
        (0, {"reporting/labels": tensor([0, 1])}),
        (0, {"reporting/labels": tensor([0, 1, 2])}),
        (1, {"weight": torch.ones(1, 2)}),
    ],
)
def test_files_that_do_not_fit_together(
    which: int, changes: dict[str, Tensor], files: tuple[Path, Path]
) -> None:
    save_file(load_file(files[which]) | changes, files[which])
    with pytest.raises(EvaluationError, match="Task t: images, labels and head do not fit"):
        load_task("t", *files, "reporting", PLAIN)


def test_files_that_cannot_be_read(files: tuple[Path, Path], tmp_path: Path) -> None:
    images, head = files
    with pytest.raises(EvaluationError, match="Task t: cannot read its items"):
        load_task("t", images, head, "training", PLAIN)
    with pytest.raises(EvaluationError, match="cannot read"):
        load_task("t", tmp_path / "none", head, "reporting", PLAIN)
    head.write_bytes(b"garbage")
    with pytest.raises(EvaluationError, match="cannot read"):
        load_task("t", images, head, "reporting", PLAIN)


# --- Model ----------------------------------------------------------------------------------------


@pytest.fixture
def stored(vit_family: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    config = json.loads((vit_family / "base" / "config.json").read_text())
    return config, load_file(vit_family / "base" / "model.safetensors")


def test_the_model_computes_what_transformers_computes(stored: Any, vit_family: Path) -> None:
    from transformers import ViTModel

    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    theirs = ViTModel.from_pretrained(vit_family / "base", add_pooling_layer=False).eval()
    ours = vision_model(*stored)
    with torch.inference_mode():
        want, found = (m(images).last_hidden_state for m in (theirs, ours))
    assert torch.allclose(found, want, atol=1e-5)
    assert not ours.training


def test_half_weights_are_computed_in_full_width(stored: Any) -> None:
    config, weights = stored
    model = vision_model(config, {n: t.to(torch.bfloat16) for n, t in weights.items()})
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_only_vision_transformers(stored: Any) -> None:
    with pytest.raises(EvaluationError, match="model_type is 'llama'; only vit is scored"):
        vision_model(stored[0] | {"model_type": "llama"}, stored[1])


def test_weights_that_do_not_fit_are_never_made_up(stored: Any) -> None:
    config, weights = stored
    name = sorted(weights)[0]
    with pytest.raises(EvaluationError, match="missing_keys"):
        vision_model(config, {n: t for n, t in weights.items() if n != name})
    with pytest.raises(EvaluationError, match=r"unexpected_keys.*extra"):
        vision_model(config, weights | {"extra": torch.zeros(1)})
