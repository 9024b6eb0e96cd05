"""The panel of a method and the chooser: from declarations to what the page draws."""

import json
from dataclasses import replace

import pytest

from merging.methods.params import Param
from merging.methods.registry import METHODS, method
from ui.settings import ControlValues, default_values, preset, to_recipe
from ui.views.chooser import FIRST_LOOK, chooser_value
from ui.views.panel import control_view, panel_value, read_panel

EXPERTS = ("digits", "fashion")
NAMES = {"digits": "A Digits", "fashion": "B Clothing"}


def at(name: str) -> ControlValues:
    return replace(default_values("gentle", EXPERTS), method=name)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.id)
def test_every_parameter_has_a_control_that_can_show_its_presets(spec) -> None:
    shown = panel_value(at(spec.id), NAMES)
    assert [c["name"] for c in shown["controls"]] == [p.name for p in spec.params]
    for dialect in spec.dialects:
        for param in spec.params:
            value = spec.defaults(dialect)[param.name]
            control = control_view(param, value)
            if control.kind == "choice":
                assert value in [word for word, _ in control.choices]
            if control.kind == "slider":
                assert control.low <= value <= control.high
                assert param.minimum <= control.low < control.high <= param.maximum
                steps = (value - control.low) / control.step
                assert steps == pytest.approx(round(steps), abs=1e-6)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.id)
def test_what_the_panel_holds_is_what_it_was_given(spec) -> None:
    values = at(spec.id).having(preset(spec))
    sent = read_panel(json.dumps(panel_value(values, NAMES)))
    assert sent.method == spec.id
    assert sent.methods == {spec.id: preset(spec)}


def test_a_slider_as_the_page_draws_it() -> None:
    param = Param(
        name="depth", label="Depth", default=0.5, origin="ours: half", help="How deep.",
        minimum=0.0, maximum=9.0, slider=(0.0, 1.0), step=0.1, per_expert=True, advanced=True,
    )  # fmt: skip
    control = control_view(param, 0.7)
    assert (control.kind, control.preset, control.low, control.high) == ("slider", 0.7, 0.0, 1.0)
    assert control.help == "How deep. Ours: half."
    assert (control.divisible, control.own, control.advanced) == (True, False, True)


def test_settings_of_other_methods_come_along_and_come_back() -> None:
    moved = at("ties").having(preset(method("ties"), "peft"))
    shown = panel_value(replace(moved, method="dare"), NAMES)
    assert shown["kept"]["ties"]["dialect"] == "peft"
    back = read_panel(json.dumps(shown))
    assert back.methods["ties"] == preset(method("ties"), "peft")


def test_what_does_not_exist_is_left_out() -> None:
    shown = panel_value(at("ties"), NAMES)
    shown["values"]["params"]["nothing"] = 3
    shown["values"]["own"] = {"density": {"digits": 0.5}, "scale": {"digits": 2}, "no": {}}
    shown["kept"] = {"tise": shown["values"]}
    sent = read_panel(json.dumps(shown))
    assert set(sent.methods) == {"ties"}
    assert sent.methods["ties"].own == {"density": {"digits": 0.5}}
    assert "nothing" not in sent.methods["ties"].params
    assert to_recipe(at("ties").having(sent.methods["ties"])).settings().each["density"] == (
        0.5, 0.2,
    )  # fmt: skip


def test_the_chooser_holds_every_method_once_by_family() -> None:
    shown = chooser_value("ties", {"fisher": "no data."})
    ids = [m["id"] for family in shown["families"] for m in family["methods"]]
    assert sorted(ids) == sorted(spec.id for spec in METHODS)
    for family in shown["families"]:
        assert {method(m["id"]).family for m in family["methods"]} == {family["label"]}
    lacking = {m["id"]: m["missing"] for f in shown["families"] for m in f["methods"]}
    assert {name for name, text in lacking.items() if text} == {"fisher"}


@pytest.mark.parametrize(("chosen", "more"), [("ties", []), ("emr", ["emr"])])
def test_the_chosen_method_is_always_at_hand(chosen: str, more: list[str]) -> None:
    assert [q["id"] for q in chooser_value(chosen, {})["quick"]] == [*FIRST_LOOK, *more]
