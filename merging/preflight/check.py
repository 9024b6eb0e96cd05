"""Check a recipe and its models before any work; nothing is merged and nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, replace
from pathlib import Path

from merging.checkpoints.align import folder_of
from merging.checkpoints.aligned import AlignedCheckpoint
from merging.checkpoints.base import Checkpoint
from merging.checkpoints.families import GENERAL, cells_of
from merging.checkpoints.folder import FolderCheckpoint
from merging.checkpoints.layouts import ROOT
from merging.checkpoints.licence import licences_of
from merging.checkpoints.tokens import Tokens, read_tokens, unread_tokenizer
from merging.checkpoints.under import folder_under
from merging.engine.estimate import estimate
from merging.engine.plan import Plan, make_plan
from merging.errors import CompatibilityError, MergeError, RecipeError, SourceError
from merging.export import gather
from merging.preflight.findings import Finding, Findings, sorted_findings
from merging.preflight.licences import licences
from merging.preflight.resources import resources
from merging.preflight.texts import templates, vocabularies
from merging.preflight.weights import architectures, tensors
from merging.recipe import Recipe
from merging.recipe.tokens import POSITION, UNION


def check(
    recipe: Recipe,
    base: Checkpoint | None,
    models: Mapping[str, Checkpoint],
    *,
    folder: Path = Path(),
    device: str | None = None,
    memory: int | None = None,
    known_licences: Mapping[str, str] = {},
) -> Findings:
    """Return all that speaks against a merge, or is worth knowing before it.

    A merge that ``make_plan`` refuses has a finding that blocks, always.

    Args:
        recipe: What to merge.
        base: The shared starting point, or None.
        models: A checkpoint for every expert id.
        folder: Where the result would be written.
        device: Where it would be computed.
        memory: Budget in bytes, or None.
        known_licences: Of models by name, where they are known from elsewhere.

    Returns:
        Findings, the worst first.

    Raises:
        RecipeError: The recipe itself cannot be used.
    """
    found: list[Finding] = []
    experts = [models[e.id] for e in recipe.ordered().experts]
    everyone = [m for m in (base, *experts) if m is not None]
    found += _texts(recipe, everyone)
    found += _card(everyone, known_licences)
    found += _layouts(everyone)
    if base is not None and recipe.spec.needs_base(recipe.settings()):
        found += _unchanged(base, experts)
    plan: Plan | None = None
    refusal = ""
    try:
        plan = make_plan(recipe, base, models)
    except CompatibilityError as error:
        refusal = str(error)
    except SourceError as error:
        found.append(unreadable(error))
    found += _configs(everyone)
    blocked = any(f.severity == "blocks" for f in found)
    found += _weights(plan, base, experts, refusal, recipe, blocked)
    if plan is not None:
        found += _rows(plan)
        found += _costs(plan, folder, device, memory)
    return sorted_findings(found)


def unreadable(error: MergeError) -> Finding:
    """Return the finding for a model that cannot be read, or not as the recipe asks."""
    if isinstance(error, CompatibilityError):
        return Finding("blocks", "incompatible", str(error))
    return Finding("blocks", "unreadable", str(error), "Repair or replace the model.")


def _unchanged(base: Checkpoint, experts: list[Checkpoint]) -> Iterator[Finding]:
    """Experts that are the base's own files."""
    own = base.files if isinstance(base, FolderCheckpoint) else {}
    for expert in experts:
        if own and isinstance(expert, FolderCheckpoint) and expert.files == own:
            said = f"{expert.name} is the base itself: its task vector is 0 everywhere."
            remedy = "Choose a model that was made from the base."
            yield Finding("warns", "unchanged", said, remedy, models=(base.name, expert.name))


def _configs(everyone: list[Checkpoint]) -> Iterator[Finding]:
    """Configs that cannot be read: the reference's is written, the others' only compared."""
    for place, model in enumerate(everyone):
        try:
            model.config()
        except SourceError as error:
            remedy = "Repair it: whether this is the same network cannot be told."
            found = Finding("warns", "config_unreadable", str(error), remedy, models=(model.name,))
            yield unreadable(error) if place == 0 else found


def _other_network(finding: Finding, refusal: str) -> Finding:
    """The finding that a model is of another kind, where this is why nothing can be merged."""
    (one, other), (ours, theirs) = finding.models, finding.values
    message = f"model_type is {ours} in {one} and {theirs} in {other}: these are other networks."
    remedy = f"Choose models of one architecture. {refusal}".strip()
    return replace(finding, severity="blocks", message=message, remedy=remedy)


