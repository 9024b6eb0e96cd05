"""The options that the commands share, as a frozen value."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merging.cli.sizes import parse_size


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line.

    Attributes:
        recipe: The recipe's file.
        out: What to write.
        device: Where to compute, or None for where it is faster.
        memory: Budget in bytes, or None.
        threads: Threads that compute, or None for torch's number.
        json: Results and progress for machines.
        quiet: No progress.
        quick: Read parts of large tensors only.
        type: Type of the matrices in a GGUF file.
        verify: Look at what was written.
        against: Another recipe of the same experts to compare with, or None.
        as_adapter: Rank of the adapter to write instead of a model, 0 for that of the inputs, or
            None for a model.
        base, expert: Models to extract a delta from.
        rank, density, bits: How to store it; one of them.
        to: Format to convert to.
        folders: Models to score.
        data: File of own data, or None.
    """

    recipe: Path = Path()
    out: Path = Path()
    device: str | None = None
    memory: int | None = None
    threads: int | None = None
    json: bool = False
    quiet: bool = False
    quick: bool = False
    type: str = "f16"
    verify: bool = True
    against: Path | None = None
    as_adapter: int | None = None
    base: Path = Path()
    expert: str = ""
    rank: int | None = None
    density: float | None = None
    bits: int | None = None
    to: str = "own"
    folders: tuple[Path, ...] = ()
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints on stdout: text, or with ``--json`` one object; and its exit code."""

    text: str
    data: Any = field(default_factory=dict)
    code: int = 0


def add_common(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add common options to a command, by name."""
    for name in names:
        flag = name if name in _PLAIN else f"--{name.replace('_', '-')}"
        parser.add_argument(flag, **_COMMON[name])


def options_of(parsed: argparse.Namespace) -> Options:
    """Return the options of a parsed command line."""
    known = {name: value for name, value in vars(parsed).items() if name in Options.__slots__}
    return Options(**known)


def _device(text: str) -> str | None:
    if text == "auto":
        return None
    kind, _, number = text.partition(":")
    if text == "cpu" or (kind == "cuda" and (not number or number.isdecimal())):
        return text
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no device. Choose auto, cpu or cuda.")


def _threads(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 6 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} must be a whole number of at least 1.")


_PLAIN = ("folders",)  # stand on the line without a name
_COMMON: dict[str, dict[str, Any]] = {
    "device": {
        "type": _device,
        "help": "auto (by size; the default), cpu, cuda (all GPUs) or one of them, cuda:1",
    },
    "memory": {"type": parse_size, "metavar": "SIZE", "help": "most memory to use: 4GiB, 800MB"},
    "threads": {"type": _threads, "metavar": "N", "help": "threads that compute"},
    "json": {"action": "store_true", "help": "one JSON object on stdout, progress as JSON lines"},
    "quiet": {"action": "store_true", "help": "no progress"},
    "quick": {"action": "store_true", "help": "read only parts of large tensors"},
    "type": {
        "choices": ("f32", "f16", "bf16", "q8_0"),
        "default": "f16",
        "help": "type of the matrices; vectors stay f32 (default f16)",
    },
    "no-verify": {
        "dest": "verify",
        "action": "store_false",
        "help": "do not read back, load and run what was written",
    },
    "to": {"choices": ("own", "mergekit"), "required": True, "help": "format to write"},
    "against": {
        "type": Path,
        "metavar": "RECIPE",
        "help": "another recipe of the same experts: tell whose merged signs flip",
    },
    "as_adapter": {
        "type": _threads,
        "metavar": "RANK",
        "help": "merge adapters into an adapter of this rank, without their base",
    },
    "base": {"type": Path, "required": True, "metavar": "DIR", "help": "what it was made from"},
    "expert": {
        "required": True,
        "metavar": "MODEL",
        "help": "a folder, an adapter over the base, MODEL+ADAPTER, or a delta file",
    },
    "rank": {"type": _threads, "metavar": "R", "help": "keep the R largest singular values"},
    "density": {"type": float, "metavar": "D", "help": "keep this share, largest entries first"},
    "folders": {
        "type": Path,
        "nargs": "+",
        "metavar": "FOLDER",
        "help": "model folders; without --data the first one is compared with the others",
    },
    "data": {
        "type": Path,
        "metavar": "FILE",
        "help": ".csv, .jsonl or .txt: text and label, prompt and answer, or text alone (5 MB)",
    },
    "bits": {"type": int, "choices": (4, 6), "help": "round every row to whole numbers"},
}
