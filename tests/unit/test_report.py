"""The README's table of all methods is what was measured."""

import json

from merging.evaluation import Estimate
from merging.methods.registry import METHODS
from scripts import report

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
