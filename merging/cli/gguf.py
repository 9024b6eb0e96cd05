"""``gguf FOLDER --type TYPE --out FILE``: write a model folder as one GGUF file."""

from dataclasses import asdict
from typing import cast

from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.export.gguf_write import Kind, write_gguf
from merging.units import size_text


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Write a folder of the llama family as GGUF, read it back, and say what is not carried.

    Raises:
        MergeError: As ``write_gguf``; nothing is left behind then.
    """
    done = write_gguf(options.recipe, cast(Kind, options.type), options.out)
    exact = "exactly" if done.worst == 0 else f"at most {done.worst:.2g} apart, as {options.type}"
    lines = [
        f"wrote {done.file}: {done.tensors} tensors, {size_text(done.bytes)}; "
        f"read back and compared: {exact}",
        *done.notes,
    ]
    return Answer("\n".join(lines), asdict(done))
