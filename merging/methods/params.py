"""One parameter of a method, declared once: type, default, range, step, help, source.

Sliders, validation, YAML, documentation and tests read these declarations and nothing else.
"""

import math
from dataclasses import dataclass

from merging.errors import ParameterError

Value = float | int | bool | str
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter, declared once.

    Attributes:
        name: Key in the recipe and in Python.
        label: Word shown to people.
        default: Value when nothing is said; its type is the parameter's type.
        origin: Where the default comes from.
        help: One plain sentence.
        minimum, maximum: Accepted range, inclusive (numbers only).
        slider: Range of the control, inside the accepted range.
        step: Step of the control.
        choices: Accepted words; without them a text parameter takes any short text.
        symbol: Letter in formulas, or "".
        per_expert: May stand at each expert and differ between them.
        own: Only means something at each expert; the page draws one control for each.
        advanced: Folded away in the page.
        exclusive: The maximum itself is refused.
        aliases: Words other tools use for it; only for "did you mean".
        later: Declared after the first release: a recipe's key does not hold it at its default,
            so that the keys of older recipes stay.
        when: Name of a flag of the same method that must be true for it to mean anything, or "".
    """

    name: str
    label: str
    default: Value
    origin: str
    help: str
    minimum: float = -math.inf
    maximum: float = math.inf
    slider: tuple[float, float] = (0.0, 1.0)
    step: float = 0.01
    choices: tuple[str, ...] = ()
    symbol: str = ""
    per_expert: bool = False
    own: bool = False
    advanced: bool = False
    exclusive: bool = False
    aliases: tuple[str, ...] = ()
    later: bool = False
    when: str = ""

    def check(self, value: object, where: str) -> Value:
        """Return ``value`` in the parameter's type, or say what is wrong with it.

        Args:
            value: Anything, as read from a recipe or a page.
            where: Prefix of the message, for example ``"method ties"``.

        Raises:
            ParameterError: Wrong kind, not finite, out of range, or not a known choice.
        """
        label = f"{where}: {self.name}"
        if self.choices:
            if value not in self.choices:
                raise ParameterError(
                    f"{label} is {_shown(value)}; it must be one of {', '.join(self.choices)}."
                )
            return str(value)
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise ParameterError(f"{label} is {_shown(value)}; it must be true or false.")
            return value
        if isinstance(self.default, str):
            return self._text(value, label)
        return self._number(value, label)

    def _text(self, value: object, label: str) -> str:
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
            raise ParameterError(
                f"{label} is {_shown(value)}; it must be a text of at most {LONGEST_TEXT} "
                "characters."
            )
        return value

    def _number(self, value: object, label: str) -> float | int:
        if value is None:
            raise ParameterError(f"{label} is empty; it must be a number.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{label} is {_shown(value)}; it must be a number.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(f"{label} is {value}; it must be a finite number.")
        below_top = value < self.maximum if self.exclusive else value <= self.maximum
        if not (self.minimum <= value and below_top):
            edge = "below" if self.exclusive else "at most"
            raise ParameterError(
                f"{label} is {_shown(value)}; it must be at least {self.minimum:g} "
                f"and {edge} {self.maximum:g}."
            )
        if isinstance(self.default, float):
            return float(value) + 0.0  # -0.0 becomes 0.0: equal values look equal
        if value != int(value):
            raise ParameterError(f"{label} is {_shown(value)}; it must be a whole number.")
        return int(value)


WEIGHT = Param(
    name="weight",
    label="Weight",
    default=1.0,
    origin="all methods: 1 leaves the expert as it is",
    help="How loud this expert is. 0 adds nothing of it, though it still votes.",
    minimum=-10.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="w",
    per_expert=True,
)


def _shown(value: object) -> str:
    return repr(value)[:60]
