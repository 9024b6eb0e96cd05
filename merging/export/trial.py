"""Load a written model with transformers and run it once; only classes that transformers has.

A config is a stranger's: the model it describes is first built without memory (meta device), and
loaded only where it is about as large as the weights that are there.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from merging.checkpoints.base import TensorInfo
from merging.checkpoints.folder import read_json
from merging.errors import MergeError
from merging.export.inputs import finite, neutral_inputs
from merging.units import size_text

MOST_NUMBER = 50_000_000  # of any number in a config that is to be built
SPARE = 64 << 20  # bytes by which a model may be larger than its files
TIMES_LARGER = 3  # a model may be so many times as large as its files, in the same type


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it; see ``Verdict`` for the fields."""

    loaded: bool | None = None
    forward: bool | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Skip(Exception):
    """The model cannot be tried; the message is a sentence."""


def try_model(folder: Path, tensors: Mapping[str, TensorInfo], memory: int | None) -> Trial:
    """Load a model folder and run it once on neutral inputs.

    Args:
        folder: Written by us; its ``config.json`` may say anything.
        tensors: Shape and type of what is in its weight files.
        memory: Bytes that may be used, or None for what is free.

    Returns:
        Problems only where transformers knows the model and it fits: it does not load, or its
        output is not finite. All else is a note, also tensors that transformers fills in or does
        not use: they may be so in the models that were merged.
    """
    with _quiet():
        try:
            kind, config = _class_of(folder, tensors)
            _check_size(kind, config, tensors, memory)
        except _Skip as why:
            return Trial(notes=(f"not loaded: {why}",))
        try:
            model, info = kind.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        except Exception as error:
            said = f"{type(error).__name__}: {str(error)[:400]}"
            return Trial(False, problems=(f"transformers cannot load it: {said}",))
        notes = _loading_notes(info)
        inputs = neutral_inputs(model)
        if inputs is None:
            return Trial(True, notes=(*notes, "not run: no neutral input is known for it"))
        return _run(model, inputs, notes)


def _run(model: Any, inputs: Mapping[str, Any], notes: tuple[str, ...]) -> Trial:
    try:
        with torch.inference_mode():
            output = model.eval()(**inputs)
    except Exception as error:
        said = f"{type(error).__name__}: {str(error)[:200]}"
        return Trial(True, notes=(*notes, f"not run: the neutral input does not suit it ({said})"))
    if finite(output):
        return Trial(True, True, notes=notes)
    problem = "The output of a forward pass on neutral inputs is not finite."
    return Trial(True, False, (problem,), notes)


def _class_of(folder: Path, tensors: Mapping[str, TensorInfo]) -> tuple[Any, Any]:
    """The class of transformers and its config, or why there is none."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    try:
        data = read_json(folder / "config.json", folder.name)
    except MergeError as error:
        raise _Skip(str(error)) from error
    kind, names = data.get("model_type"), data.get("architectures")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise _Skip(f"transformers does not know the model type {kind!r:.60}")
    if "auto_map" in data:
        raise _Skip("its config names code of its author (auto_map)")
    _check_numbers(data, len(tensors))
    name = names[0] if isinstance(names, list) and names else None
    found = getattr(transformers, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)):
        raise _Skip(f"transformers has no architecture {name!r:.60}")
    try:
        return found, CONFIG_MAPPING[kind].from_dict(data)
    except Exception as error:
        raise _Skip(f"its config is not understood: {str(error)[:200]}") from error


def _check_numbers(data: Any, tensors: int, key: str = "") -> None:
    """No number in a config may make us build what cannot be meant."""
    if isinstance(data, dict):
        for name, value in data.items():
            _check_numbers(value, tensors, str(name))
    elif isinstance(data, list):
        for value in data[:10_000]:
            _check_numbers(value, tensors, key)
    elif isinstance(data, int) and "token_id" not in key:
        most = max(1000, tensors) if "layer" in key or "depth" in key else MOST_NUMBER
        if abs(data) > most:
            raise _Skip(f"its config says {key[:40]} = {data:.6g}, which cannot be built")


def _check_size(
    kind: Any, config: Any, tensors: Mapping[str, TensorInfo], memory: int | None
) -> None:
    """Build it without memory, and compare its size with the files and with what is free."""
    stored = sum(torch.Size(i.shape).numel() for i in tensors.values())
    try:
        with torch.device("meta"):
            empty = kind(config)
    except Exception as error:
        raise _Skip(f"it cannot be built from its config: {str(error)[:200]}") from error
    parts = [*empty.parameters(), *empty.buffers()]
    count = sum(p.numel() for p in parts)
    if count > TIMES_LARGER * stored + SPARE:
        raise _Skip(
            f"its config describes {count:.3g} numbers, and the files hold {stored:.3g} of them"
        )
    width = max((i.dtype.itemsize for i in tensors.values()), default=4)
    need = 2 * count * width + SPARE
    room = free_memory() if memory is None else min(memory, free_memory())
    if need > room:
        raise _Skip(f"that takes about {size_text(need)}, and {size_text(room)} may be used")


def free_memory() -> int:
    """Return bytes of memory that are free now; 4 GB where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4_000_000_000


def _loading_notes(info: Mapping[str, Any]) -> tuple[str, ...]:
    """What transformers did not find or did not want; both may be as in the models merged."""
    said = []
    for key, words in (
        ("missing_keys", "transformers fills in {} tensors that are in no file"),
        ("unexpected_keys", "transformers does not use {} of the tensors"),
    ):
        names = sorted(map(str, info.get(key) or ()))
        if names:
            said.append(f"{words.format(len(names))}: {', '.join(names[:3])[:200]}")
    return tuple(said)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from talking, and the random numbers of its fillers from being ours."""
    import warnings

    from transformers.utils import logging

    said: Any = logging
    level = said.get_verbosity()
    said.set_verbosity_error()
    bars = said.is_progress_bar_enabled()
    said.disable_progress_bar()
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            yield
    finally:
        said.set_verbosity(level)
        if bars:
            said.enable_progress_bar()
