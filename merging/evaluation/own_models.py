"""Models of any architecture that transformers knows, from a folder or from memory."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merging.checkpoints import Checkpoint, FolderCheckpoint
from merging.checkpoints.folder import read_json
from merging.checkpoints.patched import PatchedCheckpoint
from merging.errors import EvaluationError

log = logging.getLogger(__name__)

TOKENIZER = "tokenizer.json"
MOST_TOKENIZER_BYTES = 64 << 20
PROBLEMS = ("missing_keys", "unexpected_keys", "mismatched_keys")


@dataclass(frozen=True, slots=True, eq=False)
class OpenedModel:
    """A model ready to be asked.

    Attributes:
        name: For messages.
        model: On the CPU, in float32, in evaluation mode.
        config: Contents of ``config.json``.
        tokenizer: A fast tokenizer, or None where the model has none.
    """

    name: str
    model: torch.nn.Module
    config: Mapping[str, Any]
    tokenizer: Any = None

    @property
    def settings(self) -> Any:
        """The configuration as transformers reads it."""
        return self.model.config


def open_model(model: Checkpoint, tokenizer: Path | None = None) -> OpenedModel:
    """Open a model, whole.

    Args:
        model: A folder, or an adapter or a delta over one. Its safetensors are read; other files of
            weights and code never are.
        tokenizer: Folder of its tokenizer; the model's own where None.

    Raises:
        EvaluationError: As ``model_of``, or the tokenizer cannot be read.
        SourceError: A file cannot be read.
    """
    weights = {name: model.load(name) for name in model.tensors()}
    folder = tokenizer or home_of(model)
    read = None if folder is None else read_tokenizer(folder, model.name)
    return model_of(model.name, model.config(), weights, read)


def home_of(model: Checkpoint) -> Path | None:
    """Return the folder of a model's config and tokenizer: of a changed base, the base's."""
    if isinstance(model, FolderCheckpoint):
        return model.path
    return home_of(model.base) if isinstance(model, PatchedCheckpoint) else None


def model_of(
    name: str, config: Mapping[str, Any], weights: Mapping[str, Tensor], tokenizer: Any = None
) -> OpenedModel:
    """Build a model from weights in memory.

    Args:
        name: For messages.
        config: Contents of ``config.json``; its ``architectures`` says which class.
        weights: Tensors as stored; computed in float32.
        tokenizer: As ``read_tokenizer`` returns it.

    Raises:
        EvaluationError: The architecture is none that transformers brings along, or weights are
            missing, extra or misshapen.
    """
    kind = _class_of(name, config)
    wide = {n: t.float() if t.is_floating_point() else t for n, t in weights.items()}
    try:
        settings = _settings(kind, name, config, wide)
        model, info = kind.from_pretrained(
            None, config=settings, state_dict=wide, dtype=torch.float32, output_loading_info=True
        )
    except EvaluationError:
        raise
    except Exception as error:  # a hostile config makes the library raise whatever it likes
        log.info("%s cannot be built", name, exc_info=error)
        raise EvaluationError(
            f"{name}: cannot be built from its config: {type(error).__name__}: {error}"[:300]
        ) from error
    for problem in PROBLEMS:
        if info[problem]:
            shown = ", ".join(sorted(map(str, info[problem]))[:3])
            raise EvaluationError(
                f"{name}: the weights do not fit {kind.__name__}: {problem} {shown}."
            )
    return OpenedModel(name, model.eval(), dict(config), tokenizer)


def read_tokenizer(folder: Path, name: str) -> Any:
    """Return the fast tokenizer of a folder, or None where there is no ``tokenizer.json``.

    Raises:
        EvaluationError: It is too large or cannot be read.
    """
    from tokenizers import Tokenizer

    path = folder / TOKENIZER
    if not path.is_file():
        return None
    if path.stat().st_size > MOST_TOKENIZER_BYTES:
        raise EvaluationError(f"{name}: {TOKENIZER} is larger than 64 MiB.")
    read_json(path, name)
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise EvaluationError(f"{name}: cannot read {TOKENIZER}: {error}"[:300]) from error


def _settings(
    kind: Any, name: str, config: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Any:
    """The checked config: no larger than the weights say, found out without memory."""
    for key, value in config.items():
        if "layers" in key and isinstance(value, int) and value > len(weights):
            raise EvaluationError(
                f"{name}: {key} is {value}, but the model has {len(weights)} tensors in all."
            )
    settings = kind.config_class.from_dict(dict(config))
    with torch.device("meta"):
        slots = kind(settings).state_dict()
    for tensor, slot in slots.items():
        if tensor in weights and slot.shape != weights[tensor].shape:
            raise EvaluationError(
                f"{name}: {tensor} is {tuple(weights[tensor].shape)}, but its config makes it "
                f"{tuple(slot.shape)}."
            )
    lacking = sum(slot.numel() for tensor, slot in slots.items() if tensor not in weights)
    if lacking > sum(tensor.numel() for tensor in weights.values()):
        raise EvaluationError(f"{name}: most weights that its config asks for are missing.")
    return settings


def _class_of(name: str, config: Mapping[str, Any]) -> Any:
    """The class of transformers that a config names, never code from elsewhere."""
    import transformers
    from transformers.utils import logging

    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    asked = config.get("architectures")
    first = asked[0] if isinstance(asked, list) and asked else None
    known: Any = getattr(transformers, first, None) if isinstance(first, str) else None
    is_model = isinstance(known, type) and issubclass(known, transformers.PreTrainedModel)
    if not is_model or getattr(known, "config_class", None) is None:
        raise EvaluationError(
            f"{name}: architectures is {asked!r:.80}; it must name a class of models that "
            "transformers brings along. Code of others is not run."
        )
    if known.config_class.model_type != config.get("model_type"):
        raise EvaluationError(
            f"{name}: model_type is {config.get('model_type')!r:.40}, but {first} is of type "
            f"{known.config_class.model_type!r}."
        )
    return known
