"""What an import or export of mergekit's format has to say besides the recipe."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from merging.errors import unknown

Kind = Literal["unknown", "ignored", "differs", "law"]


@dataclass(frozen=True, slots=True)
class Note:
    """One remark.

    Attributes:
        kind: unknown: a key that mergekit drops silently; ignored: known, without effect;
            differs: mergekit 0.1.5 does something other than the paper, or than we do; law: only
            the law of a random draw is equal.
        where: Place in the file.
        text: One or two sentences.
    """

    kind: Kind
    where: str
    text: str


def strangers(
    mapping: Mapping[str, object],
    known: Iterable[str],
    where: str,
    what: str,
    meant: Mapping[str, str] | None = None,
) -> Iterator[Note]:
    """Yield a note for every key that mergekit does not know, with the nearest known one."""
    known = tuple(known)
    for key in mapping:
        if key not in known:
            yield Note("unknown", where, str(unknown(what, key, known, meant)))


BIASED = "changes how often the sign of the sum wins, as its issue 474 tells"
OF_METHOD: Mapping[str, tuple[tuple[Kind, str], ...]] = {
    "ties": (
        ("differs", "mergekit trims within each tensor; the paper trims the whole task vector."),
        ("differs", f"Weights enter the election, which {BIASED}; the paper elects without them."),
    ),
    "dare_linear": (
        ("differs", "rescale restores each tensor's L1 norm; the paper divides by the density."),
        ("law", "Masks are other draws than mergekit's: only the law is equal."),
    ),
    "dare_ties": (
        ("differs", "rescale restores each tensor's L1 norm; the paper divides by the density."),
        ("differs", "After the drop nothing is trimmed, and weights enter the election."),
        ("law", "Masks are other draws than mergekit's: only the law is equal."),
    ),
    "della": (
        ("differs", "rescale restores the L1 norm; the paper divides each entry by its chance."),
        ("differs", "Weights enter the election; the paper elects without them."),
        ("law", "Masks are other draws than mergekit's: only the law is equal."),
    ),
    "della_linear": (
        ("differs", "rescale restores the L1 norm; the paper divides each entry by its chance."),
        ("law", "Masks are other draws than mergekit's: only the law is equal."),
    ),
    "breadcrumbs": (("differs", "mergekit masks whole tensors; the paper masks each row."),),
    "breadcrumbs_ties": (
        ("differs", "mergekit masks whole tensors; the paper masks each row."),
        ("differs", "Weights enter the election; the paper elects without them."),
    ),
    "sce": (("differs", "The merged deltas are masked too; the authors only weigh by the mask."),),
    "arcee_fusion": (
        ("law", "Above 1,000,000 elements mergekit samples its quantiles without a seed."),
    ),
}
ALONE = (
    "Where one expert alone survives the election, its weight cancels under normalize; deltas 1.0 "
    "and -0.6 with weights 0.2 and 0.8 give -0.6, not -0.48."
)
ROUNDED = (
    "mergekit rounds its inputs to this type and computes in it; here the merge is computed in "
    "float32 and rounded once. Equal to that type's precision only."
)


def of_method(theirs: str, averaged: bool) -> Iterator[Note]:
    """Yield what mergekit does other than the paper.

    Args:
        theirs: Its method.
        averaged: Whether the election's survivors are divided by the sum of their weights.
    """
    for kind, text in OF_METHOD.get(theirs, ()):
        yield Note(kind, f"merge_method {theirs}", text)
    if averaged:
        yield Note("differs", f"merge_method {theirs}", ALONE)
