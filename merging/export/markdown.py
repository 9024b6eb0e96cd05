"""Foreign text in Markdown: shown as it is, never read as markup."""

import re
import unicodedata

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# Signs that are markup anywhere; at the beginning of a line; in addresses that become links.
_MARKUP = re.compile(r"[<>&\\`*_{}\[\]#!|~$@]|^[-+=]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")


def plain(text: object, most: int = 300) -> str:
    """Return a text on one line in which nothing is markup.

    Control characters and line breaks become spaces; what is longer than ``most`` characters is
    cut and ends in "…". ``<`` and ``&`` become entities, other signs of Markdown are escaped.

    Example:
        >>> plain("a*b <c>")
        'a\\\\*b &lt;c&gt;'
    """
    said = str(text)
    shown = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in said[: most + 1])
    shown = " ".join(shown.split())
    if len(said) > most:
        shown = shown[: most - 1] + "…"
    shown = _MARKUP.sub(lambda sign: _ENTITIES.get(sign[0], f"\\{sign[0]}"), shown)
    return _NUMBERED.sub(r"\1\\\2", shown)


def fenced(text: str, language: str) -> str:
    """Return a block of code with a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
