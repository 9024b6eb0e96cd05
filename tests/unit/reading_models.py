"""Tiny random models in folders that can read: with a tokenizer of twenty words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import saved, tiny, tuned
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = tuple(f"w{i}" for i in range(20))


def reading(family: str, folder: Path, seed: int = 0, **settings: Any) -> Path:
    """A folder with the base of a family (seed 0) or a fine-tuned one, and the tokenizer."""
    base = tiny(family, **settings)
    saved(tuned(base, seed, 0.2) if seed else base, folder)
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="w0"))
    words.pre_tokenizer = Whitespace()
    words.save(str(folder / "tokenizer.json"))
    return folder


def sentences(count: int, seed: int = 5) -> list[str]:
    """Different random texts of six words."""
    source = np.random.default_rng(seed)
    return [" ".join(source.choice(WORDS, 6)) for _ in range(count)]


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a file."""
    return "\n".join(json.dumps(row) for row in rows).encode()


def texts(count: int) -> bytes:
    """A file of plain texts."""
    return jsonl([{"text": text} for text in sentences(count)])


def labelled(count: int, *labels: str) -> bytes:
    """A file of texts with labels in turn."""
    return jsonl(
        [{"text": t, "label": labels[i % len(labels)]} for i, t in enumerate(sentences(count))]
    )
