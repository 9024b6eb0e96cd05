"""Files that go with weights, byte for byte from one of the models: tokenizer, template and so on.

Only names that are known are taken: never code (``*.py``), pickled weights (``*.bin``, ``*.pkl``)
or anything else that lies in a folder. They lie where the reference's layout has them.
"""

import re
from collections.abc import Sequence

from merging.checkpoints.aligned import AlignedCheckpoint
from merging.checkpoints.base import Checkpoint
from merging.checkpoints.folder import FolderCheckpoint
from merging.checkpoints.layouts import COMPONENTS, CONFIG, MODULES, WEIGHTS
from merging.checkpoints.under import folder_under
from merging.export.basket import Basket, Companions, json_any, json_object
from merging.export.tokens import TOKENIZER, Folders, set_template, take_joined, take_tokenizer
from merging.recipe.tokens import UNION

MOST_MODULES = 16

GENERATION = ("generation_config.json",)
PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
SENTENCE = "sentence_bert_config.json"
LISTS = (MODULES, "config_sentence_transformers.json", SENTENCE)
COMPONENT = (CONFIG, "scheduler_config.json", *PROCESSOR, *TOKENIZER)
_MODULE = re.compile(r"\d{1,2}_[A-Za-z]{1,40}")
_COMPONENT = re.compile(r"[A-Za-z]\w{0,60}", re.ASCII)


def gather(models: Sequence[Checkpoint], template: str | None = None) -> Companions:
    """Collect the files that go with a merge of these models.

    Each group of files (tokenizer, generation config, processor, sentence-transformers' modules)
    comes whole from the first model that has any of it. A chat template comes from the model of
    the tokenizer; where that has none, from the first model whose tokenizer is the same. Where
    rows were brought to one vocabulary, the tokenizer is that of the vocabulary, and the
    generation config comes from its model alone. All of a diffusers pipeline is the reference's.

    Args:
        models: The base, if there is one, then the experts; those without a folder have no files.
        template: The chat template that the recipe asks for: a name, a text, or None.
    """
    known = [(m.name, f) for m in models if (f := folder_under(m))]
    basket = Basket()
    if not known:
        return basket.companions()
    name, reference = known[0]
    if reference.about.name == COMPONENTS:
        _take_components(basket, name, reference)
        return basket.companions()
    texts = Basket()
    folders = [(n, f.about.parent) for n, f in known]
    _take_texts(texts, models, folders)
    _take_first(texts, PROCESSOR, folders)
    if template is not None:
        set_template(texts, template, folders)
    place = _place(reference)
    if place:
        _take_first(texts, (SENTENCE,), folders)
    basket.add(texts, place)
    tops = [(n, f.path) for n, f in known if _place(f) == place]
    _take_first(basket, LISTS, tops)
    _take_modules(basket, tops, reference)
    return basket.companions()


def _place(model: FolderCheckpoint) -> str:
    """The folder inside a model's in which its config and tokenizer lie, with a slash, or ""."""
    place = model.about.parent.relative_to(model.path).as_posix()
    return "" if place == "." else f"{place}/"


def _take_texts(basket: Basket, models: Sequence[Checkpoint], folders: Folders) -> None:
    """Take tokenizer, chat template and generation config, which know each other's ids."""
    target = next((m.group.target for m in models if isinstance(m, AlignedCheckpoint)), None)
    owners = folders
    if target is not None:
        owner = models[0].name if target.source == UNION else target.source
        owners = [f for f in folders if f[0] == owner]
    if target is not None and (target.source == UNION or target.more):
        take_joined(basket, target, [*owners, *(f for f in folders if f not in owners)])
    else:
        take_tokenizer(basket, folders, owners)
    _take_first(basket, GENERATION, owners)
    for model, place in folders if len(owners) < len(folders) else ():
        for name in GENERATION:
            if name not in basket.files and (place / name).is_file():
                basket.left.setdefault(name, f"the ids in {model}'s are of its own vocabulary")


def _take_first(basket: Basket, names: Sequence[str], folders: Folders) -> None:
    """Take a group of files whole from the first model that has any."""
    for model, folder in folders:
        found = [basket.take(model, folder, name) for name in names]
        if any(found):
            return


def _take_modules(basket: Basket, folders: Folders, reference: FolderCheckpoint) -> None:
    """Take the folders that sentence-transformers' list of modules names."""
    if MODULES not in basket.files:
        return
    model, folder = basket.sources[MODULES], dict(folders)[basket.sources[MODULES]]
    merged = {home.file.rpartition("/")[0] for home in reference.homes}
    listed = json_any(basket.files[MODULES])
    for entry in listed[:MOST_MODULES] if isinstance(listed, list) else ():
        place = str(entry.get("path", "")) if isinstance(entry, dict) else ""
        if not place or f"{place}/" == _place(reference):
            continue
        if not _MODULE.fullmatch(place):
            basket.left[f"module {place[:60]!r}"] = "its folder has no plain name such as 1_Pooling"
            continue
        basket.take(model, folder, f"{place}/{CONFIG}")
        if place not in merged and basket.take(model, folder, f"{place}/{WEIGHTS}"):
            basket.notes.append(f"{place}/{WEIGHTS} is a copy of {model}'s, not merged.")


def _take_components(basket: Basket, model: str, reference: FolderCheckpoint) -> None:
    """Take the list of a pipeline's components and the small files of each."""
    basket.take(model, reference.path, COMPONENTS)
    listed = json_object(basket.files.get(COMPONENTS, b""))
    for place, entry in list(listed.items())[:64]:
        if isinstance(entry, list) and entry[:1] != [None] and _COMPONENT.fullmatch(place):
            for name in COMPONENT:
                basket.take(model, reference.path, f"{place}/{name}")
