"""What a sketch's previews work out once: kept by key, bounded by number, safe to share."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any


class Memo:
    """Values by key; of each kind, the first part of its key, the latest few are kept."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._known: dict[Hashable, OrderedDict[Hashable, Any]] = {}
        self._lock = RLock()

    def get(self, key: tuple[Hashable, ...], make: Callable[[], Any], most: int) -> Any:
        """Return a value, made when first asked for.

        Args:
            key: Its kind and what tells it from others of the kind.
            make: Makes it; others wait meanwhile.
            most: How many values of this kind are kept.
        """
        with self._lock:
            kind = self._known.setdefault(key[0], OrderedDict())
            if key not in kind:
                kind[key] = make()
            kind.move_to_end(key)
            found = kind[key]
            while len(kind) > most:
                kind.popitem(last=False)
            return found
