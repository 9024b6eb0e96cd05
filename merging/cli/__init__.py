"""The command line: ``python -m merging COMMAND``; its commands stand in ``COMMANDS``.

Exit codes, of all commands:
    0: done.
    1: refused by the recipe, the models, the memory budget or the disk; nothing was written. Of
        check: something blocks the merge. Of merge: what was written may not pass its check; it is
        kept and the message says so.
    2: wrong usage. Of check: a bad recipe.
    3: the work is done, but its answer could not be written to stdout.
    130: interrupted; nothing was written, or the message says what was.

Results go to stdout, progress and errors to stderr. With ``--json`` stdout holds one JSON object
and stderr one a line: progress, and in the end ``{"error": KIND, "message": TEXT}`` where the exit
code is 1, 3 or 130.
"""

import argparse
import gc
import importlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging.cli.options import Answer, Options, add_common, options_of
from merging.cli.progress import ProgressPrinter, style_of
from merging.errors import MergeError

DONE, REFUSED, USAGE, UNTOLD, INTERRUPTED = 0, 1, 2, 3, 130  # USAGE is argparse's


SHARED = ("threads", "json", "quiet")
FOLDER = "folder of a Llama, Mistral or Qwen2, as merge writes it"


@dataclass(frozen=True, slots=True)
class Command:
    """One command; its module has ``answer(options, progress)``, loaded when it is asked for.

    Attributes:
        name: Word on the command line, and its module in this package.
        help: One line.
        options: The common options that it has.
        reads: What stands before the options, the recipe or a model's folder; "" for nothing.
        out: What ``--out`` is, or "" where nothing is written.
        refused: Exit code where the work is refused.
        to_stdout: Without ``--out`` the result is printed.
    """

    name: str
    help: str
    options: tuple[str, ...] = ()
    out: str = ""
    reads: str = "YAML, ours (merge-explorer/1) or mergekit's (models:)"
    refused: int = REFUSED
    to_stdout: bool = False


COMMANDS = (
    Command(
        "merge",
        "merge a recipe into a model folder",
        ("device", "memory", "as_adapter", "no-verify", *SHARED),
        out="folder to write; must be new",
    ),
    Command(
        "check",
        "tell what speaks against a merge, before any work",
        ("device", "memory", *SHARED),
        refused=USAGE,
    ),
    Command("plan", "tell what a merge would do and take", ("device", "memory", *SHARED)),
    Command(
        "diagnose",
        "tell what a recipe does to the weights, without merging",
        ("quick", "against", *SHARED),
    ),
    Command(
        "convert",
        "write a recipe in our format or mergekit's",
        ("to", "json", "quiet"),
        out="file to write; replaced if there; else it is printed",
        to_stdout=True,
    ),
    Command("dialects", "tell where implementations of a method part", ("device", *SHARED)),
    Command(
        "score",
        "score models on own data, or compare what the first one puts out with the others",
        ("folders", "data", *SHARED),
        reads="",
    ),
    Command("gguf", "write a model folder as GGUF", ("type", *SHARED), "file; must be new", FOLDER),
    Command(
        "extract",
        "store what an expert changed in a small file, which is an expert too",
        ("base", "expert", "rank", "density", "bits", *SHARED),
        out="file to write, .safetensors; must be new",
        reads="",
    ),
    Command(
        "docs",
        "write the method reference from the declarations",
        out="file to write; replaced if there",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parsed = _parser().parse_args(arguments)
    options = options_of(parsed)
    progress = ProgressPrinter(sys.stderr, style_of(sys.stderr, options.json, options.quiet))
    try:
        found = _answer(parsed.command, options, progress)
    except MergeError as error:
        progress.close()
        _complain(type(error).__name__, str(error), options.json)
        return next(c.refused for c in COMMANDS if c.name == parsed.command)
    except KeyboardInterrupt as stop:
        progress.close()
        said = str(stop) or "interrupted; nothing was written"
        _complain("Interrupted", said, options.json)
        return INTERRUPTED
    progress.close()
    return _tell(_json(found.data) if options.json else found.text, options.json) or found.code


def _tell(text: str, as_json: bool) -> int:
    """Print the answer; whoever reads it may have left, or its disk may be full."""
    try:
        print(text, flush=True)
    except OSError as error:
        with suppress(OSError):  # what Python still holds has nowhere to go
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return DONE
        message = f"the work is done, but its answer cannot be written: {error.strerror}"
        _complain("OutputError", message, as_json)
        return UNTOLD
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m merging",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        if command.options and command.reads:
            one.add_argument("recipe", type=Path, help=command.reads)
        add_common(one, command.options)
        if command.out:
            needed = not command.to_stdout
            one.add_argument("--out", type=Path, default=Path(), required=needed, help=command.out)
    return parser


def _answer(name: str, options: Options, progress: ProgressPrinter) -> Answer:
    module = _loaded(f"merging.cli.{name}")
    if options.threads is None:
        found: Answer = module.answer(options, progress)
        return found
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        found = module.answer(options, progress)
        return found
    finally:
        torch.set_num_threads(before)


def _loaded(name: str) -> Any:
    """Import a module and all its libraries; collecting garbage meanwhile takes half a second."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if collects:
            gc.freeze()
            gc.enable()


def _json(data: object) -> str:
    from merging.cli.json import dumps  # it knows tensors, and torch takes a second

    return dumps(data)


def _complain(kind: str, message: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": kind, "message": message}), file=sys.stderr)
    else:
        print(message if kind == "Interrupted" else f"error: {message}", file=sys.stderr)
