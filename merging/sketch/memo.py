"""What a sketch's previews work out once: kept by key, bounded by number, safe to share."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any


class Memo:
    """Values by key; of each kind, the first part of its key, the latest few are kept."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._known: dict[Hashable, OrderedDict[Hashable, Any]] = {}
        self._lock = Lock()

    def get(self, key: tuple[Hashable, ...], make: Callable[[], Any], most: int) -> Any:
        """Return a value, made when first asked for.

        Args:
            key: Its kind and what tells it from others of the kind.
            make: Makes it; nobody waits meanwhile, and of two who make it the first counts.
            most: How many values of this kind are kept.
        """
        with self._lock:
            kind = self._known.setdefault(key[0], OrderedDict())
            if key in kind:
                kind.move_to_end(key)
                return kind[key]
        made = make()
        with self._lock:
            found = kind.setdefault(key, made)
            while len(kind) > most:
                kind.popitem(last=False)
            return found
