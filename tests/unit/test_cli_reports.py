"""Commands that tell and write nothing: plan, diagnose, dialects."""

import json
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import SUM, command, named, weights, written
from safetensors.torch import save_file

from merging.cli import main
from merging.cli.dialects import comparison_table
from merging.dialects import Comparison, Distance, Option
from merging.engine.estimate import Estimate
from merging.recipe import make_recipe, parse_recipe


def test_a_plan_is_told_before_any_work(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    path = command(vit_family, named(SUM, vit_family), tmp_path / "out")[1]
    assert main(["plan", path, "--device", "cpu", "--threads", "2", "--memory", "100MB"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    count = len(weights(vit_family / "base"))
    assert head == "Task arithmetic (paper), 2 expert(s)"
    assert [row.split()[0] for row in rows] == [
        *("tensors", "passes", "reads", "writes", "memory", "pieces", "time", "device")
    ]
    assert rows[0].endswith(f"{count}: {count} merged, 0 copied, 0 left out")
    assert rows[4].endswith("MB of 100 MB, which is too little")
    assert rows[5].endswith("weights at a time, 2 worker(s)")
    assert rows[7].endswith("cpu: asked for")
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


def test_a_plan_for_machines(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits, fashion]\nmethod: ties\n"
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["plan", path, "--json", "--device", "cpu", "--memory", "4GiB"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"] == parse_recipe(recipe).key()
    assert (told["method"], told["dialect"], told["experts"]) == ("ties", "paper", 2)
    assert told["tensors"] == told["merged"] + told["copied"] + told["left_out"]
    assert (told["passes"], told["streams"]) == (3, True)
    assert (told["budget"], told["fits"]) == (4 << 30, True)
    assert told.keys() >= {f.name for f in fields(Estimate)}


def test_a_diagnosis_needs_a_base(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = f"format: merge-explorer/1\nexperts: ['{vit_family}/one']\nmethod: linear\n"
    assert main(["diagnose", written(tmp_path / "recipe.yaml", recipe)]) == 1
    assert "diagnose looks at changes from a base" in capsys.readouterr().err


def figure(value: float, basis: int) -> dict[str, Any]:
    return {
        "value": pytest.approx(value),
        "low": pytest.approx(value),
        "high": pytest.approx(value),
        "exact": True,
        "basis": basis,
        "too_few": basis < 50,
    }


def by_hand(folder: Path) -> str:
    """Of 100 weights both experts raise 60, 30 are raised by one and lowered by the other."""
    one, two = torch.zeros(100), torch.zeros(100)
    one[:95], two[:60], two[60:90] = 1.0, 1.0, -1.0
    for name, change in (("base", torch.zeros(100)), ("one", one), ("two", two)):
        (folder / name).mkdir()
        save_file({"layers.0.mlp.fc1.weight": change}, folder / name / "model.safetensors")
    text = "format: merge-explorer/1\nbase: base\nexperts: [one, two]\nmethod: task_arithmetic\n"
    return written(folder / "recipe.yaml", text + "params: {scale: 0.5}\n")


def test_what_a_recipe_does_is_diagnosed(tmp_path: Path, capsys: Any) -> None:
    path = by_hand(tmp_path)
    assert main(["diagnose", path, "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["dialect"]) == ("task_arithmetic", "paper")
    cell = told["cells"]["L0 up"]
    for where in (told, cell):
        assert where["agree"] == figure(0.6, 100)
        assert where["contested"] == figure(0.3, 100)
        assert where["disjoint"] == figure(0.05, 100)
        assert where["untouched"] == figure(0.05, 100)
        assert where["share"] == figure(1 / 3, 90)
        assert where["chance"] == figure(0.5, 90)
    assert told["norm"]["value"] == pytest.approx((60 * 1 + 5 * 0.25) ** 0.5)
    assert told["experts"]["one"]["kept"]["value"] == 1.0
    assert told["flips"] is None
    assert told["inert"] == [{"control": "seed", "expert": ""}]  # nothing is drawn


def test_a_diagnosis_for_people(tmp_path: Path, capsys: Any) -> None:
    path = by_hand(tmp_path)
    assert main(["diagnose", path, "--quiet"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("task_arithmetic (paper), recipe ")
    rows = [line.split() for line in shown]
    assert ["L0", "up", "60.0", "5.0", "30.0", "5.0", "33.3", "50.0"] in rows
    assert ["one", "100.0", "100.0", "-"] in rows


def test_a_diagnosis_against_another_recipe(tmp_path: Path, capsys: Any) -> None:
    """Turning both weights round turns every merged sign; a recipe of other experts is refused."""
    path = by_hand(tmp_path)
    text = (
        Path(path)
        .read_text()
        .replace("[one, two]", "[{id: one, weight: -1.0}, {id: two, weight: -1.0}]")
    )
    other = written(tmp_path / "other.yaml", text)
    assert main(["diagnose", path, "--against", other, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["flips"]["value"] == pytest.approx(0.65)
    strange = written(tmp_path / "strange.yaml", text.replace("id: two", "id: base"))
    assert main(["diagnose", path, "--against", strange]) == 1
    assert "has an expert 'base' that" in capsys.readouterr().err


# --- Dialects -------------------------------------------------------------------------------------


def test_dialects_of_a_bundled_set_are_told(tmp_path: Path, capsys: Any) -> None:
    recipe = """format: merge-explorer/1
set: gentle
experts: [{id: digits, weight: 1.0}, {id: fashion, weight: -0.5}]
method: ties
params: {density: 1.0, voters: unweighted, scale: 0.3}
"""
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["dialects", path, "--device", "cpu"]) == 0
    first, second, third = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[0] == "TIES: paper against mergekit"
    assert "  combine: mean here, weighted_mean there" in first
    assert "  refused: A weight is -0.5, and combine weighted_mean divides" in first
    head, *rows = third.splitlines()
    assert head == "TIES: paper against fusion_bench"
    assert rows[0] == "  combine: mean here, sum there"
    assert rows[1].split() == ["difference", "largest", "signs"]
    assert re.fullmatch(r"  whole model +\d+\.\d\d% +\d\.\d\de[-+]\d\d +0\.00%", rows[2])
    assert "against peft" in second


def test_dialects_of_folders_are_told(family: Path, tmp_path: Path, capsys: Any) -> None:
    text = named(SUM, family).replace(": base", f": {family}/base")
    path = written(tmp_path / "recipe.yaml", text)
    assert main(["dialects", path, "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "Task arithmetic: paper against mergekit\n  no option differs" in shown
    assert len(shown.splitlines()) == 3 * (4 + len(weights(family / "base"))) + 2


def test_a_distance_is_no_share_of_a_change_that_is_none() -> None:
    gap = Distance(math.inf, 1.5, 1.0, 4)
    found = Comparison("mergekit", (Option("scale", 0.0, 1.0),), {"w": gap}, gap)
    recipe = make_recipe("ties", ["a"])
    assert comparison_table(recipe, (found,)).splitlines() == [
        "TIES: paper against mergekit",
        "  scale: 0.0 here, 1.0 there",
        "                difference    largest    signs",
        "  whole model    no change   1.50e+00  100.00%",
        "  w              no change   1.50e+00  100.00%",
    ]


def test_a_method_with_one_dialect_says_so(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits]\nmethod: wise_ft\n"
    assert main(["dialects", written(tmp_path / "recipe.yaml", recipe)]) == 0
    assert capsys.readouterr().out == "WiSE-FT has one dialect only: paper.\n"


def test_dialects_for_machines(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits]\nmethod: task_arithmetic\n"
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["dialects", path, "--json", "--quiet", "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [other["dialect"] for other in told["others"]] == ["mergekit", "peft", "fusion_bench"]
    assert told["others"][0]["options"] == [{"name": "scale", "ours": 0.3, "theirs": 1.0}]
    assert told["others"][0]["whole"]["relative"] == pytest.approx(0.7 / 0.3)


def test_dialects_of_a_recipe_that_is_not_there(tmp_path: Path, capsys: Any) -> None:
    assert main(["dialects", str(tmp_path / "none.yaml")]) == 1
    assert "Cannot read the recipe" in capsys.readouterr().err
