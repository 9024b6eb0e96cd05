"""Findings on tokens: vocabularies, special tokens and chat templates."""

from collections.abc import Iterator, Mapping

from merging.checkpoints.tokens import ROLES, Tokens
from merging.preflight.findings import Finding

_BY_TOKEN = "Write tokenizer: union (or base) into the recipe; rows then go by token."


def vocabularies(
    known: Mapping[str, Tokens | None], unread: Mapping[str, str], aligned: bool
) -> Iterator[Finding]:
    """Compare the tokens of the first model with those of all others.

    Args:
        known: Of every model by its name, the reference first; None where nothing is known.
        unread: Names of tokenizer files that are not read, by model.
        aligned: The recipe has rows brought to one vocabulary by token.
    """
    (reference, ours), *others = known.items()
    for name, theirs in known.items():
        if theirs is None and any(tokens is not None for tokens in known.values()):
            file = unread.get(name)
            why = f"only {file}, which is not read" if file else "no tokenizer"
            message = f"{name} has {why}: whether its tokens are the others' cannot be told."
            yield Finding("warns", "tokenizer_missing", message, models=(name,))
    for name, theirs in others:
        if ours is not None and theirs is not None:
            yield from _ids(reference, ours, name, theirs, aligned)
            yield from _roles(reference, ours, name, theirs)
            yield from _templates(reference, ours, name, theirs)


def _ids(ref: str, ours: Tokens, name: str, theirs: Tokens, aligned: bool) -> Iterator[Finding]:
    moved = [t for t, at in ours.ids.items() if theirs.ids.get(t, at) != at]
    only = [sum(t not in b.ids for t in a.ids) for a, b in ((ours, theirs), (theirs, ours))]
    models, values = (ref, name), (f"{len(ours.ids)} tokens", f"{len(theirs.ids)} tokens")
    owners = {at: t for t, at in ours.ids.items()}
    clash = [t for t, at in theirs.ids.items() if owners.get(at, t) != t]
    if moved or clash:
        example = next(iter(moved or clash))
        message = (
            f"The vocabularies of {ref} and {name} differ: {len(moved)} shared token(s) have "
            f"another id, {only[0]} are in {ref} only and {only[1]} in {name} only; for example "
            f"{example!r:.60}. Averaged by position, rows of different tokens would be mixed."
        )
        if aligned:
            yield Finding("tells", "vocabulary", message, "", "", models, values)
        else:
            yield Finding("blocks", "vocabulary", message, _BY_TOKEN, "", models, values)
    elif only != [0, 0]:
        message = (
            f"{only[0]} token(s) are in {ref} only and {only[1]} in {name} only; all shared ones "
            "have the same id."
        )
        remedy = "" if aligned else _BY_TOKEN
        yield Finding("warns", "vocabulary", message, remedy, "", models, values)


def _roles(ref: str, ours: Tokens, name: str, theirs: Tokens) -> Iterator[Finding]:
    for role in ROLES:
        one, other = ours.special.get(role), theirs.special.get(role)
        if one != other:
            message = f"{role} is {one!r:.60} in {ref} and {other!r:.60} in {name}."
            remedy = f"The merged model keeps {ref}'s: make sure that the experts' prompts fit it."
            values = (repr(one)[:60], repr(other)[:60])
            yield Finding("warns", "special_token", message, remedy, "", (ref, name), values)


def _templates(ref: str, ours: Tokens, name: str, theirs: Tokens) -> Iterator[Finding]:
    if ours.template == theirs.template:
        return
    values = tuple(
        "none" if t is None else f"{len(t)} characters" for t in (ours.template, theirs.template)
    )
    message = f"The chat templates of {ref} and {name} differ ({values[0]} and {values[1]})."
    remedy = f"The merged model keeps {ref}'s; ask it in that form."
    yield Finding("warns", "chat_template", message, remedy, "", (ref, name), values)
