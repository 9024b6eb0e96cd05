"""Findings on tokens: vocabularies, special tokens and chat templates."""

from collections.abc import Iterator, Mapping

from merging.checkpoints.align import BY_TOKEN, clash_text
from merging.checkpoints.tokens import ROLES, Tokens
from merging.checkpoints.vocabulary import difference
from merging.preflight.findings import Finding, Severity
from merging.recipe.tokens import POSITION


def vocabularies(
    known: Mapping[str, Tokens | None], unread: Mapping[str, str], told: str | None
) -> Iterator[Finding]:
    """Compare the tokens of the first model with those of all others.

    Args:
        known: Of every model by its name, the reference first; None where nothing is known.
        unread: Names of tokenizer files that are not read, by model.
        told: What the recipe says of the tokenizer, or None.
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
            yield from _ids(reference, ours, name, theirs, told)
            yield from _roles(reference, ours, name, theirs)


def _ids(ref: str, ours: Tokens, name: str, theirs: Tokens, told: str | None) -> Iterator[Finding]:
    found = difference(ours, theirs)
    models, values = (ref, name), (f"{len(ours.ids)} tokens", f"{len(theirs.ids)} tokens")
    if found.example is not None:
        message = clash_text(ref, name, found)
        if told is None:
            yield Finding("blocks", "vocabulary", message, BY_TOKEN, "", models, values)
        elif told == POSITION:
            remedy = "tokenizer: position asks for it; take the line out to be sure."
            yield Finding("warns", "vocabulary", message, remedy, "", models, values)
        else:
            yield Finding("tells", "vocabulary", message, "", "", models, values)
    elif found.only != (0, 0):
        message = (
            f"{found.only[0]} token(s) are in {ref} only and {found.only[1]} in {name} only; all "
            "shared ones have the same id."
        )
        remedy = BY_TOKEN if told in (None, POSITION) else ""
        yield Finding("warns", "vocabulary", message, remedy, "", models, values)


def _roles(ref: str, ours: Tokens, name: str, theirs: Tokens) -> Iterator[Finding]:
    for role in ROLES:
        one, other = ours.special.get(role), theirs.special.get(role)
        if one != other:
            message = f"{role} is {one!r:.60} in {ref} and {other!r:.60} in {name}."
            remedy = f"The merged model keeps {ref}'s: make sure that the experts' prompts fit it."
            values = (repr(one)[:60], repr(other)[:60])
            yield Finding("warns", "special_token", message, remedy, "", (ref, name), values)


def templates(known: Mapping[str, Tokens | None], told: str | None) -> Iterator[Finding]:
    """Compare the chat template that a merge takes with those of all other models.

    Taken is that of the tokenizer's model; where it has none, that of the first model whose
    tokenizer is the same, as ``merging.export`` does.

    Args:
        known: Of every model by its name, the reference first; None where nothing is known.
        told: What the recipe says of the tokenizer, or None.
    """
    there = {name: tokens for name, tokens in known.items() if tokens is not None}
    if not there:
        return
    owner = told if told in there else next(iter(there))
    kept = _taken(there, str(owner))
    for name, theirs in there.items():
        if name == kept or (kept and theirs.template == there[kept].template):
            continue
        if kept is None and theirs.template is not None:
            message = f"The chat template of {name} is not taken: its tokenizer is not {owner}'s."
            remedy = "Name one in the recipe (chat_template), if the merged model is to chat."
            yield Finding("warns", "chat_template", message, remedy, "", (str(owner), name))
        elif kept is not None:
            texts = (there[kept].template, theirs.template)
            values = tuple("none" if t is None else f"{len(t)} characters" for t in texts)
            message = f"The chat templates of {kept} and {name} differ ({' and '.join(values)})."
            remedy = f"The merged model keeps {kept}'s; ask it in that form."
            severity: Severity = "warns" if theirs.template is not None else "tells"
            yield Finding(severity, "chat_template", message, remedy, "", (kept, name), values)


def _taken(there: Mapping[str, Tokens], owner: str) -> str | None:
    """The model whose chat template a merge takes, or None."""
    same = [n for n, t in there.items() if t.template is not None and t.ids == there[owner].ids]
    return owner if owner in same else next(iter(same), None)
