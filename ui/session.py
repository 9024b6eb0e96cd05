"""One visitor's state on the server: what is touched changes it, one touch after the other."""

import functools
from collections.abc import Callable
from threading import RLock
from typing import Any

from ui.state import AppState

Handler = Callable[..., dict[Any, Any]]


class Session:
    """Holds a state; Gradio keeps a copy for each visitor."""

    def __init__(self, state: AppState) -> None:
        """Begin with a state."""
        self.state = state
        self.lock = RLock()

    def __deepcopy__(self, memo: object) -> "Session":
        """Begin another one with the same state, which is frozen."""
        return Session(self.state)


def in_turn(cell: Any, handler: Handler) -> Handler:
    """Return a handler that waits for its turn.

    Args:
        cell: Stands in the updates of ``handler`` for the new state, which is kept and not sent.
        handler: Takes a state where the new one is handed the session.
    """

    @functools.wraps(handler)
    def turn(*values: Any) -> dict[Any, Any]:
        session = next(value for value in values if isinstance(value, Session))
        with session.lock:
            updates = handler(*(session.state if value is session else value for value in values))
            session.state = updates.pop(cell, session.state)
        return updates

    return turn


def as_of_now(handler: Handler) -> Handler:
    """Return a handler that reads the state as it is when called, and lets others go on.

    Args:
        handler: Takes a state where the new one is handed the session, and does not change it.
    """

    @functools.wraps(handler)
    def now(*values: Any) -> dict[Any, Any]:
        return handler(*(v.state if isinstance(v, Session) else v for v in values))

    return now
