"""Controls made from the declarations of the methods; one listening list in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from merging.methods.params import WEIGHT, Param
from merging.methods.spec import MethodSpec
from merging.sets import ModelSet
from ui.settings import SHOWN, ControlValues, control_keys
from ui.views.magnitudes import letters


class FreeSlider(gr.Slider):
    """A slider that hands typed values on as they are: the recipe refuses them in words."""

    def preprocess(self, payload: float) -> float:
        """Return what came from the page, unchecked."""
        return payload

    def get_block_name(self) -> str:
        """Use the slider's own front end."""
        return "slider"


@dataclass(frozen=True)
class Controls:
    """All controls of the recipe column, in the order in which handlers get their values."""

    set: gr.Radio
    on: tuple[gr.Checkbox, ...]
    weights: tuple[FreeSlider, ...]
    method: gr.Radio
    seed: gr.Number
    dialects: tuple[gr.Radio, ...]
    params: tuple[Any, ...]
    panels: tuple[gr.Column, ...]
    seed_panel: gr.Row

    def inputs(self) -> list[Any]:
        """Return every control that holds a value."""
        return [
            self.set, self.method, self.seed, *self.on, *self.weights, *self.dialects, *self.params
        ]  # fmt: skip

    def read(self, values: Sequence[Any], sets: dict[str, ModelSet]) -> ControlValues:
        """Turn the values of ``inputs`` into one frozen value."""
        count, kinds = len(self.on), len(self.dialects)
        set_name, method, seed = values[:3]
        on, rest = values[3 : 3 + count], values[3 + count :]
        weights, rest = rest[:count], rest[count:]
        experts = tuple(sets[set_name].experts) if set_name in sets else ()
        return ControlValues(
            set=str(set_name),
            on=frozenset(e for e, flag in zip(experts, on, strict=False) if flag),
            weights=dict(zip(experts, weights, strict=False)),
            method=str(method),
            params=dict(zip(control_keys(), rest[kinds:], strict=True)),
            dialects=dict(zip((s.id for s in SHOWN), rest[:kinds], strict=True)),
            seed=int(seed) if isinstance(seed, float) and seed.is_integer() else seed,
        )

    def write(self, values: ControlValues) -> dict[Any, Any]:
        """Return updates that make the controls show a value."""
        experts = tuple(values.weights)
        updates: dict[Any, Any] = {
            self.set: values.set,
            self.method: values.method,
            self.seed: values.seed,
        }
        for control, name in zip(self.on, experts, strict=False):
            updates[control] = name in values.on
        for control, name in zip(self.weights, experts, strict=False):
            updates[control] = values.weights[name]
        updates |= dict(zip(self.dialects, (values.dialects[s.id] for s in SHOWN), strict=True))
        updates |= dict(zip(self.params, (values.params[k] for k in control_keys()), strict=True))
        return updates | self.panels_for(values.method)

    def panels_for(self, method: str) -> dict[Any, Any]:
        """Return updates that show only the chosen method's controls."""
        spec = next((s for s in SHOWN if s.id == method), SHOWN[0])
        shown: dict[Any, Any] = {
            panel: gr.Column(visible=s is spec) for s, panel in zip(SHOWN, self.panels, strict=True)
        }
        return shown | {self.seed_panel: gr.Row(visible=spec.random)}


def expert_rows(
    opened: ModelSet, values: ControlValues
) -> tuple[tuple[gr.Checkbox, ...], tuple[FreeSlider, ...]]:
    """Draw one row per expert: on or off, and how loud."""
    names = {e["id"]: e["label"] for e in opened.card["experts"]}
    switches, sliders = [], []
    for expert, (letter, _) in letters(tuple(opened.experts)).items():
        with gr.Row(elem_classes="me-expert"):
            label = f"{letter} {names[expert]}"
            switches.append(
                gr.Checkbox(
                    expert in values.on, label=label, container=False, elem_id=f"on-{expert}"
                )
            )
            sliders.append(_slider(WEIGHT, values.weights[expert], f"weight-{expert}", label))
    return tuple(switches), tuple(sliders)


def method_panels(
    values: ControlValues,
) -> tuple[tuple[gr.Column, ...], tuple[gr.Radio, ...], tuple[Any, ...]]:
    """Draw the controls of every method; only the chosen one's are visible."""
    panels, dialects, params = [], [], []
    for spec in SHOWN:
        with gr.Column(
            visible=spec.id == values.method, elem_classes="me-params", elem_id=f"panel-{spec.id}"
        ) as panel:
            made = {p.name: _control(spec, p, values) for p in spec.params if not p.advanced}
            with gr.Accordion("Details of the method", open=False, elem_classes="me-details"):
                dialects.append(_dialect(spec))
                made |= {p.name: _control(spec, p, values) for p in spec.params if p.advanced}
        panels.append(panel)
        params.extend(made[p.name] for p in spec.params)
    return tuple(panels), tuple(dialects), tuple(params)


def _dialect(spec: MethodSpec) -> gr.Radio:
    return gr.Radio(
        list(spec.dialects),
        value="paper",
        label="Dialect",
        info="Whose reading of the method fills in the details below.",
        visible=len(spec.dialects) > 1,
        elem_id=f"dialect-{spec.id}",
    )


def _control(spec: MethodSpec, param: Param, values: ControlValues) -> Any:
    value, name = values.params[spec.id, param.name], f"{spec.id}-{param.name}"
    if param.choices:
        choices = [(choice.replace("_", " "), choice) for choice in param.choices]
        return gr.Radio(choices, value=value, label=param.label, info=param.help, elem_id=name)
    if isinstance(param.default, bool):
        return gr.Checkbox(bool(value), label=param.label, info=param.help, elem_id=name)
    return _slider(param, float(value), name, param.label, f"{param.help} {param.origin}.")


def _slider(param: Param, value: float, name: str, label: str, info: str = "") -> FreeSlider:
    low, high = param.slider
    return FreeSlider(
        low,
        high,
        value=value,
        step=param.step,
        label=label if info else f"{param.label} of {label}",
        info=info or None,
        show_label=bool(info),
        container=bool(info),
        elem_id=name,
        elem_classes="me-weight" if not info else None,
    )
