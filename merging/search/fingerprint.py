"""What must be equal on two machines so that they score alike: a set's files, and this library."""

from functools import cache
from hashlib import sha256
from pathlib import Path

import merging
from merging.errors import SourceError
from merging.sets import ModelSet
from merging.sketch import weights_identity


def set_fingerprint(opened: ModelSet) -> str:
    """Return a hash of all that a set's scores depend on, 16 hexadecimal digits.

    That is its card, the weights of base and experts, and items and heads of its tasks. Where the
    files lie and when they were written does not count.

    Raises:
        SourceError: One of them cannot be read.
    """
    digest = sha256(weights_identity(opened.base, opened.experts).encode())
    heads = opened.root / opened.card.get("heads", "heads")
    files = [opened.folder / "card.json", opened.base.path / "config.json"]
    for task in opened.card["tasks"]:
        files += [folder / f"{task['id']}.safetensors" for folder in (opened.root / "eval", heads)]
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"Cannot read {path.name} of {opened.id}: {error.strerror}."
            ) from error
        digest.update(f"\n{path.name}|{len(content)}|".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@cache
def code_fingerprint() -> str:
    """Return a hash of the source of this library, 16 hexadecimal digits; read once."""
    root = Path(merging.__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
