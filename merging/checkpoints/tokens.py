"""What a model folder says of its tokens: ids, special tokens, chat template.

Read are ``tokenizer.json``, else ``vocab.json`` or ``vocab.txt`` with ``added_tokens.json``, and
``tokenizer_config.json``, ``special_tokens_map.json``, ``chat_template.jinja``. They are
hostile until checked; nothing is run.
"""

import filecmp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from merging.checkpoints.layouts import MOST_JSON_BYTES, read_json
from merging.errors import SourceError

MOST_TOKENS = 4_000_000
LONGEST_TEMPLATE = 1 << 20
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_IDS = ("tokenizer.json", "vocab.json", "vocab.txt", "added_tokens.json")
_UNREAD = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a model.

    Attributes:
        ids: Id of every token, added ones included; ids are all different.
        special: Token of every role that is set: ``bos_token``, ``pad_token`` ...
        template: The chat template, or None.
    """

    ids: Mapping[str, int]
    special: Mapping[str, str]
    template: str | None

    @property
    def size(self) -> int:
        """Least number of rows of an embedding for these tokens."""
        return max(self.ids.values(), default=-1) + 1

    def mark(self) -> str:
        """Return a hash of the ids, 16 hexadecimal digits."""
        digest = sha256()
        for token, number in sorted(self.ids.items(), key=lambda item: item[1]):
            digest.update(f"{number}:{len(token)}:".encode())
            digest.update(token.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]


def read_tokens(folder: Path, label: str) -> Tokens | None:
    """Read what a folder says of its tokens.

    Args:
        folder: Of the model.
        label: Its name, for messages.

    Returns:
        None where there is no file that says it in plain text (a ``tokenizer.model`` does not).

    Raises:
        SourceError: A file is too large, is no JSON, or gives ids that are none or twice the same.
    """
    whole, plain, lines = (folder / n for n in ("tokenizer.json", "vocab.json", "vocab.txt"))
    if whole.is_file():
        pairs = _whole(read_json(whole, label), label)
    elif plain.is_file():
        pairs = iter(read_json(plain, label).items())
    elif lines.is_file():
        text = _text(lines, MOST_JSON_BYTES, label)
        pairs = ((line, at) for at, line in enumerate(text.removesuffix("\n").split("\n")))
    else:
        return None
    ids = _checked(pairs, label)
    if not whole.is_file() and (folder / "added_tokens.json").is_file():
        added = read_json(folder / "added_tokens.json", label)
        ids = _checked(iter((ids | added).items()), label)
    return Tokens(ids, _special(folder, label), _template(folder, label))


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders say the same of their tokens' ids, byte for byte."""
    try:
        return all(_same(one / name, other / name) for name in _IDS)
    except OSError:
        return False


def unread_tokenizer(folder: Path) -> str:
    """Return the name of a tokenizer's file that is not read, or ""."""
    return next((name for name in _UNREAD if (folder / name).is_file()), "")


def _same(one: Path, other: Path) -> bool:
    if one.is_file() and other.is_file():
        return filecmp.cmp(one, other, shallow=False)
    return one.is_file() == other.is_file()


def _whole(data: Mapping[str, Any], label: str) -> Iterator[tuple[Any, Any]]:
    """Pairs of a ``tokenizer.json``: the model's vocabulary, then the added tokens."""
    model, added = data.get("model"), data.get("added_tokens") or []
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict | list) or not isinstance(added, list):
        raise SourceError(f"Model {label}: tokenizer.json holds no vocabulary.")
    if isinstance(vocabulary, dict):
        pairs = dict(vocabulary)
    else:  # Unigram: [token, score], the id is the place
        pairs = {e[0]: at for at, e in enumerate(vocabulary) if _is_piece(e)}
    for entry in added:
        if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
            raise SourceError(f"Model {label}: an added token of tokenizer.json is {entry!r:.60}.")
        pairs[entry["content"]] = entry.get("id")
    return iter(pairs.items())


def _is_piece(entry: object) -> bool:
    return isinstance(entry, list) and bool(entry) and isinstance(entry[0], str)


def _checked(pairs: Iterator[tuple[Any, Any]], label: str) -> dict[str, int]:
    ids: dict[str, int] = {}
    owners: dict[int, str] = {}
    for token, number in pairs:
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not isinstance(token, str) or not whole or not 0 <= number < MOST_TOKENS:
            raise SourceError(
                f"Model {label}: the token {token!r:.60} has the id {number!r:.60}; ids are whole "
                f"numbers from 0 to {MOST_TOKENS - 1}."
            )
        if owners.setdefault(number, token) != token:
            raise SourceError(
                f"Model {label}: the tokens {owners[number]!r:.60} and {token!r:.60} both have the "
                f"id {number}. Its tokenizer is damaged."
            )
        ids[token] = number
    return ids


def _special(folder: Path, label: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            data = read_json(folder / name, label)
            for role in ROLES:
                value = data.get(role)
                token = value.get("content") if isinstance(value, dict) else value
                if isinstance(token, str):
                    found[role] = token
    return found


def _template(folder: Path, label: str) -> str | None:
    own = folder / "chat_template.jinja"
    if own.is_file():
        return _text(own, LONGEST_TEMPLATE, label)
    if not (folder / "tokenizer_config.json").is_file():
        return None
    found = read_json(folder / "tokenizer_config.json", label).get("chat_template")
    return found if isinstance(found, str) else None if found is None else repr(found)


def _text(path: Path, most: int, label: str) -> str:
    try:
        if path.stat().st_size > most:
            raise SourceError(
                f"Model {label}: {path.name} is too large ({most >> 20} MiB at most)."
            )
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SourceError(f"Model {label}: cannot read {path.name}: {error}") from error
