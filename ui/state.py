"""Everything a visitor's page stands on, as one frozen value, and how it changes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from merging.errors import RecipeError
from merging.recipe import Recipe
from merging.search.blocks import By
from ui.settings import ControlValues, default_values, from_recipe, to_recipe

STEPS = 50
DRAG = 1.0  # seconds between two moves of one control that still are one drag

PARTS = ("contested", "disjoint", "agree")
SIDES = ("current", "pinned", "difference")
UNITS = ("share", "accuracy")
WAYS = ("values", "find", "walk")
FREE = ("settings", "weights")
PATIENCE = ("0", "2")
SECONDS = ("15", "30", "60")
BOUNDS = ("2", "1", "5", "10")
BY: tuple[By, ...] = ("cell", "row", "module")
HEIGHTS = ("share", "accuracy", "loss")
STEPS_OF_LESSON = ("ask", "try", "reveal", "why", "source", "next")


@dataclass(frozen=True, slots=True)
class View:
    """What of the answers is looked at.

    Attributes:
        part: Of the heatmap: one of ``PARTS``.
        side: Whose heatmap: one of ``SIDES``.
        cell: The opened cell as "L3 up", or "".
        units: Of the scores: one of ``UNITS``.
        kind: Kind of tensors whose ranks are shown, or "" for the first there is.
        vary: What a sweep varies, or "" for the first there is.
        vary2: What it varies beside that, or "" for nothing.
        way: Of looking for settings: one of ``WAYS``.
        free: What a search may change: one of ``FREE``.
        seconds: That it may take: one of ``SECONDS``.
        bound: Points that a held-out task may lose: one of ``BOUNDS``.
        parts: Size of the parts that are put back to the base: one of ``BY``.
        cost: Task whose gain is shown then, or "" for the mean of all.
        patience: Losing steps in a row that a line search forgives: one of ``PATIENCE``.
        across, up: Scores that its chart shows, or "" for the first there are.
        height: How high a place of the map is: one of ``HEIGHTS``.
        over: The tasks that count there: a task, "all", or "" for those of the models shown.
        plane: The two experts that span the map, "a,b", or "" for the first two.
        ends: Ends of the straight path, "a,b", or "" for the first ones.
        lesson: Number of the lesson that is taken, or "".
        lesson_step: Where in it: one of ``STEPS_OF_LESSON``; no link tells it.
        guess: Place of the choice that was predicted, or ""; no link tells it.
    """

    part: str = PARTS[0]
    side: str = SIDES[0]
    cell: str = ""
    units: str = UNITS[0]
    kind: str = ""
    vary: str = ""
    vary2: str = ""
    way: str = WAYS[0]
    free: str = FREE[0]
    seconds: str = SECONDS[1]
    across: str = ""
    up: str = ""
    bound: str = BOUNDS[0]
    parts: By = BY[0]
    cost: str = ""
    patience: str = PATIENCE[0]
    height: str = HEIGHTS[0]
    over: str = ""
    plane: str = ""
    ends: str = ""
    lesson: str = ""
    lesson_step: str = STEPS_OF_LESSON[0]
    guess: str = ""


@dataclass(frozen=True, slots=True)
class AppState:
    """One visitor's page.

    Attributes:
        values: What the controls hold.
        pinned: The recipe that everything is compared with, or None.
        scored: Key of the run whose scores stand on the page.
        view: What is looked at.
        hide: Parts of the page that a teacher's link leaves out.
        compared: Keys of the runs that are put side by side.
        past, future: What the controls held before, and what was undone; the nearest last.
        touched: The control that was moved last and when, in seconds; "" after anything else.
        step: How often the page was drawn anew: answers may overtake each other.
        written: Step that last changed the controls from here: what the page says of them from
            before that came too late.
    """

    values: ControlValues
    pinned: Recipe | None = None
    scored: str = ""
    view: View = View()
    hide: frozenset[str] = frozenset()
    compared: tuple[str, ...] = ()
    past: tuple[ControlValues, ...] = ()
    future: tuple[ControlValues, ...] = ()
    touched: tuple[str, float] = field(default=("", 0.0))
    step: int = 0
    written: int = 0

    def recipe(self) -> Recipe:
        """Return the recipe that the controls describe.

        Raises:
            RecipeError: Something is unknown or out of range, or no expert is on.
        """
        return to_recipe(self.values)

    def patch(self, values: ControlValues, at: float | None = None) -> "AppState":
        """Return the state after controls were moved; moves of one drag are one step of undo.

        Args:
            values: What the controls hold now.
            at: When, in seconds; None where it is no drag, but always a step of its own.
        """
        if _told(values) == _told(self.values):
            return self
        control = moved(self.values, values)
        name, before = self.touched
        dragging = at is not None and control != "" and control == name and at - before < DRAG
        touched = ("", 0.0) if at is None else (control, at)
        past = self.past if dragging else (*self.past, self.values)[-STEPS:]
        return replace(self, values=values, past=past, future=(), touched=touched)

    def restore(self, recipe: Recipe, experts: tuple[str, ...]) -> "AppState":
        """Return the state with a recipe in the controls, as one step of undo.

        Args:
            recipe: Of a set.
            experts: Of that set, in its order.

        Raises:
            RecipeError: There is no control for something in the recipe.
        """
        fresh = from_recipe(recipe, default_values(recipe.set or "", experts))
        kept = {**self.values.methods, **fresh.methods}
        return self.patch(replace(fresh, methods=kept))

    def undo(self) -> "AppState":
        """Return the state one step back; the same state at the beginning."""
        if not self.past:
            return self
        *past, values = self.past
        future = (*self.future, self.values)
        return replace(self, values=values, past=tuple(past), future=future, touched=("", 0.0))

    def redo(self) -> "AppState":
        """Return the state with the last step back taken again; the same state without one."""
        if not self.future:
            return self
        *future, values = self.future
        past = (*self.past, self.values)[-STEPS:]
        return replace(self, values=values, past=past, future=tuple(future), touched=("", 0.0))

    def pin(self, recipe: Recipe | None) -> "AppState":
        """Return the state with a recipe pinned, or none; views of the pinned one go with it."""
        side = self.view.side if recipe is not None else SIDES[0]
        return replace(self, pinned=recipe, view=replace(self.view, side=side))

    def swap(self, experts: tuple[str, ...]) -> "AppState":
        """Return the state with the pinned recipe in the controls and theirs pinned.

        Args:
            experts: Of the pinned recipe's set, in its order.

        Raises:
            RecipeError: Nothing is pinned, or the controls hold no valid recipe.
        """
        if self.pinned is None:
            raise RecipeError("Nothing is pinned. Pin a recipe first, then swap.")
        current = self.recipe()
        return replace(self.restore(self.pinned, experts), pinned=current)

    def look(self, **changes: str) -> "AppState":
        """Return the state with something else looked at."""
        return replace(self, view=replace(self.view, **changes))


def _told(values: ControlValues) -> tuple[object, ...]:
    """What controls say; a page may hold the presets of a method that nobody touched, or not."""
    weights = tuple(values.weights.items())
    return (
        values.set,
        values.on,
        weights,
        values.method,
        values.chosen,
        values.sequence,
        values.seed,
    )


def moved(before: ControlValues, after: ControlValues) -> str:
    """Return the name of the only control that differs, or "" where several do."""
    plain = ("set", "on", "method", "seed", "order")
    names = [name for name in plain if getattr(before, name) != getattr(after, name)]
    names += [f"weight {expert}" for expert in _changed(before.weights, after.weights)]
    if before.method == after.method:
        one, other = before.chosen, after.chosen
        names += [] if one.dialect == other.dialect else ["dialect"]
        names += _changed(one.params, other.params)
        for param in _changed(one.own, other.own):
            of = _changed(one.own.get(param, {}), other.own.get(param, {}))
            names += [f"{param} {expert}" for expert in of]
    return names[0] if len(names) == 1 else ""


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names whose values differ, or that only one side has."""
    nothing = object()
    return [
        name
        for name in dict.fromkeys((*before, *after))
        if before.get(name, nothing) != after.get(name, nothing)
    ]
