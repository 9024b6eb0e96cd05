"""Which tokenizer and chat template go with merged weights, and from whom."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from merging.checkpoints.small_files import Refused, read_small
from merging.checkpoints.vocabulary import Target
from merging.export.basket import Basket, bytes_of, json_object
from merging.export.templates import NAMED, template_text
from merging.export.tokenizer import CONFIG, SPECIAL, WHOLE, joined

TEMPLATE = "chat_template.jinja"
TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model",
    "sentencepiece.bpe.model", "source.spm", "target.spm", "normalizer.json", "bpe.codes",
)  # fmt: skip
# Two models with these in common turn a text into the same tokens.
_SAME_TOKENS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
Folders = Sequence[tuple[str, Path]]


def take_tokenizer(basket: Basket, folders: Folders, owners: Folders) -> None:
    """Take the tokenizer's files, whole from the first that has any, and its chat template.

    Args:
        basket: Where they go.
        folders: All models by name.
        owners: Those whose tokenizer it may be.
    """
    for model, folder in owners:
        found = [basket.take(model, folder, name) for name in TOKENIZER]
        if any(found):
            _take_template(basket, model, folder, folders)
            return


def take_joined(basket: Basket, target: Target, folders: Folders) -> None:
    """Take a tokenizer made for the union of vocabularies, or for one with more tokens."""
    theirs = []
    for model, folder in folders:
        found = {n: bytes_of(folder, n) for n in (WHOLE, CONFIG, SPECIAL)}
        theirs.append((model, {n: data for n, data in found.items() if data is not None}))
    made = joined(target, theirs)
    first, folder = folders[0]
    if made.why:
        basket.left["tokenizer"] = f"none fits the vocabulary: {made.why}"
        return
    basket.files |= made.files
    basket.sources |= dict.fromkeys(made.files, first)
    basket.made |= {n for n, data in made.files.items() if data != bytes_of(folder, n)}
    basket.notes.append(made.note)
    for name in TOKENIZER:
        if name not in made.files and (folder / name).is_file():
            basket.left[name] = f"it holds {first}'s own tokens only"
    _take_template(basket, first, folder, folders)


def set_template(basket: Basket, said: str, folders: Folders) -> None:
    """Put the chat template that a recipe asks for beside the tokenizer."""
    there = [t for _, folder in folders if (t := _template_in(folder))]
    text = template_text(said, there)
    if not text:
        basket.left[TEMPLATE] = "no model has one, and the recipe asks for the commonest"
        return
    basket.files[TEMPLATE] = text.encode()
    basket.made.add(TEMPLATE)
    basket.sources[TEMPLATE] = "the recipe"
    basket.left.pop(TEMPLATE, None)
    name = said if said in NAMED or said == "auto" else "its own text"
    basket.notes.append(
        f"{TEMPLATE} is what the recipe asks for ({name}). Whether the model understands it "
        "depends on its experts."
    )


def _take_template(basket: Basket, model: str, folder: Path, folders: Folders) -> None:
    """Take the chat template, or say why there is none."""
    config = json_object(basket.files.get("tokenizer_config.json", b""))
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


def _template_in(folder: Path) -> str:
    """The chat template of a folder, or ""."""
    data = bytes_of(folder, TEMPLATE)
    if data is not None:
        return data.decode("utf-8", "replace")
    found = json_object(bytes_of(folder, CONFIG) or b"").get("chat_template")
    return found if isinstance(found, str) else ""


def _same_tokens(files: Mapping[str, bytes], folder: Path) -> bool:
    known = [name for name in _SAME_TOKENS if name in files]
    try:
        return bool(known) and all(read_small(folder, n) == files[n] for n in known)
    except Refused:
        return False
