"""A folder with a LoRA adapter of peft: its factors by module, without the base.

``adapter_model.safetensors`` names tensors ``base_model.model.MODULE.lora_A.weight`` and so on;
what stands there under other names is a whole tensor (``modules_to_save``, biases).
"""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from merging.checkpoints.adapter_config import CONFIG_FILE, AdapterConfig, read_config
from merging.checkpoints.folder import FolderCheckpoint, open_file
from merging.checkpoints.layouts import INDEX, WEIGHTS
from merging.errors import SourceError

WEIGHTS_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
LONGEST_NAME = 300

_FACTOR = re.compile(
    r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(\.default)?(?P<leaf>\.weight|\.bias)?"
)
_MAGNITUDE = re.compile(r"(?P<module>.+)\.lora_magnitude_vector(\.default)?(\.weight)?")
_WRAPPERS = re.compile(r"\.(modules_to_save(\.default)?|base_layer)(?=\.)")


@dataclass(frozen=True, slots=True)
class Pair:
    """The factors of one module, as the file names them.

    Attributes:
        module: Its name, without peft's prefix.
        a, b: Names of A and B in the file.
        shape: Of B·A: (out, in), or (out, in, height, width) of a convolution.
        rank: Rows of A and columns of B.
        embedding: The base stores the transposed matrix, (tokens, dimensions).
        magnitude: Name of DoRA's vector, or "".
    """

    module: str
    a: str
    b: str
    shape: tuple[int, ...]
    rank: int
    embedding: bool = False
    magnitude: str = ""


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """A LoRA adapter as it lies in its folder, checked against its own config.

    Attributes:
        name: Name for messages.
        config: What ``adapter_config.json`` says.
        weights: The file.
        pairs: Factors by module.
        biases: Name in the file of B's bias (``lora_bias``), by module.
        whole: Name in the file of whole tensors, by the tensor's name.
    """

    name: str
    config: AdapterConfig
    weights: FolderCheckpoint
    pairs: Mapping[str, Pair]
    biases: Mapping[str, str]
    whole: Mapping[str, str]

    def factors(self, module: str, scaled: bool = True) -> tuple[Tensor, Tensor]:
        """Read the factors of a module.

        Args:
            module: One of ``pairs``.
            scaled: B is multiplied by alpha / r.

        Returns:
            B of shape (out, rank) and A of shape (rank, in and kernel), float64.

        Raises:
            SourceError: They cannot be read, or hold a number that is not finite.
        """
        pair = self.pairs[module]
        b = self.read(pair.b).flatten(1)
        scale = self.config.scale_of(module) if scaled else 1.0
        return b * scale, self.read(pair.a).flatten(1)

    def delta(self, module: str) -> Tensor:
        """Return B·A times its scale in float64, shape (out, in, ...).

        Raises:
            SourceError: As ``factors``.
        """
        b, a = self.factors(module)
        return (b @ a).reshape(self.pairs[module].shape)

    def read(self, key: str) -> Tensor:
        """Read a tensor of the file as float64.

        Raises:
            SourceError: It cannot be read or holds a number that is not finite.
        """
        found = self.weights.load(key).double()
        bad = ~torch.isfinite(found)
        if bool(bad.any()):
            raise SourceError(
                f"Adapter {self.name}: {key!r} holds {float(found[bad][0])}. The file is damaged "
                "or its training diverged."
            )
        return found


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds an adapter of peft and no model."""
    models = (folder / name for name in (WEIGHTS, INDEX))
    return os.path.isfile(folder / CONFIG_FILE) and not any(map(os.path.isfile, models))


def read_adapter(folder: Path, name: str) -> AdapterFile:
    """Open a folder with a LoRA adapter without reading its numbers.

    Args:
        folder: Has ``adapter_config.json`` and ``adapter_model.safetensors``.
        name: Name for messages.

    Raises:
        SourceError: A file is missing or no adapter that is supported; a factor lacks its other
            half, or has another rank than the config says. Tensor and values are named.
    """
    config = read_config(folder, name)
    if not (folder / WEIGHTS_FILE).is_file():
        found = ", ".join(sorted(p.name for p in folder.glob("*.bin"))[:3])
        hint = f" It holds {found}: save it as safetensors with peft." if found else ""
        raise SourceError(f"Adapter {name}: no {WEIGHTS_FILE} in {str(folder)!r}.{hint}")
    weights = open_file(folder / WEIGHTS_FILE, name)
    sides, magnitudes, biases, whole = _sorted_keys(weights, name)
    pairs = {
        module: _pair(module, found, magnitudes.pop(module, ""), weights, name)
        for module, found in sides.items()
    }
    if magnitudes:
        raise _lacks(name, next(iter(magnitudes.values())), "a lora_A and a lora_B of its module")
    for module, key in biases.items():
        if module not in pairs:
            raise _lacks(name, key, "a lora_A and a lora_B of its module")
    if not pairs and not whole:
        raise SourceError(f"Adapter {name}: {WEIGHTS_FILE} holds no tensor of a LoRA.")
    adapter = AdapterFile(name, config, weights, pairs, biases, whole)
    for pair in pairs.values():
        _check(adapter, pair)
    return adapter


def _sorted_keys(
    weights: FolderCheckpoint, name: str
) -> tuple[dict[str, dict[str, str]], dict[str, str], dict[str, str], dict[str, str]]:
    """Names of factors by module and side, magnitudes, biases of B, and whole tensors."""
    sides: dict[str, dict[str, str]] = {}
    magnitudes: dict[str, str] = {}
    biases: dict[str, str] = {}
    whole: dict[str, str] = {}
    for key in weights.infos:
        short = key.removeprefix(PREFIX)
        if len(key) > LONGEST_NAME:
            raise SourceError(f"Adapter {name}: the name {key!r:.80} is too long to be a module's.")
        factor, magnitude = _FACTOR.fullmatch(short), _MAGNITUDE.fullmatch(short)
        if factor and factor["leaf"] == ".bias":
            place, module, side = biases, factor["module"], factor["side"]
            if side == "A":
                raise SourceError(f"Adapter {name}: {key!r} is a bias of A, which no LoRA has.")
        elif factor:
            place = sides.setdefault(factor["module"], {})
            module = (factor["embedding"] or "") + factor["side"]
        elif magnitude:
            place, module = magnitudes, magnitude["module"]
        elif "lora_" in short or "trainable_tokens" in short:
            raise SourceError(
                f"Adapter {name}: {key!r} is no part of a LoRA that is supported. Merge this "
                "adapter into its base with peft first."
            )
        else:
            place, module = whole, _WRAPPERS.sub("", short)
        if module in place:
            raise SourceError(f"Adapter {name}: {place[module]!r} and {key!r} are the same tensor.")
        place[module] = key
    return sides, magnitudes, biases, whole


def _pair(
    module: str, sides: Mapping[str, str], magnitude: str, weights: FolderCheckpoint, name: str
) -> Pair:
    embedding = any(side.startswith("embedding_") for side in sides)
    mark = "embedding_" if embedding else ""
    for side, other in (("A", "B"), ("B", "A")):
        if mark + side not in sides or len(sides) != 2:
            raise _lacks(name, next(iter(sides.values())), f"one lora_{mark}{side} beside {other}")
    a, b = sides[f"{mark}A"], sides[f"{mark}B"]
    first, second = weights.infos[a].shape, weights.infos[b].shape
    kernel = (1,) * (len(first) - 2)
    fits = len(first) >= 2 and len(second) == len(first) and second[2:] == kernel
    if not fits or first[0] != second[1] or 0 in (*first, *second):
        raise SourceError(
            f"Adapter {name}: {a!r} has shape {first} and {b!r} {second}, which are no factors "
            "of one matrix. The file is damaged."
        )
    shape = (second[0], *first[1:])
    return Pair(module, a, b, shape, first[0], embedding, magnitude)


def _check(adapter: AdapterFile, pair: Pair) -> None:
    rank, name = adapter.config.rank_of(pair.module), adapter.name
    if pair.rank != rank:
        raise SourceError(
            f"Adapter {name}: {pair.a!r} has rank {pair.rank}, but {CONFIG_FILE} says {rank}. "
            "The two files do not belong together."
        )
    if adapter.config.dora != bool(pair.magnitude):
        says = "says use_dora" if adapter.config.dora else "does not say use_dora"
        there = "has a" if pair.magnitude else "has no"
        raise SourceError(
            f"Adapter {name}: {CONFIG_FILE} {says}, but {pair.module!r} {there} magnitude vector."
        )
    if pair.magnitude and pair.embedding:
        raise SourceError(
            f"Adapter {name}: {pair.module!r} is an embedding with DoRA, which is not supported. "
            "Merge this adapter into its base with peft first."
        )
    if pair.magnitude:
        shape = adapter.weights.infos[pair.magnitude].shape
        if torch.Size(shape).numel() != pair.shape[0]:
            raise SourceError(
                f"Adapter {name}: {pair.magnitude!r} has shape {shape}; it must hold "
                f"{pair.shape[0]} numbers, one for each output of {pair.module!r}."
            )


def _lacks(name: str, key: str, what: str) -> SourceError:
    return SourceError(
        f"Adapter {name}: {key!r} stands in {WEIGHTS_FILE} without {what}. Save the adapter again."
    )
