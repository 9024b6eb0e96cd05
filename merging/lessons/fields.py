"""A mapping from a file, taken entry by entry: kinds are checked, and nothing is left over."""

from typing import Any

from merging.errors import RecipeError, unknown

LONGEST = 2000


class Fields:
    """Takes entries out of a mapping; each error names the lesson and the place in it."""

    def __init__(self, data: object, where: str) -> None:
        """Check that it is a mapping.

        Args:
            data: From a file.
            where: "lesson arrow, claim 1", for errors.

        Raises:
            RecipeError: It is none.
        """
        if not isinstance(data, dict):
            raise RecipeError(f"{where}: {data!r:.60} must be a mapping of words to values.")
        self.where, self._data, self._known = where, dict(data), set[str]()

    def error(self, message: str) -> RecipeError:
        """Return an error that names the place."""
        return RecipeError(f"{self.where}: {message}")

    def has(self, name: str) -> bool:
        """Whether there is an entry that was not taken."""
        return name in self._data

    def take(self, name: str, otherwise: Any = None) -> Any:
        """Return an entry as it is.

        Raises:
            RecipeError: It is missing and there is no other value.
        """
        self._known.add(name)
        if name in self._data:
            return self._data.pop(name)
        if otherwise is None:
            raise self.error(f"{name} is missing.")
        return otherwise

    def text(self, name: str, otherwise: str | None = None) -> str:
        """Return a text without the file's line breaks.

        Raises:
            RecipeError: It is missing, no text, empty or too long.
        """
        value = self.take(name, otherwise)
        if not isinstance(value, str) or not len(value) <= LONGEST:
            raise self.error(f"{name} is {value!r:.60}; it must be a text, {LONGEST} long at most.")
        found = " ".join(value.split())
        if not found and otherwise is None:
            raise self.error(f"{name} is empty.")
        return found

    def word(self, name: str, choices: tuple[str, ...], otherwise: str | None = None) -> str:
        """Return one of some words.

        Raises:
            RecipeError: It is none of them.
        """
        value = self.text(name, otherwise)
        if value not in choices:
            raise self.error(str(unknown(name, value, choices)))
        return value

    def number(self, name: str, otherwise: float | None = None) -> float:
        """Return a finite number.

        Raises:
            RecipeError: It is none.
        """
        value = self.take(name, otherwise)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
            raise self.error(f"{name} is {value!r:.60}; it must be a number.")
        return value

    def whole(self, name: str, least: int, most: int) -> int:
        """Return a whole number from ``least`` to ``most``.

        Raises:
            RecipeError: It is none.
        """
        value = self.number(name)
        if not isinstance(value, int) or not least <= value <= most:
            raise self.error(f"{name} is {value}; it must be a whole number, {least} to {most}.")
        return value

    def items(self, name: str, least: int, most: int) -> list[Any]:
        """Return a list with a number of entries in a range.

        Raises:
            RecipeError: It is none.
        """
        value = self.take(name)
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise self.error(f"{name} must be a list of {least} to {most} entries.")
        return value

    def part(self, name: str) -> "Fields":
        """Return a mapping inside this one."""
        return Fields(self.take(name), f"{self.where}, {name}")

    def parts(self, name: str, least: int, most: int) -> "list[Fields]":
        """Return a list of mappings."""
        found = self.items(name, least, most)
        return [Fields(one, f"{self.where}, {name} {i}") for i, one in enumerate(found, 1)]

    def close(self) -> None:
        """Make sure that all entries were taken.

        Raises:
            RecipeError: One was not.
        """
        for name in self._data:
            raise self.error(str(unknown("key", name, self._known)))
