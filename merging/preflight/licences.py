"""Findings on licences: whether they fit together, and whether the merge may be published.

A declared table of a few kinds, no legal advice: what it does not know it says it does not know.
"""

import re
from collections.abc import Iterator, Mapping

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


SOURCE = "Look at its source before you publish the merge."


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
    yield from _silent([name for name, said in known.items() if not said])
    for name, kind in kinds.items():
        said, models = known[name], (name,)
        if kind == UNKNOWN and said:
            message = (
                f"{name} states the licence {said!r}, which we do not know. Whether a merge of it "
                "may be published is open."
            )
            yield Finding("warns", "licence_unknown", message, SOURCE, "", models, (said,))
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


def _silent(names: list[str]) -> Iterator[Finding]:
    """One finding for all models without a licence."""
    if names:
        *others, last = names
        who = f"{', '.join(others)} and {last} state" if others else f"{last} states"
        whose = "them" if others else "it"
        message = (
            f"{who} no licence that we find. Whether a merge of {whose} may be published is open."
        )
        remedy = SOURCE if not others else SOURCE.replace("its source", "their sources")
        values = ("",) * len(names)
        yield Finding("warns", "licence_unknown", message, remedy, "", tuple(names), values)


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
