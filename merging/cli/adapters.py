"""``merge`` of adapters alone, into an adapter: ``--as-adapter RANK``, or a recipe without base."""

from collections.abc import Mapping

from merging.checkpoints.adapter_file import AdapterFile
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.engine.adapter_output import write_adapter
from merging.engine.adapters import MergedAdapter, merge_adapters
from merging.engine.claim import Claim
from merging.recipe import Recipe

_HOW = {
    "factors": "A and B merged apart, as peft does",
    "joined": "an exact sum",
    "cut": "true deltas, cut to the rank",
}


def answer_adapters(
    recipe: Recipe, adapters: Mapping[str, AdapterFile], options: Options, progress: ProgressPrinter
) -> Answer:
    """Merge adapters into a folder that peft loads and tell the energy that was kept.

    Args:
        recipe: Its experts are ``adapters``.
        adapters: By expert id.
        options: ``out``, ``as_adapter`` and ``device``.
        progress: Called with the share done and a word.

    Raises:
        MergeError: The recipe, an adapter or the disk refuses; nothing is written then.
    """
    Claim(options.out).release()  # before any work
    merged = merge_adapters(recipe, adapters, options.as_adapter, progress, options.device)
    write_adapter(merged, options.out)
    progress(1.0, "merged")
    return Answer(
        _text(merged, options),
        {
            "folder": options.out,
            "recipe": recipe.key(),
            "method": recipe.method,
            "dialect": recipe.dialect,
            "how": merged.how,
            "energy_kept": merged.kept,
            "modules": {
                name: {"rank": f.a.shape[0], "energy_kept": f.kept}
                for name, f in merged.factors.items()
            },
            "seconds": merged.seconds,
        },
    )


def _text(merged: MergedAdapter, options: Options) -> str:
    ranks = sorted({f.a.shape[0] for f in merged.factors.values()})
    lines = [
        f"wrote {options.out}: an adapter of rank {', '.join(map(str, ranks))} on "
        f"{len(merged.factors)} modules ({_HOW[merged.how]}), {merged.seconds:.2f} s",
        f"  energy kept: {merged.kept:.2%}",
    ]
    if merged.how == "cut":
        width = max(map(len, merged.factors))
        lines += [f"  {name:{width}}  {f.kept:7.2%}" for name, f in merged.factors.items()]
    return "\n".join(lines)
