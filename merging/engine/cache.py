"""What may be needed again, by key: bounded by bytes, shared by all sessions, read-only."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Key:
    """What an intermediate result depends on.

    Attributes:
        recipe: Hash of models and of the settings that it depends on.
        kind: What it is.
        tensor, start: Which chunk.
    """

    recipe: str
    kind: str
    tensor: str = ""
    start: int = 0


class Intermediates:
    """A cache of intermediate results; what was used longest ago goes first.

    A recipe never drives out its own results: where they do not all fit, the first ones stay and
    serve the next run, instead of each making room for the next.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep at most ``max_bytes``; 0 keeps nothing."""
        self.max_bytes = max_bytes
        self.used = 0
        self._lock = Lock()
        self._kept: OrderedDict[Key, tuple[object, int]] = OrderedDict()

    def get(self, key: Key) -> object:
        """Return what is kept under a key, or None; it must not be changed."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key, (None, 0))[0]

    def put(self, key: Key, result: object, size: int) -> None:
        """Keep a result of so many bytes, if there is room or something of other recipes can go."""
        with self._lock:
            if key in self._kept:
                return
            spare = self.max_bytes - self.used
            old = []
            for other, (_, taken) in self._kept.items():
                if spare >= size:
                    break
                if other.recipe != key.recipe:
                    old.append(other)
                    spare += taken
            if spare < size:
                return
            for other in old:
                self.used -= self._kept.pop(other)[1]
            self._kept[key] = (result, size)
            self.used += size
