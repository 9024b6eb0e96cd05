"""The README's example of a new method, taken as it stands there and registered at run time."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders import checkpoints, row

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.errors import ParameterError
from merging.methods import registry
from merging.methods.reference import reference
from merging.methods.spec import MethodSpec
from merging.recipe import make_recipe, parse_recipe, write_recipe
from ui.settings import default_values, preset
from ui.views.chooser import chooser_value
from ui.views.panel import panel_value, read_panel

README = Path(__file__).resolve().parents[2] / "README.md"
MODELS = {"a": {"w": row(1, 5)}, "b": {"w": row(2, 9)}, "c": {"w": row(7, 6)}}
BASE = MemoryCheckpoint("base", {"w": row(1, 1)})


@pytest.fixture
def median(monkeypatch: pytest.MonkeyPatch) -> MethodSpec:
    """The method of the README, in the registry."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    module: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), module)
    spec = module["MEDIAN"]
    assert isinstance(spec, MethodSpec)
    monkeypatch.setattr(registry, "METHODS", (*registry.METHODS, spec))
    return spec


def test_it_merges(median: MethodSpec) -> None:
    recipe = make_recipe("median", ["a", "b", "c"], params={"scale": 0.5})
    plan = make_plan(recipe, BASE, checkpoints(MODELS))
    assert run(plan, device="cpu").tensors["w"].tolist() == [1 + 0.5 * 1, 1 + 0.5 * 5]


def test_it_keeps_its_promise_on_identical_experts(median: MethodSpec) -> None:
    recipe = make_recipe("median", ["a", "b"], params=dict(median.unit))
    same = {"a": MODELS["c"], "b": MODELS["c"]}
    plan = make_plan(recipe, BASE, checkpoints(same))
    assert run(plan, device="cpu").tensors["w"].tolist() == [7, 6]


def test_its_recipes_are_read_written_and_checked(median: MethodSpec) -> None:
    recipe = make_recipe("median", ["a", "b"], params={"scale": 0.25})
    assert parse_recipe(write_recipe(recipe)) == recipe
    with pytest.raises(ParameterError, match="scale is nan"):
        make_recipe("median", ["a"], params={"scale": float("nan")})
    with pytest.raises(ParameterError, match="Median has no weights"):
        make_recipe("median", {"a": 0.5})


def test_the_page_has_it(median: MethodSpec) -> None:
    values = replace(default_values("gentle", ["a", "b"]), method="median")
    drawn = panel_value(values, {})
    assert [c["label"] for c in drawn["controls"]] == ["Strength λ"]
    assert read_panel(json.dumps(drawn)).methods == {"median": preset(median)}
    shown = chooser_value("ties", {})
    assert "Median" in [m["label"] for f in shown["families"] for m in f["methods"]]


def test_the_reference_has_it(median: MethodSpec) -> None:
    text = reference(registry.METHODS)
    assert "### Median\n" in text
    assert "One expert that is far off moves a median less than a mean." in text
