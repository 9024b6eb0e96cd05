"""A byte-level BPE ``tokenizer.json`` as GGUF keeps it; other tokenizers are not carried."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging.checkpoints.small_files import Refused, read_small

NORMAL, CONTROL, USER, UNUSED = 1, 3, 4, 5  # types of tokens in GGUF
_ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# How texts are cut before BPE, by the name that llama.cpp has for it.
SPLITS = {
    _ENGLISH + r"\p{N}{1,3}" + _REST: "llama-bpe",
    _ENGLISH + r"\p{N}" + _REST: "qwen2",
}
MOST_TOKENS = 2_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenizer in the terms of GGUF.

    Attributes:
        tokens: As written in the vocabulary, one for every row of the embedding.
        kinds: Their types.
        merges: Pairs, joined by a space.
        split: llama.cpp's name of the rule by which texts are cut first.
        special: Ids of bos, eos, unk and pad, those that are known.
        template: Chat template, or "".
    """

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    split: str
    special: Mapping[str, int]
    template: str = ""


def read_tokens(folder: Path, rows: int) -> Tokens | str:
    """Read a folder's tokenizer.

    Args:
        folder: Of the model.
        rows: Rows of the embedding; ids without a token become unused ones.

    Returns:
        The tokenizer, or as a sentence why it is not carried.
    """
    try:
        data = _object(read_small(folder, "tokenizer.json"))
        about = _object(read_small(folder, "tokenizer_config.json"))
        template = (read_small(folder, "chat_template.jinja") or b"").decode()
        model = data["model"]
        if model.get("type") != "BPE" or model.get("byte_fallback"):
            return _not("it is no byte-level BPE")
        split = _split(data.get("pre_tokenizer"))
        if not split:
            return _not("it cuts texts in a way that llama.cpp has no name for here")
        known = {int(i): (str(t), NORMAL) for t, i in model["vocab"].items()}
        for entry in data.get("added_tokens") or ():
            kind = CONTROL if entry.get("special") else USER
            known[int(entry["id"])] = (str(entry["content"]), kind)
        merges = tuple(m if isinstance(m, str) else " ".join(m) for m in model["merges"])
    except (Refused, KeyError, ValueError, TypeError, AttributeError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        return _not(f"tokenizer.json is not there or not understood ({why[:100]})")
    if not known or max(known) >= min(rows, MOST_TOKENS) or min(known) < 0:
        return _not(f"it has ids that the embedding of {rows} rows does not have")
    listed = [known.get(i, (f"[PAD{i}]", UNUSED)) for i in range(rows)]
    ids = {text: i for i, (text, _) in known.items()}
    own = about.get("chat_template")
    return Tokens(
        tuple(text for text, _ in listed),
        tuple(kind for _, kind in listed),
        merges,
        split,
        _special(about, ids),
        template or (own if isinstance(own, str) else ""),
    )


def _not(why: str) -> str:
    return f"The tokenizer is not carried: {why}. Give it to the program that runs the file."


def _object(data: bytes | None) -> dict[str, Any]:
    found = json.loads(data) if data is not None else {}
    return found if isinstance(found, dict) else {}


def _special(about: Mapping[str, Any], ids: Mapping[str, int]) -> dict[str, int]:
    found = {}
    for name in ("bos", "eos", "unk", "pad"):
        token = about.get(f"{name}_token")
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and token in ids:
            found[name] = ids[token]
    return found


def _split(rule: Any) -> str:
    """llama.cpp's name of a pre-tokenizer, or ""."""
    if not isinstance(rule, dict):
        return ""
    if rule.get("type") == "ByteLevel":
        return "gpt-2" if rule.get("use_regex", True) else ""
    steps = rule.get("pretokenizers") or [] if rule.get("type") == "Sequence" else []
    if [s.get("type") for s in steps] != ["Split", "ByteLevel"]:
        return ""
    pattern = steps[0].get("pattern")
    return SPLITS.get(pattern.get("Regex", ""), "") if isinstance(pattern, dict) else ""
