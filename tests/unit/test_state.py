"""The page's state: drags, undo, pins, swaps."""

from dataclasses import replace

import pytest

from merging.errors import RecipeError
from merging.recipe import make_recipe
from ui.settings import ControlValues, default_values, to_recipe
from ui.state import DRAG, STEPS, AppState, View, moved

EXPERTS = ("digits", "fashion", "optical")
START = default_values("gentle", EXPERTS)


def dragged(values: ControlValues, **params: object) -> ControlValues:
    return values.having(replace(values.chosen, params={**values.chosen.params, **params}))


def weighed(values: ControlValues, expert: str, weight: float) -> ControlValues:
    return replace(values, weights={**values.weights, expert: weight})


def test_which_control_was_moved() -> None:
    other = replace(START, method="ties")
    own = START.having(replace(START.chosen, own={"scale": {"digits": 0.5}}))
    assert moved(START, START) == ""
    assert moved(START, dragged(START, scale=0.4)) == "scale"
    assert moved(START, weighed(START, "fashion", 0.5)) == "weight fashion"
    assert moved(START, replace(START, seed=3)) == "seed"
    assert moved(START, replace(START, on=frozenset(EXPERTS[:2]))) == "on"
    assert moved(START, other) == "method"
    assert moved(START, own) == "scale digits"
    assert moved(START, weighed(dragged(START, scale=0.4), "fashion", 0.5)) == ""


def test_a_drag_is_one_step() -> None:
    state = AppState(START)
    for step in range(1, 21):
        state = state.patch(dragged(START, scale=1 - step / 100), at=0.1 * step)
    assert len(state.past) == 1
    assert state.undo().values == START
    assert state.undo().redo().values == state.values


def test_another_control_or_a_pause_begins_another_step() -> None:
    first = dragged(START, scale=0.5)
    state = AppState(START).patch(first, at=1.0)
    louder = state.patch(weighed(first, "digits", 0.5), at=1.1)
    later = state.patch(dragged(START, scale=0.4), at=1.0 + DRAG)
    still = state.patch(dragged(START, scale=0.4), at=0.99 + DRAG)
    assert [len(s.past) for s in (state, louder, later, still)] == [1, 2, 2, 1]


def test_what_did_not_change_is_no_step() -> None:
    state = AppState(START, future=(dragged(START, scale=0.5),))
    assert state.patch(replace(START)) is state


def test_a_change_after_undo_drops_what_was_undone() -> None:
    state = AppState(START).patch(dragged(START, scale=0.5), 1.0).undo()
    assert state.redo().values == dragged(START, scale=0.5)
    changed = state.patch(replace(START, seed=4), 9.0)
    assert changed.future == () and changed.redo() is changed


def test_after_undo_the_same_control_begins_a_new_step() -> None:
    state = AppState(START).patch(dragged(START, scale=0.5), 1.0).undo()
    again = state.patch(dragged(START, scale=0.4), 1.1).patch(dragged(START, scale=0.3), 1.2)
    assert again.past == (START,)


def test_only_so_many_steps_are_kept() -> None:
    state = AppState(START)
    for seed in range(1, STEPS + 11):
        state = state.patch(replace(START, seed=seed), at=10.0 * seed)
    assert len(state.past) == STEPS and state.past[0].seed == 10
    for _ in range(STEPS + 5):
        state = state.undo()
    assert state.values.seed == 10 and len(state.future) == STEPS
    assert state.undo() is state


def test_restoring_a_recipe_is_one_step_and_leaves_other_methods_alone() -> None:
    touched = dragged(replace(START, method="ties"), density=0.35)
    state = AppState(replace(touched, method="task_arithmetic"))
    recipe = make_recipe("dare", EXPERTS[:2], set="gentle", params={"drop_rate": 0.7})
    found = state.restore(recipe, EXPERTS)
    assert found.recipe() == recipe
    assert found.values.methods["ties"].params["density"] == 0.35
    assert found.undo().values == state.values


def test_swapping_twice_is_where_it_began() -> None:
    pinned = make_recipe("ties", EXPERTS, set="gentle", params={"density": 0.25})
    state = AppState(dragged(START, scale=0.5), pinned)
    once = state.swap(EXPERTS)
    assert once.recipe().key() == pinned.key()
    assert once.pinned is not None and once.pinned.key() == state.recipe().key()
    twice = once.swap(EXPERTS)
    assert twice.recipe().key() == state.recipe().key()
    assert twice.pinned is not None and twice.pinned.key() == pinned.key()


def test_swapping_nothing_says_so() -> None:
    with pytest.raises(RecipeError, match="Nothing is pinned"):
        AppState(START).swap(EXPERTS)


def test_a_view_of_the_pinned_recipe_ends_with_the_pin() -> None:
    state = AppState(START, to_recipe(START)).look(side="difference", part="agree")
    assert state.view == View(part="agree", side="difference")
    assert state.pin(to_recipe(dragged(START, scale=0.3))).view.side == "difference"
    assert state.pin(None).view == View(part="agree")


def test_what_is_no_drag_is_always_a_step_of_its_own() -> None:
    """A recipe brought back right after a drag of the same slider can be undone, and so can it."""
    moved = AppState(START).patch(dragged(START, scale=0.4), 1.0)
    back = moved.restore(AppState(START).recipe(), tuple(START.weights))
    assert back.undo().values == moved.values
    assert back.undo().undo().values == START
    one = AppState(START).patch(replace(START, seed=1)).patch(replace(START, seed=2))
    assert one.undo().values.seed == 1
