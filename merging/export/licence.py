"""The licence of a merge, from those of its models."""

from collections.abc import Container, Mapping


def common_licence(licences: Mapping[str, str]) -> tuple[str, str]:
    """Return the licence of a merge and a sentence on it.

    Args:
        licences: Licence of each model by its name, "" where it is not known.

    Returns:
        The licence that all models share, or "other"; and in words why.
    """
    unknown = sorted(name for name, said in licences.items() if said in ("", "other"))
    known = sorted({said for said in licences.values() if said not in ("", "other")})
    if not unknown and len(known) == 1:
        return known[0], f"All models that were merged are under {known[0]}."
    if unknown:
        names = ", ".join(unknown[:8]) + (" and others" if len(unknown) > 8 else "")
        rest = f" Of the others: {_each(licences, unknown)}." if known else ""
        return "other", (
            f"The licence of {names} is not known here, so none is claimed for the merge. "
            f"Find it out before you publish the result.{rest}"
        )
    each = _each(licences, ())
    return "other", (
        f"The models that were merged have different licences ({each}), so none is claimed for "
        "the merge. Find out whether they allow it before you publish the result."
    )


def _each(licences: Mapping[str, str], without: Container[str]) -> str:
    """Models with their licences; the first twelve."""
    told = [f"{name}: {said}" for name, said in sorted(licences.items()) if name not in without]
    return "; ".join(told[:12]) + (" and more" if len(told) > 12 else "")
