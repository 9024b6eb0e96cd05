"""One recipe as a file of its own: verdicts, charts and numbers as the app shows them.

    scripts/report --recipe RECIPE.yaml --out DIR

merges and scores the recipe and writes DIR/report.html, which needs neither the app nor a network.
It is the report that the page offers of a run (``ui.reports``).
"""

from pathlib import Path

from merging.experiment import merge_and_evaluate
from merging.jobs import JobRunner
from merging.recipe import parse_recipe
from ui.reports import Reports
from ui.services import Services


def write_report(source: Path, out: Path) -> Path:
    """Merge and score the recipe of a file, and write its report.

    Raises:
        RecipeError: The file holds no recipe of a bundled set.
    """
    recipe = parse_recipe(source.read_text("utf-8"))
    services = Services(JobRunner())
    try:
        services.warm()
        services.check(recipe)
        page = Reports(services).run(merge_and_evaluate(recipe))
    finally:
        services.close()
    out.mkdir(parents=True, exist_ok=True)
    half = out / "report.html.part"
    half.write_text(page, "utf-8")
    return half.replace(out / "report.html")
