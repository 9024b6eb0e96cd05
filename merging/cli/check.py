"""``check RECIPE``: what speaks against a merge, before any work."""

from merging.cli.models import open_models, read_file
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.errors import CompatibilityError, SourceError
from merging.preflight import Findings, check
from merging.preflight.check import unreadable
from merging.preflight.findings import sorted_findings

WORDS = {"blocks": "BLOCKS", "warns": "warns ", "tells": "tells "}
MOST_ALIKE = 8  # findings with one code that are written out as text


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Check a recipe's file and its models.

    Returns:
        The findings; exit code 0, or 1 where one of them blocks.

    Raises:
        RecipeError: The recipe cannot be used.
        SourceError: Its file cannot be read.
    """
    recipe = read_file(options.recipe)
    try:
        models = open_models(recipe, options.recipe.parent)
    except (CompatibilityError, SourceError) as error:
        found = sorted_findings([unreadable(error)])
    else:
        found = check(
            recipe,
            models.base,
            models.experts,
            folder=options.recipe.resolve().parent,
            device=options.device,
            memory=options.memory,
            known_licences=models.licences(),
        )
    data = {"recipe": recipe.key(), "blocks": found.blocks, "findings": found.entries}
    return Answer(findings_text(found), data, code=int(found.blocks))


def findings_text(found: Findings) -> str:
    """Return findings as lines for people; many of one kind are counted."""
    lines, said = [], dict[str, int]()
    for finding in found.entries:
        said[finding.code] = said.get(finding.code, 0) + 1
        if said[finding.code] <= MOST_ALIKE:
            remedy = f" {finding.remedy}" if finding.remedy else ""
            lines.append(f"{WORDS[finding.severity]}  {finding.code}: {finding.message}{remedy}")
    lines += [
        f"        and {count - MOST_ALIKE} more of {code}; --json tells all"
        for code, count in said.items()
        if count > MOST_ALIKE
    ]
    counts = [sum(f.severity == s for f in found.entries) for s in WORDS]
    lines.append(f"{counts[0]} block(s), {counts[1]} warning(s), {counts[2]} note(s)")
    return "\n".join(lines)
