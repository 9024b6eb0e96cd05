"""What a way of looking for settings has to tell; the ways themselves stand beside this file."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from merging.jobs import Snapshot
from ui.components.study import Field, Options
from ui.scene import Scene


@dataclass(frozen=True, slots=True)
class Offer:
    """What the button says, and what pressing it takes; without ``go`` why it cannot be pressed."""

    go: str
    note: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, whole or in part.

    Attributes:
        said: In sentences.
        takes: Key and words of every point that can be taken.
        best, simplest: Keys of those points, or "".
        errors: Points that could not be scored, and why.
        left: Seconds it will still take, 0 where that is not known.
        ended: Whether nothing more comes.
        report: Whether there is a report of it.
    """

    said: str
    takes: Options = ()
    best: str = ""
    simplest: str = ""
    errors: tuple[str, ...] = ()
    left: float = 0.0
    ended: bool = True
    report: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """A way of looking for settings, or at what they do.

    Attributes:
        name: In links.
        label: What it is called.
        kind: Of its studies.
        invite: What it is for, shown before there is anything to tell.
        fields: What is to be chosen before the start; each is called as the entry of the view
            that holds it, also in links.
        offer: What its button says.
        start: Starts it for a visitor.
        finding: What the visitor's last study found; ``live`` while it is at work. None before.
        figure: The value of the plot host; None before there is something to draw.
        key: Of all that the figure depends on.
    """

    name: str
    label: str
    kind: str
    invite: str
    fields: Callable[[Scene], tuple[Field, ...]]
    offer: Callable[[Scene], Offer]
    start: Callable[[Scene, str], Snapshot]
    finding: Callable[[Scene, bool], Finding | None]
    figure: Callable[[Scene], dict[str, Any] | None]
    key: Callable[[Scene], Hashable]


def one_of(asked: str, options: Options) -> str:
    """Return what was asked for where it is an option, else the first of them."""
    names = [name for name, _ in options]
    return asked if asked in names else names[0]
