"""Files that go with weights, byte for byte from one of the models: tokenizer, template and so on.

Only names that are known are taken: never code (``*.py``), pickled weights (``*.bin``, ``*.pkl``)
or anything else that lies in a folder.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merging.checkpoints.base import Checkpoint
from merging.export.read import Refused, read_small

TEMPLATE = "chat_template.jinja"
MODULES = "modules.json"
MOST_TOGETHER = 256 << 20  # bytes of all files
MOST_MODULES = 16

TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model",
    "sentencepiece.bpe.model", "source.spm", "target.spm", "normalizer.json", "bpe.codes",
)  # fmt: skip
GROUPS: Mapping[str, tuple[str, ...]] = {
    "tokenizer": TOKENIZER,
    "generation": ("generation_config.json",),
    "processor": ("preprocessor_config.json", "processor_config.json",
                  "video_preprocessor_config.json"),
    "sentence-transformers": (MODULES, "config_sentence_transformers.json",
                              "sentence_bert_config.json"),
}  # fmt: skip
# Two models with these in common turn a text into the same tokens.
_SAME_TOKENS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
_MODULE = re.compile(r"\d{1,2}_[A-Za-z]{1,40}")


@dataclass(frozen=True, slots=True)
class Companions:
    """Files that go with weights.

    Attributes:
        files: Their bytes by name; a name may hold one folder.
        sources: Name of the model that each comes from.
        left: What was not taken, with the reason as a clause.
        notes: What a reader should know about those taken, in sentences.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _Basket:
    """Companions while they are gathered."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sources: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self.notes: list[str] = []

    def take(self, model: str, folder: Path, name: str) -> bool:
        """Take a file; is there one now, or one that was refused?"""
        try:
            data = read_small(folder, name)
            if data is None:
                return False
            if sum(map(len, self.files.values())) + len(data) > MOST_TOGETHER:
                raise Refused(f"all files together are larger than {MOST_TOGETHER >> 20} MiB")
        except Refused as why:
            self.left[name] = f"{why} (in {model})"
            return True
        self.files[name], self.sources[name] = data, model
        if name.endswith(".json") and "auto_map" in _json(data):
            self.notes.append(
                f"{name} is kept as it was and names code of its author (auto_map), which was not "
                "taken along and is not run here."
            )
        return True


def gather(models: Sequence[Checkpoint]) -> Companions:
    """Collect the files that go with a merge of these models.

    Each group of files (tokenizer, generation config, processor, sentence-transformers' modules)
    comes whole from the first model that has any of it. A chat template comes from the model of
    the tokenizer; where that has none, from the first model whose tokenizer is the same.

    Args:
        models: The base, if there is one, then the experts; those without a folder have no files.
    """
    folders = [(m.name, p) for m in models if isinstance(p := getattr(m, "path", None), Path)]
    basket = _Basket()
    for group, names in GROUPS.items():
        for model, folder in folders:
            found = [basket.take(model, folder, name) for name in names]
            if any(found):
                if group == "tokenizer":
                    _take_template(basket, model, folder, folders)
                break
    _take_modules(basket, dict(folders))
    return Companions(basket.files, basket.sources, basket.left, tuple(basket.notes))


def _take_template(
    basket: _Basket, model: str, folder: Path, folders: Iterable[tuple[str, Path]]
) -> None:
    """Take the chat template, or say why there is none."""
    config = _json(basket.files.get("tokenizer_config.json", b""))
    if basket.take(model, folder, TEMPLATE) or "chat_template" in config:
        return
    for other, place in folders:
        if not (place / TEMPLATE).is_file():
            continue
        if _same_tokens(basket.files, place):
            if basket.take(other, place, TEMPLATE):
                basket.notes.append(
                    f"{model} has no chat template; that of {other}, whose tokenizer is the same, "
                    "was taken."
                )
                basket.left.pop(TEMPLATE, None) if TEMPLATE in basket.files else None
                return
        else:
            basket.left.setdefault(
                TEMPLATE, f"{other} has one, but its tokenizer differs from that of {model}"
            )


def _same_tokens(files: Mapping[str, bytes], folder: Path) -> bool:
    known = [name for name in _SAME_TOKENS if name in files]
    try:
        return bool(known) and all(read_small(folder, n) == files[n] for n in known)
    except Refused:
        return False


def _take_modules(basket: _Basket, folders: Mapping[str, Path]) -> None:
    """Take the folders that sentence-transformers' list of modules names."""
    if MODULES not in basket.files:
        return
    model = basket.sources[MODULES]
    listed = _json_any(basket.files[MODULES])
    for entry in listed[:MOST_MODULES] if isinstance(listed, list) else ():
        place = str(entry.get("path", "")) if isinstance(entry, dict) else ""
        if not place:
            continue
        if not _MODULE.fullmatch(place):
            basket.left[f"module {place[:60]!r}"] = "its folder has no plain name such as 1_Pooling"
            continue
        basket.take(model, folders[model], f"{place}/config.json")
        if basket.take(model, folders[model], f"{place}/model.safetensors"):
            basket.notes.append(f"{place}/model.safetensors is a copy of {model}'s, not merged.")


def _json(data: bytes) -> dict[str, Any]:
    """An object, or an empty one."""
    found = _json_any(data)
    return found if isinstance(found, dict) else {}


def _json_any(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
