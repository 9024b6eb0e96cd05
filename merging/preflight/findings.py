"""What a check before any work finds: frozen values with a severity and a remedy in words."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["blocks", "warns", "tells"]
ORDER: tuple[Severity, ...] = ("blocks", "warns", "tells")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: blocks (the merge is refused, or would be wrong), warns or tells.
        code: One word for programs, such as ``shape`` or ``licence_unknown``.
        message: What was found, a sentence.
        remedy: What to do about it, a sentence, or "".
        tensor: The tensor it is about, or "".
        models: Names of the models it is about.
        values: What each of those models has there.
    """

    severity: Severity
    code: str
    message: str
    remedy: str = ""
    tensor: str = ""
    models: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a check found, the worst first."""

    entries: tuple[Finding, ...]

    @property
    def blocks(self) -> bool:
        """Whether something keeps the merge from being carried out."""
        return any(f.severity == "blocks" for f in self.entries)

    def of(self, code: str) -> tuple[Finding, ...]:
        """Return the findings with a code."""
        return tuple(f for f in self.entries if f.code == code)


def sorted_findings(found: list[Finding]) -> Findings:
    """Return findings by severity, then in the order in which they were found, each once."""
    unique = dict.fromkeys(found)
    return Findings(tuple(sorted(unique, key=lambda f: ORDER.index(f.severity))))
