"""``merge RECIPE --out DIR``: merge a recipe into a model folder."""

from dataclasses import asdict, replace

from merging.checkpoints.adapter_file import AdapterFile
from merging.checkpoints.base import TensorInfo
from merging.checkpoints.opening import adapter_at
from merging.cli.models import Models, planned
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.cli.series import read_series
from merging.engine import Outcome, Plan
from merging.engine.commit import commit
from merging.engine.estimate import estimate
from merging.engine.sink import outputs_of
from merging.errors import CompatibilityError, RecipeError
from merging.export import Extras
from merging.export.verify import Verdict, record, verify
from merging.recipe import Recipe


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Merge a recipe's file and say what was written.

    The recipe names a bundled set, or paths of the base and the experts, relative to the recipe.
    Adapters alone are merged into an adapter. Of several documents each is merged in turn.

    Raises:
        MergeError: The recipe, the models, the budget or the disk refuse; nothing is written then,
            but models of documents before stay. Or what was written does not pass its check; it is
            kept.
    """
    series = read_series(options.recipe, options.out)
    told = [answer_one(r, replace(options, out=out), progress) for r, out in series]
    if len(told) == 1:
        return told[0]
    data = {**told[-1].data, "documents": [one.data for one in told]}
    return Answer("\n".join(one.text for one in told), data)


def answer_one(recipe: Recipe, options: Options, progress: ProgressPrinter) -> Answer:
    """Merge one recipe into ``options.out``; see ``answer``."""
    adapters = adapters_of(recipe, options)
    if adapters is not None:
        from merging.cli.adapters import answer_adapters

        return answer_adapters(recipe, adapters, options, progress)
    plan, models = planned(recipe, options.recipe.parent)
    told = estimate(plan, options.device, options.memory, options.threads)
    progress.total = told.read_bytes + told.written_bytes
    outcome = carry_out(plan, models, options, progress)
    verdict = _checked(plan, options) if options.verify else None
    actions = [entry.action for entry in outcome.report]
    merged = actions.count("merge")
    return Answer(
        f"wrote {options.out}: {merged} tensors merged, {len(actions) - merged} copied or left "
        f"out, {outcome.seconds:.2f} s on {outcome.device}{_told(verdict)}",
        {
            "folder": options.out,
            "recipe": outcome.recipe.key(),
            "method": outcome.recipe.method,
            "dialect": outcome.recipe.dialect,
            "merged": merged,
            "copied": actions.count("copy") + actions.count("tie"),
            "left_out": actions.count("leave_out"),
            "seconds": outcome.seconds,
            "device": outcome.device,
            "verified": None if verdict is None else asdict(verdict),
        },
    )


def _told(verdict: Verdict | None) -> str:
    return "; not checked" if verdict is None else f"\nchecked: {verdict.text()}"


def _checked(plan: Plan, options: Options) -> Verdict:
    """Look at what was written; a folder that fails is kept, so that it can be looked at."""
    whole = plan.recipe.spec.whole is not None
    slots = {} if whole else outputs_of(plan)
    expected = {n: TensorInfo(s.shape, s.dtype) for n, s in slots.items()}
    try:
        verdict = verify(options.out, expected or None, options.memory)
        record(options.out, verdict)
    except KeyboardInterrupt as stop:
        said = f"interrupted; {str(options.out)!r} is written whole, but was not checked"
        raise KeyboardInterrupt(said) from stop
    if verdict.ok:
        return verdict
    raise CompatibilityError(
        f"{str(options.out)!r} was written, but does not pass its check: {verdict.text()} The "
        "folder is kept so that you can look at it (merge_report.json says what was done); delete "
        "it before you merge again."
    )


def adapters_of(recipe: Recipe, options: Options) -> dict[str, AdapterFile] | None:
    """Return the experts of a recipe of adapters alone, or None where a model is to be made.

    That is so with ``--as-adapter``, and where there is no base and all experts are adapters.

    Raises:
        RecipeError: ``--as-adapter`` is given and an expert is no adapter.
        MergeError: The recipe or an adapter refuses.
    """
    beside, found = options.recipe.parent, {}
    if options.as_adapter is None and (recipe.base is not None or recipe.set is not None):
        return None
    for expert in recipe.experts:
        adapter = None if recipe.set else adapter_at(expert.id, beside, recipe.base)
        if adapter is not None:
            found[expert.id] = adapter
        elif options.as_adapter is None:
            return None
        else:
            raise RecipeError(
                f"--as-adapter merges adapters, and {expert.id!r:.80} is none over the recipe's "
                "own base. Leave the option out to merge into a model."
            )
    return found


def carry_out(plan: Plan, models: Models, options: Options, progress: ProgressPrinter) -> Outcome:
    """Merge and write a plan; the only place of the command line that calls the engine.

    Args:
        plan: What to do.
        models: What the plan was made from; a bundled set can score, for methods that choose.
        options: ``out``, ``device``, ``memory`` and ``threads`` (torch is set to them).
        progress: Called with the share done and a word.

    Raises:
        MergeError: As ``commit``.
    """
    scorer = None
    if models.opened is not None and plan.recipe.spec.needs.data == "scorer":
        from merging.experiment import tuning_scorer

        scorer = tuning_scorer(models.opened)
    return commit(
        plan,
        options.out,
        progress,
        options.device,
        scorer=scorer,
        memory=options.memory,
        threads=options.threads,
        relative_to=str(options.recipe.resolve().parent),
        extras=Extras(licences=models.licences()),
    )
