"""``plan RECIPE``: what a merge would do and take, before any work."""

from dataclasses import asdict
from typing import Any

from merging.cli.models import plan_of
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.engine import Plan
from merging.engine.estimate import Estimate, estimate
from merging.units import size_text, time_text


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Plan a recipe's file; a budget that is too small is told, not refused.

    Raises:
        MergeError: The recipe, the models or the device refuse.
    """
    plan, _ = plan_of(options.recipe)
    told = estimate(plan, options.device, options.memory, options.threads)
    recipe, fits = plan.recipe, options.memory is None or told.memory <= options.memory
    data: dict[str, Any] = {
        "recipe": recipe.key(),
        "method": recipe.method,
        "dialect": recipe.dialect,
        "experts": len(recipe.experts),
        **asdict(told),
        "budget": options.memory,
        "fits": fits,
    }
    return Answer(plan_text(plan, told, options.memory), data)


def plan_text(plan: Plan, told: Estimate, budget: int | None) -> str:
    """Return an estimate as a table of words and figures.

    Args:
        plan: What would be done.
        told: What it takes.
        budget: Bytes of memory allowed, or None.
    """
    recipe = plan.recipe
    pieces = f"{told.chunk:,} weights at a time, {told.workers} worker(s)"
    whole = "" if told.streams else f"; no smaller pieces: {told.whole_for}"
    rows = {
        "tensors": f"{told.tensors}: {told.merged} merged, {told.copied} copied, "
        f"{told.left_out} left out",
        "passes": f"{told.passes}",
        "reads": size_text(told.read_bytes),
        "writes": size_text(told.written_bytes),
        "memory": size_text(told.memory) + _of_budget(told.memory, budget),
        "pieces": pieces + whole,
        "no stop in": told.longest_call,
        "time": f"about {time_text(told.seconds)}",
        "device": f"{told.device}: {told.why}",
    }
    head = f"{recipe.spec.label} ({recipe.dialect}), {len(recipe.experts)} expert(s)"
    width = max(map(len, rows))
    lines = [f"  {name:{width}}  {said}" for name, said in rows.items() if said]
    return "\n".join([head, *lines])


def _of_budget(memory: int, budget: int | None) -> str:
    if budget is None:
        return ""
    return f" of {size_text(budget)}" + ("" if memory <= budget else ", which is too little")
