"""The check before any work: what does not fit, what is lost, and what it takes."""

from merging.preflight.check import check
from merging.preflight.findings import Finding, Findings, Severity

__all__ = ["Finding", "Findings", "Severity", "check"]
