"""``merge RECIPE --out DIR``: merge a recipe into a model folder."""

import os.path
from pathlib import Path

from merging.cli.models import Models, plan_of
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.engine import Outcome, Plan, run
from merging.engine.estimate import check_budget, estimate
from merging.engine.output import write_model
from merging.errors import SourceError


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Merge a recipe's file and say what was written.

    The recipe names a bundled set, or paths of the base and the experts, relative to the recipe.

    Raises:
        MergeError: The recipe, the models, the budget or the disk refuse; nothing is written then.
    """
    _check_free(options.out)
    plan, models = plan_of(options.recipe)
    told = estimate(plan, options.device, options.memory, options.threads)
    check_budget(told, options.memory)
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
        MergeError: As ``run`` and ``write_model``.
    """
    scorer = None
    if models.opened is not None and plan.recipe.spec.needs.data == "scorer":
        from merging.experiment import tuning_scorer

        scorer = tuning_scorer(models.opened)
    outcome = run(plan, progress, options.device, scorer=scorer)
    relative_to = str(options.recipe.resolve().parent)
    return write_model(outcome, dict(plan.reference.config()), options.out, relative_to)


def _check_free(folder: Path) -> None:
    """Refuse before the work what ``write_model`` would refuse after it."""
    if os.path.exists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{str(folder)!r} exists already. Choose another --out.")
