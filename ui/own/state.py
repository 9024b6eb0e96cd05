"""One visitor's state on the page of own models."""

from dataclasses import dataclass, field

from merging.evaluation.own_data import OwnData
from merging.recipe.mergekit import Note
from ui.own.settings import OwnSettings


@dataclass(frozen=True, slots=True)
class OwnState:
    """What the page stands on.

    Attributes:
        settings: What the controls hold.
        opened: Name of the format of the recipe that was opened last, or "".
        notes: What its import had to say.
        data: The visitor's own, to score on; gone with the session.
        looked: Whose values by layer are looked at, as ``ui.views.local.word_of`` writes it.
        cell: Layer and module of the opened cell, or "".
    """

    settings: OwnSettings = field(default_factory=OwnSettings)
    opened: str = ""
    notes: tuple[Note, ...] = ()
    looked: str = ""
    data: OwnData | None = field(default=None, repr=False)
    cell: str = ""
