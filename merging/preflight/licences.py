"""Findings on licences: whether they fit together, and whether the merge may be published.

A declared table of a few kinds, no legal advice: what it does not know it says it does not know.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from merging.preflight.findings import Finding

PERMISSIVE, SHARE_ALIKE, NON_COMMERCIAL = "permissive", "share-alike", "non-commercial"
NO_DERIVATIVES, OWN_TERMS, UNKNOWN = "no derivatives", "own terms", "unknown"

# Kind by the identifier that model cards use; the first pattern that matches counts.
KINDS = (
    (NO_DERIVATIVES, re.compile(r"^cc-by(-nc)?-nd")),
    (NON_COMMERCIAL, re.compile(r"^cc-by-nc|non-?commercial|research-only|^fair-noncommercial")),
    (SHARE_ALIKE, re.compile(r"^(cc-by-sa|a?gpl|lgpl|osl|odbl|ms-rl|eupl|mpl|epl)")),
    (OWN_TERMS, re.compile(r"^(llama|gemma|openrail|bigscience|creativeml|bigcode|deepseek|qwen)")),
    (OWN_TERMS, re.compile(r"openrail|^apple-|^other$|^tongyi|^falcon|^mistral-ai|^h-research")),
    (
        PERMISSIVE,
        re.compile(
            r"^(apache-2\.0|mit|bsd(-\dc?-\w+|-\d-clause)?|isc|cc0-1\.0|cc-by-[234]\.\d|unlicense|wtfpl"
            r"|cdla-permissive-[\d.]+|zlib|afl-3\.0|artistic-2\.0|ms-pl|postgresql|pddl|etalab-2\.0)$"
        ),
    ),
)
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
_TITLES = (
    (re.compile(r"apache license\s+version 2\.0", re.I), "apache-2.0"),
    (re.compile(r"\bmit license\b|permission is hereby granted, free of charge", re.I), "mit"),
    (re.compile(r"llama 2 community license", re.I), "llama2"),
    (re.compile(r"llama 3\.(\d) community license", re.I), "llama3.x"),
    (re.compile(r"(meta )?llama 3 community license", re.I), "llama3"),
    (re.compile(r"gemma terms of use", re.I), "gemma"),
    (re.compile(r"gnu affero general public license", re.I), "agpl-3.0"),
    (re.compile(r"gnu lesser general public license", re.I), "lgpl-3.0"),
    (re.compile(r"gnu general public license", re.I), "gpl-3.0"),
    (re.compile(r"attribution-noncommercial-noderiv", re.I), "cc-by-nc-nd-4.0"),
    (re.compile(r"attribution-noderiv", re.I), "cc-by-nd-4.0"),
    (re.compile(r"attribution-noncommercial", re.I), "cc-by-nc-4.0"),
    (re.compile(r"attribution-sharealike", re.I), "cc-by-sa-4.0"),
)
_MOST_BYTES = 65_536


def licence_of(folder: Path, config: Mapping[str, object]) -> str:
    """Return what a model folder says its licence is, in lower case, or "".

    Looked at, first answer counts: ``license`` in the front matter of README.md, ``license`` in
    the config, the title of a LICENSE file. The text is not trusted: at most 80 characters.

    Args:
        folder: Of the model.
        config: Its ``config.json``.
    """
    said = _front_matter(_head(folder / "README.md")) or config.get("license")
    if isinstance(said, str) and said.strip():
        return said.strip().lower()[:80]
    for name in _FILES:
        text = _head(folder / name)[:2000]
        for title, licence in _TITLES:
            if title.search(text):
                return licence
    return ""


def kind_of(licence: str) -> str:
    """Return the kind of a licence by its identifier; ``UNKNOWN`` where the table has none."""
    return next((kind for kind, rule in KINDS if rule.search(licence)), UNKNOWN)


def licences(known: Mapping[str, str]) -> Iterator[Finding]:
    """Compare the licences of all models with each other and with publishing the merge.

    Args:
        known: Licence of every model by its name; "" where it says none.

    Yields:
        Warnings; licences never block a merge, since merging at home is not publishing.
    """
    kinds = {name: kind_of(licence) for name, licence in known.items()}
    for name, kind in kinds.items():
        said, models = known[name], (name,)
        if kind == UNKNOWN:
            what = (
                f"the licence {said!r}, which we do not know" if said else "no licence that we find"
            )
            message = f"{name} states {what}. Whether a merge of it may be published is open."
            remedy = "Look at its source before you publish the merge."
            yield Finding("warns", "licence_unknown", message, remedy, "", models, (said,))
        elif kind == NO_DERIVATIVES:
            message = f"{name} is under {said}: changed versions, merges too, may not be published."
            yield Finding(
                "warns",
                "licence_publish",
                message,
                "Do not publish the merge.",
                "",
                models,
                (said,),
            )
        elif kind == NON_COMMERCIAL:
            message = f"{name} is under {said}: neither it nor a merge may be used commercially."
            remedy = "Publish the merge under a non-commercial licence, or leave the model out."
            yield Finding("warns", "licence_publish", message, remedy, "", models, (said,))
        elif kind == OWN_TERMS:
            message = f"{name} is under terms of its own ({said}), which a merge has to carry on."
            remedy = "Read them: some ask for a name, a notice or limits of use."
            yield Finding("warns", "licence_publish", message, remedy, "", models, (said,))
    yield from _together(known, kinds)


def _together(known: Mapping[str, str], kinds: Mapping[str, str]) -> Iterator[Finding]:
    """Pairs of licences of which each asks for the whole merge."""
    strict = (SHARE_ALIKE, NON_COMMERCIAL, OWN_TERMS)
    names = [n for n in known if kinds[n] in strict]
    seen = set()
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            pair = frozenset((known[one], known[other]))
            if len(pair) < 2 or pair in seen:
                continue
            if SHARE_ALIKE not in (kinds[one], kinds[other]) and kinds[one] != kinds[other]:
                continue
            seen.add(pair)
            message = (
                f"{one} is under {known[one]} and {other} under {known[other]}: both ask that the "
                "whole merge be under their own terms, so that it fits neither."
            )
            remedy = "Do not publish the merge, or leave one of them out."
            values = (known[one], known[other])
            yield Finding("warns", "licence_conflict", message, remedy, "", (one, other), values)


def _front_matter(text: str) -> str | None:
    """The ``license`` of a model card, a plain value or the first of a list."""
    parts = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(?:\n|$)", text, re.S)
    if parts is None:
        return None
    found = re.search(r"^license:[ \t]*(?:\n[ \t]*-[ \t]*)?\[?([^\s#\],]+)", parts[1], re.M)
    return found[1].strip("'\"") if found else None


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""
