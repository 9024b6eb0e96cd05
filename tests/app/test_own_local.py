"""Values by layer and module on the page of own models: edits reach the recipe and the weights."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merging.errors import MergeError, ParameterError, RecipeError
from merging.recipe import parse_recipe
from tests.app.own_page import OWNER, chosen, desk_of, forms, method, services_of
from tests.app.test_handlers import Sent
from tests.own_models import make_models
from ui.own.desk import OwnDesk
from ui.own.page import OwnPage
from ui.own.services import OwnServices
from ui.own.settings import Row, to_recipe
from ui.own.state import OwnState
from ui.views.local import NOWHERE


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Iterator[OwnServices]:
    with services_of(root, tmp_path) as made:
        yield made


@pytest.fixture
def desk(own: OwnServices, tmp_path: Path) -> OwnDesk:
    return desk_of(own, tmp_path)


@pytest.fixture
def page(desk: OwnDesk) -> OwnPage:
    return desk.page


def edit(desk: OwnDesk, state: OwnState, **event: Any) -> dict[Any, Any]:
    return desk.edit_local(Sent(**event), state, OWNER, *forms(state.settings))


def begun(desk: OwnDesk, own: OwnServices) -> OwnState:
    settings = method(chosen(own, "one", "two"), "task_arithmetic", scale=1.0)
    settings = replace(settings, rows=(Row("one", weight=0.5), Row("two")))
    return desk.touch(OwnState(), OWNER, *forms(settings))[desk.page.state]


def test_a_preset_is_a_curve_in_page_recipe_and_weights(desk, page, own, root: Path) -> None:
    state = begun(desk, own)
    found = edit(desk, state, action="preset", preset="up")
    (line, *_) = found[page.local.chart]["data"]
    assert line["y"] == [0.0, 0.5]
    assert found[page.local.table]["preset"] == "up"
    kept = parse_recipe(found[page.saved])
    assert kept.key() == to_recipe(found[page.state].settings).key()
    assert [one.param for one in kept.local] == ["weight"]

    after = found[page.state]
    desk.services._checks.wait(f"own {OWNER}", 60)
    desk.start(after, OWNER, *forms(after.settings))
    desk.services.jobs.wait(f"own {OWNER}", 60)
    ours = load_file(own.output(OWNER).folder / "model.safetensors")
    base, one, two = (load_file(root / n / "model.safetensors") for n in ("base", "one", "two"))
    for name, start in base.items():
        share = 0.5 if ".layers.1." in name else 0.0
        wanted = start + share * (one[name] - start) + (two[name] - start)
        torch.testing.assert_close(ours[name], wanted, rtol=1e-5, atol=1e-6)


def test_cells_are_edited_for_whom_is_looked_at(desk, page, own) -> None:
    state = begun(desk, own)
    found = edit(desk, state, action="target", target="weight:two")
    assert found[page.state].settings.local == ()
    assert found[page.local.table]["chosen"] == "weight:two"
    state = found[page.state]
    found = edit(desk, state, action="block", row="last", column="mlp", value=0.25)
    table = found[page.local.table]
    row = next(row for row in table["rows"] if row["id"] == "last")
    assert [cell["text"] for cell in row["cells"]] == ["1", "0.25", "1"]
    assert table["sentence"].startswith("Weight of two: from 0.25 to 1, by layer and module.")
    (local,) = found[page.state].settings.local
    assert (local.expert, local.rules[0].filter, local.rules[0].layers) == ("two", ".mlp.", (1, 2))


def test_a_method_that_looks_at_the_whole_model_refuses_in_words(desk, page, own) -> None:
    settings = method(chosen(own, "one", "two"), "ties", density=0.5)
    state = desk.touch(OwnState(), OWNER, *forms(settings))[page.state]
    state = edit(desk, state, action="target", target="density:")[page.state]
    with pytest.raises(RecipeError, match="density cannot differ between layers"):
        edit(desk, state, action="preset", preset="down")
    assert state.settings.local == ()


def test_values_of_other_methods_sleep_and_come_back(desk, page, own) -> None:
    state = edit(desk, begun(desk, own), action="target", target="scale:")[page.state]
    state = edit(desk, state, action="preset", preset="down")[page.state]
    found = desk.choose_method(Sent(method="linear"), state, OWNER, *forms(state.settings))
    state = found[page.state]
    assert to_recipe(state.settings).local == ()
    state = edit(desk, state, action="preset", preset="mlp")[page.state]
    found = desk.choose_method(Sent(method="task_arithmetic"), state, OWNER, *forms(state.settings))
    params = [one.param for one in to_recipe(found[page.state].settings).local]
    assert params == ["scale", "weight"]


GRADIENT = b"""
merge_method: task_arithmetic
base_model: base
models:
  - {model: one, parameters: {weight: [{filter: mlp, value: [0, 1]}, {value: 0.5}]}}
  - {model: two, parameters: {weight: 1}}
"""


def test_a_gradient_of_mergekit_is_opened_as_its_curve(desk, page, own) -> None:
    found = desk.open_recipe(OwnState(), OWNER, GRADIENT)
    lines = {t["name"]: t["y"] for t in found[page.local.chart]["data"]}
    assert lines["MLP"] == [0.0, 1.0] and lines["Attention, Other"] == [0.5, 0.5]
    assert "take the first value of a curve, as in mergekit" in found[page.local.chart]["sentence"]


def test_without_models_the_section_says_what_to_choose(desk, page, own) -> None:
    found = desk.touch(OwnState(), OWNER, *forms(chosen(own)))
    assert found[page.local.table] == {"sentence": NOWHERE}
    assert found[page.local.chart]["layout"] is None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"action": "rm"}, RecipeError),
        ({}, RecipeError),
        ({"action": "preset", "preset": "x" * 9999}, RecipeError),
        ({"action": "block", "row": "first", "column": "mlp", "value": "1e999"}, ParameterError),
        ({"action": "block", "row": "first", "column": "mlp", "value": 1e9}, ParameterError),
        ({"action": "block", "row": "../..", "column": "mlp", "value": 1}, RecipeError),
    ],
)
def test_what_a_browser_makes_up_changes_nothing(desk, own, event, kind) -> None:
    with pytest.raises(kind) as caught:
        edit(desk, begun(desk, own), **event)
    assert isinstance(caught.value, MergeError) and len(str(caught.value)) < 300
