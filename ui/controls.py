"""The controls of the recipe column: how they are drawn, read and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import gradio as gr

from merging.methods.params import WEIGHT
from merging.methods.registry import method
from merging.sets import ModelSet
from ui.components.method_chooser import MethodChooser
from ui.components.param_panel import ParamPanel
from ui.settings import ControlValues
from ui.views.chooser import chooser_value
from ui.views.magnitudes import expert_names
from ui.views.panel import panel_value, read_panel


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
    rows: tuple[gr.Row, ...]
    on: tuple[gr.Checkbox, ...]
    weights: tuple[FreeSlider, ...]
    chooser: MethodChooser
    panel: ParamPanel
    seed: gr.Number
    seed_panel: gr.Row

    def inputs(self) -> list[Any]:
        """Return every control that holds a value."""
        return [self.set, self.seed, *self.on, *self.weights, self.panel]

    def outputs(self) -> list[Any]:
        """Return every control that ``write`` may change."""
        return [*self.inputs(), *self.rows, self.chooser, self.seed_panel]

    def read(self, values: Sequence[Any], sets: Mapping[str, ModelSet]) -> ControlValues:
        """Turn the values of ``inputs`` into one frozen value.

        Raises:
            RecipeError: The panel sent something that is not ours.
        """
        count = len(self.on)
        set_name, seed = values[:2]
        on, weights = values[2 : 2 + count], values[2 + count : 2 + 2 * count]
        return controls_of(sets, set_name, seed, on, weights, values[-1])

    def write(
        self, values: ControlValues, opened: ModelSet, missing: Mapping[str, str]
    ) -> dict[Any, Any]:
        """Return updates that make the controls show a value.

        Args:
            values: What to show.
            opened: The set of these values.
            missing: What the set lacks for a method, by id.
        """
        spec, names = method(values.method), expert_names(opened.card)
        updates: dict[Any, Any] = {
            self.set: values.set,
            self.seed: values.seed,
            self.seed_panel: gr.Row(visible=spec.random),
            self.chooser: chooser_value(values.method, missing),
            self.panel: panel_value(values, names),
        }
        experts = [*values.weights, *[None] * len(self.rows)][: len(self.rows)]
        for row, switch, weight, expert in zip(
            self.rows, self.on, self.weights, experts, strict=True
        ):
            updates[row] = gr.Row(visible=expert is not None)
            if expert is not None:
                updates[switch] = gr.Checkbox(expert in values.on, label=names[expert])
                updates[weight] = gr.Slider(
                    value=values.weights[expert],
                    label=_weight_label(names[expert]),
                    visible=spec.weighted,
                )
        return updates


def controls_of(
    sets: Mapping[str, ModelSet],
    name: object,
    seed: Any,
    on: Sequence[Any],
    weights: Sequence[Any],
    panel: object,
) -> ControlValues:
    """Turn what controls hold into one frozen value; recipes refuse wrong values in words.

    Args:
        sets: All sets by name.
        name: Of the chosen set.
        seed: A number.
        on, weights: One for each row of an expert.
        panel: Text of the method's panel.

    Raises:
        RecipeError: The panel is not ours.
    """
    held = read_panel(panel)
    experts = tuple(sets[str(name)].experts) if name in sets else ()
    return ControlValues(
        set=str(name),
        on=frozenset(e for e, flag in zip(experts, on, strict=False) if flag),
        weights=dict(zip(experts, weights, strict=False)),
        method=held.method,
        methods=held.methods,
        order=held.order,
        before=held.before & set(experts),
        seed=int(seed) if isinstance(seed, float) and seed.is_integer() else seed,
    )


def expert_rows(
    opened: ModelSet, values: ControlValues, names: Sequence[str]
) -> tuple[tuple[gr.Row, ...], tuple[gr.Checkbox, ...], tuple[FreeSlider, ...]]:
    """Draw one row per expert: on or off, and how loud.

    Args:
        opened: The set of the page's first paint.
        values: What its controls show.
        names: Of all rows; those that the set has no expert for stay hidden, switched on.
    """
    rows, switches, sliders = [], [], []
    low, high = WEIGHT.slider
    labels = expert_names(opened.card)
    for name, expert in zip_longest(names, labels):
        label = labels.get(expert, "")
        with gr.Row(visible=expert is not None, elem_classes="me-expert") as row:
            switches.append(
                gr.Checkbox(
                    expert is None or expert in values.on,
                    label=label, container=False, elem_id=f"on-{name}",
                )
            )  # fmt: skip
            sliders.append(
                FreeSlider(
                    low, high, value=values.weights.get(expert, 1.0), step=WEIGHT.step,
                    label=_weight_label(label), show_label=False, container=False,
                    elem_id=f"weight-{name}", elem_classes="me-weight",
                )
            )  # fmt: skip
        rows.append(row)
    return tuple(rows), tuple(switches), tuple(sliders)


def _weight_label(name: str) -> str:
    return f"{WEIGHT.label} of {name}"
