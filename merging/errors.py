"""Every error the library raises on purpose, one tree.

MergeError
├── RecipeError            the settings are wrong
│   ├── ParameterError     one value is unknown, of the wrong kind or out of range
│   └── UnknownNameError   a key, method, set or expert that does not exist
├── CompatibilityError     the models do not fit together (names the model and the tensor)
├── SourceError            a model or file cannot be read
├── ResourceError          not enough memory, disk or room in the queue
├── EvaluationError        a task cannot be scored
└── Cancelled              somebody asked for a stop

A message says what is wrong, where, and what to do. It is shown to people as it stands.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class MergeError(Exception):
    """Base of every error raised on purpose."""


class RecipeError(MergeError):
    """The recipe cannot be used as it is."""


class ParameterError(RecipeError):
    """One value is of the wrong kind or out of range."""


class UnknownNameError(RecipeError):
    """A key, method, set or expert that does not exist."""


class CompatibilityError(MergeError):
    """The models do not fit together."""


class SourceError(MergeError):
    """A model or file cannot be read."""


class ResourceError(MergeError):
    """Not enough memory, disk or room in the queue."""


class EvaluationError(MergeError):
    """A task cannot be scored."""


class Cancelled(MergeError):
    """Somebody asked for a stop; nothing was kept."""


def unknown(
    kind: str, name: object, known: Iterable[str], aliases: Mapping[str, str] | None = None
) -> UnknownNameError:
    """Build the error for an unknown name, with the nearest known one.

    Args:
        kind: What the name stands for, in the singular: ``"method"``, ``"expert"``.
        name: The name as it was given; anything, because input is hostile until checked.
        known: The names that would have been accepted.
        aliases: Words people use for a known name, for example ``{"lambda": "scale"}``.

    Returns:
        The error, ready to be raised.
    """
    names = sorted(known)
    shown = str(name)[:60]
    synonyms = {**{n.lower(): n for n in names}, **(aliases or {})}
    near = get_close_matches(shown.lower(), synonyms, n=1, cutoff=0.5)
    hint = f"Did you mean {synonyms[near[0]]!r}?" if near else f"Known: {', '.join(names[:12])}."
    return UnknownNameError(f"Unknown {kind} {shown!r}. {hint}")
