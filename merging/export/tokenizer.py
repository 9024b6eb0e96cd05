"""A tokenizer for a vocabulary that no model has: the first model's, with more tokens.

The ids stand in the vocabulary of ``tokenizer.json``, where both its reader and transformers look
first. Tokens that another model added (special ones, chat marks) are added here with the same
settings, and those that only the recipe names as plain words. Its other pieces are in the
vocabulary, but no merge rule of a BPE makes them: such a tokenizer cuts plain text as the first
model's does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merging.checkpoints.vocabulary import Target
from merging.recipe.tokens import UNION

WHOLE, CONFIG, SPECIAL = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
PLAIN = dict.fromkeys(("single_word", "lstrip", "rstrip", "special"), False) | {"normalized": True}
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True, slots=True)
class Joined:
    """The files of a joined tokenizer.

    Attributes:
        files: By name; none where it cannot be made.
        note: What was made, a sentence.
        why: Why it cannot be made, a clause; "" where it was made.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    note: str = ""
    why: str = ""


def joined(target: Target, files: Sequence[tuple[str, Mapping[str, bytes]]]) -> Joined:
    """Return a tokenizer for the union of vocabularies, or for one with more tokens.

    Args:
        target: Its first ids are the first model's.
        files: Name of each model with its files ``tokenizer.json``, ``tokenizer_config.json`` and
            ``special_tokens_map.json``, the first model's first.

    Returns:
        The files, or why there are none: a file is missing, or the tokenizer that was made gives
        another id than the target.

    Source:
        ``tokenizer.json`` as huggingface's tokenizers 0.22 write it.
    """
    first, *others = files
    data = _object(first[1].get(WHOLE))
    if not data:
        return Joined(why=f"{first[0]} has no {WHOLE} that can be read")
    before = {entry["content"] for entry in _added(data)}
    ids = target.ids()
    marks = {e["content"]: e for _, theirs in others for e in _added(_object(theirs.get(WHOLE)))}
    known = _known(data)
    marks |= {t: marks.get(t, {**PLAIN, "content": t}) for t in target.more}
    new = [{**marks[t], "id": ids[t]} for t in ids if t in marks and t not in known | before]
    if why := _put(data, target):
        return Joined(why=f"{why} (in {first[0]})")
    data["added_tokens"] = [*_added(data), *new]
    text = json.dumps(data, ensure_ascii=False, indent=2)
    if why := _differs(text, ids):
        return Joined(why=why)
    made = {WHOLE: text.encode("utf-8", "backslashreplace")}
    config = _object(first[1].get(CONFIG))
    if isinstance(config.get("added_tokens_decoder"), dict):
        entries = {str(e["id"]): {k: e[k] for k in ("content", *FLAGS) if k in e} for e in new}
        config["added_tokens_decoder"] |= entries
        made[CONFIG] = json.dumps(config, ensure_ascii=False, indent=2).encode()
    elif CONFIG in first[1]:
        made[CONFIG] = first[1][CONFIG]
    if SPECIAL in first[1]:
        made[SPECIAL] = first[1][SPECIAL]
    more = len(ids) - len(known | before)
    givers = [name for name, _ in others] if target.source == UNION else []
    names = ", ".join(givers + ["the recipe"] * bool(target.more))
    return Joined(made, _note(first[0], names, more, len(new), data["model"]))


def _note(first: str, others: str, more: int, marks: int, model: Mapping[str, Any]) -> str:
    kind = model.get("type")
    rule = f"; its merge rules are {first}'s, so text is cut as {first} cuts it"
    return (
        f"{WHOLE} is {first}'s with {more} more token(s) of {others}, each with the id of its row; "
        f"{marks} of them are recognised in text as they stand{rule if kind == 'BPE' else ''}."
    )


def _put(data: dict[str, Any], target: Target) -> str:
    """Put the union into the model's vocabulary, or say why that cannot be."""
    model = data["model"]
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        model["vocab"] = target.ids()
        return ""
    if not isinstance(vocabulary, list):
        return f"{WHOLE} has no vocabulary"
    scores = [e[1] for e in vocabulary if isinstance(e, list) and len(e) == 2]
    least = min((s for s in scores if isinstance(s, int | float)), default=0.0)
    tokens = [*target.tokens]
    while tokens and tokens[-1] is None:
        tokens.pop()
    if None in tokens or len(scores) != len(vocabulary):
        return f"its ids in {WHOLE} have a gap"
    model["vocab"] = [*vocabulary, *([t, least] for t in tokens[len(vocabulary) :])]
    return ""


def _known(data: Mapping[str, Any]) -> set[str]:
    """Tokens of the model's own vocabulary."""
    model = data.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, list):
        return {e[0] for e in vocabulary if isinstance(e, list) and e and isinstance(e[0], str)}
    return set(vocabulary) if isinstance(vocabulary, dict) else set()


def _added(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = data.get("added_tokens")
    entries = found if isinstance(found, list) else []
    return [e for e in entries if isinstance(e, dict) and isinstance(e.get("content"), str)]


def _differs(text: str, ids: Mapping[str, int]) -> str:
    """Read what was made as transformers does; say where an id is not the union's, or ""."""
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_str(text).get_vocab(with_added_tokens=True)
    except Exception as error:  # its errors have no class of their own
        return f"the tokenizer that was made cannot be read: {str(error)[:120]}"
    wrong = next((t for t in ids if found.get(t) != ids[t]), None)
    if wrong is not None:
        return f"{wrong!r:.60} would have the id {found.get(wrong)} instead of {ids[wrong]}"
    extra = next((t for t in found if t not in ids), None)
    return "" if extra is None else f"{extra!r:.60} would have an id and no row"


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
