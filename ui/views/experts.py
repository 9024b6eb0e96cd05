"""How experts are told apart everywhere: a letter, a marker shape and a word. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ui.views.magnitudes import letters


@dataclass(frozen=True, slots=True)
class ExpertMark:
    """One expert as charts show it."""

    expert: str
    letter: str
    shape: str
    label: str

    @property
    def name(self) -> str:
        """Letter and word."""
        return f"{self.letter} {self.label}"


def expert_marks(
    experts: Iterable[str], names: Mapping[str, str], order: tuple[str, ...]
) -> tuple[ExpertMark, ...]:
    """Return the marks of some experts.

    Args:
        experts: Ids of those to show.
        names: Words for expert ids.
        order: All expert ids of the set, in its order: the place gives letter and shape.
    """
    marks = letters(order)
    return tuple(ExpertMark(e, *marks[e], names[e]) for e in experts)


def listed(words: Iterable[str]) -> str:
    """Return words as a list in a sentence: "a, b and c"."""
    found = list(words)
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
