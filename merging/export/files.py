"""Files that go with weights, byte for byte from one of the models: tokenizer, template and so on.

Only names that are known are taken: never code (``*.py``), pickled weights (``*.bin``, ``*.pkl``)
or anything else that lies in a folder.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from merging.checkpoints.aligned import AlignedCheckpoint
from merging.checkpoints.base import Checkpoint, place_of
from merging.export.basket import Basket, Companions, json_any
from merging.export.tokens import Folders, set_template, take_joined, take_tokenizer
from merging.recipe.tokens import UNION

MODULES = "modules.json"
MOST_MODULES = 16

GENERATION = ("generation_config.json",)
GROUPS = (
    ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"),
    (MODULES, "config_sentence_transformers.json", "sentence_bert_config.json"),
)
_MODULE = re.compile(r"\d{1,2}_[A-Za-z]{1,40}")


def gather(models: Sequence[Checkpoint], template: str | None = None) -> Companions:
    """Collect the files that go with a merge of these models.

    Each group of files (tokenizer, generation config, processor, sentence-transformers' modules)
    comes whole from the first model that has any of it. A chat template comes from the model of
    the tokenizer; where that has none, from the first model whose tokenizer is the same. Where
    rows were brought to one vocabulary, the tokenizer is that of the vocabulary, and the
    generation config comes from its model alone.

    Args:
        models: The base, if there is one, then the experts; those without a folder have no files.
        template: The chat template that the recipe asks for: a name, a text, or None.
    """
    folders = [(m.name, p) for m in models if (p := place_of(m, "path"))]
    target = next((m.group.target for m in models if isinstance(m, AlignedCheckpoint)), None)
    owners = folders
    if target is not None:
        owner = models[0].name if target.source == UNION else target.source
        owners = [f for f in folders if f[0] == owner]
    basket = Basket()
    if target is not None and target.source == UNION:
        take_joined(basket, target, folders)
    else:
        take_tokenizer(basket, folders, owners)
    _take_first(basket, GENERATION, owners)
    _leave_others(basket, GENERATION, folders, owners)
    for names in GROUPS:
        _take_first(basket, names, folders)
    _take_modules(basket, dict(folders))
    if template is not None:
        set_template(basket, template, folders)
    return basket.companions()


def _take_first(basket: Basket, names: Sequence[str], folders: Folders) -> None:
    """Take a group of files whole from the first model that has any."""
    for model, folder in folders:
        found = [basket.take(model, folder, name) for name in names]
        if any(found):
            return


def _leave_others(basket: Basket, names: Sequence[str], folders: Folders, owners: Folders) -> None:
    """Say which files with ids are not taken because these are of another vocabulary."""
    for model, place in folders if len(owners) < len(folders) else ():
        for name in names:
            if name not in basket.files and (place / name).is_file():
                basket.left.setdefault(name, f"the ids in {model}'s are of its own vocabulary")


def _take_modules(basket: Basket, folders: Mapping[str, Path]) -> None:
    """Take the folders that sentence-transformers' list of modules names."""
    if MODULES not in basket.files:
        return
    model = basket.sources[MODULES]
    listed = json_any(basket.files[MODULES])
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
