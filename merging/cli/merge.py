"""``merge RECIPE --out DIR``: merge a recipe into a model folder."""

from merging.cli.models import Models, plan_of
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.engine import Outcome, Plan
from merging.engine.commit import commit
from merging.engine.estimate import estimate


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Merge a recipe's file and say what was written.

    The recipe names a bundled set, or paths of the base and the experts, relative to the recipe.

    Raises:
        MergeError: The recipe, the models, the budget or the disk refuse; nothing is written then.
    """
    plan, models = plan_of(options.recipe)
    told = estimate(plan, options.device, options.memory, options.threads)
    progress.total = told.read_bytes + told.written_bytes
    outcome = carry_out(plan, models, options, progress)
    actions = [entry.action for entry in outcome.report]
    merged = actions.count("merge")
    return Answer(
        f"wrote {options.out}: {merged} tensors merged, {len(actions) - merged} copied or left "
        f"out, {outcome.seconds:.2f} s on {outcome.device}",
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
        },
    )


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
    )