def _weights(
    plan: Plan | None,
    base: Checkpoint | None,
    experts: list[Checkpoint],
    refusal: str,
    recipe: Recipe,
    blocked: bool,
) -> Iterator[Finding]:
    """Findings on weights; ``blocked`` says that the refusal of a plan is told already."""
    tied = None
    if plan is not None:
        base, experts = plan.base, list(plan.experts)
        tied = {s.tensor: s.source for s in plan.steps if s.action == "tie"}
    reference = base or experts[0]
    other = False
    for finding in architectures(reference, experts):
        apart = plan is None and finding.message.startswith("model_type ")
        other = other or apart
        yield _other_network(finding, refusal) if apart else finding
    if other:
        return
    if plan is not None or (refusal and recipe.tokenizer in (None, POSITION)):
        try:
            for finding in tensors(reference, experts, tied):
                blocked = blocked or finding.severity == "blocks"
                yield finding
        except SourceError as error:
            yield unreadable(error)
    if refusal and not blocked:
        yield Finding("blocks", "incompatible", refusal, "Choose models that fit together.")
    cells = cells_of(reference, _config(reference))
    if cells.family is GENERAL or cells.unknown:
        yield Finding("tells", "family", cells.sentence(), models=(reference.name,))


def _texts(recipe: Recipe, everyone: list[Checkpoint]) -> Iterator[Finding]:
    told = recipe.tokenizer
    known: dict[str, Tokens | None] = {}
    unread = {}
    read: dict[Path, Tokens | None] = {}  # adapters share the folder of their base
    for model in everyone:
        known[model.name] = None
        folder = folder_of(model)
        if folder is None:
            continue
        unread[model.name] = unread_tokenizer(folder)
        try:
            if folder not in read:
                read[folder] = read_tokens(folder, model.name)
            known[model.name] = read[folder]
        except SourceError as error:
            remedy = "Repair its tokenizer's files."
            yield Finding("warns", "tokenizer_unreadable", str(error), remedy, models=(model.name,))
    yield from vocabularies(known, unread, recipe.tokenizer)
    if recipe.chat_template is None:
        yield from templates(known, everyone[0].name if told == "base" else told)


def _card(everyone: list[Checkpoint], known: Mapping[str, str]) -> Iterator[Finding]:
    told: dict[str, str] = {}
    for model in everyone:
        said = known.get(model.name, "").lower()
        told |= {model.name: said} if said else licences_of(model)
    yield from licences(told)


def _rows(plan: Plan) -> Iterator[Finding]:
    """Say where the rows of aligned vocabularies come from."""
    for model in (plan.base, *plan.experts):
        if isinstance(model, AlignedCheckpoint):
            counts = (str(n) for n in astuple(model.counts()))
            message = f"Rows by token: {model.sentence()}."
            yield Finding("tells", "aligned", message, "", "", (model.name,), tuple(counts))
    models = [m for m in (plan.base, *plan.experts) if m is not None]
    views = [m for m in models if isinstance(m, AlignedCheckpoint)]
    target = views[0].group.target if views else None
    if target is not None and (target.source == UNION or target.more):
        along = gather(models)
        if why := along.left.get("tokenizer"):
            remedy = "Save the tokenizers anew with save_pretrained, or take tokenizer: base."
            yield Finding("warns", "tokenizer_union", f"No tokenizer is written: {why}.", remedy)
        else:
            yield Finding("tells", "tokenizer_union", along.notes[0])


def _layouts(everyone: list[Checkpoint]) -> Iterator[Finding]:
    """Say where the parts of a model go that lie in folders of their own."""
    found = folder_under(everyone[0])
    if found is not None and found.homes != (ROOT,):
        places = ", ".join(home.file for home in found.homes[:8])
        message = f"The merge is written in {found.name}'s layout ({found.layout}): {places}."
        models, values = (everyone[0].name,), (found.layout,)
        yield Finding("tells", "layout", message, "", "", models, values)


def _costs(plan: Plan, folder: Path, device: str | None, memory: int | None) -> Iterator[Finding]:
    try:
        yield from resources(estimate(plan, device, memory), folder, memory)
    except RecipeError:
        raise
    except MergeError as error:
        yield Finding("blocks", "resources", str(error))


def _config(model: Checkpoint) -> Mapping[str, object]:
    try:
        return model.config()
    except SourceError:
        return {}
