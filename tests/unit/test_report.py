"""The README's table of all methods is what was measured."""

import json
from pathlib import Path

import pytest

from merging.errors import MergeError
from merging.evaluation import Estimate
from merging.methods.registry import METHODS
from merging.recipe import make_recipe, write_recipe
from scripts import report, report_page

WORST = {"task": "Pears", "value": 0.5}
SHARE = {"value": 0.9, "low": 0.88, "high": 0.921}


def entry(**more: object) -> dict:
    preset = {"mean": SHARE, "worst": WORST, "per_task": False}
    return {"label": "Name", "family": "Family", "experts": ["a", "b", "c"],
            "gentle": {"preset": preset}, "bold": {"preset": preset}} | more  # fmt: skip


def test_a_row_by_hand() -> None:
    figures = {"mean": SHARE, "worst": WORST, "per_task": True}
    chosen = {"preset": figures, "chosen": {"scale": 0.3, **figures}}
    made = report.table(
        {"grid": [0.1, 1.0], "base": {}, "methods": [entry(gentle=chosen, experts=["a"])]}
    )
    share = "90.0 (88.0 to 92.1), Pears 50.0"
    assert made.splitlines()[-2:] == [
        "| *Family* | | | | |",
        f"| Name ² ³ | {share} | {share}, λ = 0.3 | {share} |  |",
    ]
    assert "the tuning half among\n0.1, 1." in made


def test_what_cannot_run_says_why() -> None:
    made = report.table({"grid": [], "base": {}, "methods": [entry(missing="no data.")]})
    assert made.splitlines()[-1] == "| Name | no data. | | | |"


def test_the_readme_holds_the_measured_table() -> None:
    scores = json.loads(report.SCORES.read_text("utf-8"))
    assert report.table(scores) in (report.ROOT / "README.md").read_text("utf-8")
    assert [e["id"] for e in scores["methods"]] == [spec.id for spec in METHODS]


def test_every_figure_lies_in_its_interval() -> None:
    scores = json.loads(report.SCORES.read_text("utf-8"))
    for found in scores["methods"]:
        for family in report.FAMILIES if "missing" not in found else ():
            for figures in found[family].values():
                mean = Estimate(**figures["mean"])
                assert 0 <= mean.low <= mean.value <= mean.high <= 1.2


def test_a_report_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page.Reports, "run", lambda self, record: record.key)
    recipe = make_recipe("linear", ["digits", "fashion"], set="gentle")
    source = tmp_path / "recipe.yaml"
    source.write_text(write_recipe(recipe), "utf-8")
    made = report_page.write_report(source, tmp_path / "out")
    assert made.read_text("utf-8") == recipe.key()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["report.html"]
    source.write_text(write_recipe(make_recipe("fisher", ["digits"], set="gentle")), "utf-8")
    with pytest.raises(MergeError, match="cannot run here"):
        report_page.write_report(source, tmp_path / "none")
    assert not (tmp_path / "none").exists()
