"""What of a recipe can be varied: made from its declarations, and only what means something."""

from merging.recipe import make_recipe
from ui.views.axes import axes_offered
from ui.views.chooser import FIRST_LOOK


def test_numbers_of_the_method_weights_count_and_method() -> None:
    found = axes_offered(make_recipe("ties", "abc", set="s"), FIRST_LOOK)
    assert list(found) == [
        "density", "scale", "weight.a", "weight.b", "weight.c", "experts", "method",
    ]  # fmt: skip
    assert found["density"].label == "Density" and found["weight.b"].label == "Weight of b"
    assert found["experts"].values == (2, 3) and found["method"].values == FIRST_LOOK
    assert len(found["scale"].values) == 21


def test_draws_only_of_methods_that_draw() -> None:
    found = axes_offered(make_recipe("dare", "ab", set="s", seed=4), FIRST_LOOK)
    assert found["seed"].values == tuple(range(4, 14))
    assert next(iter(found)) == "drop_rate" and "experts" not in found


def test_what_is_off_or_no_number_is_not_offered() -> None:
    off = axes_offered(make_recipe("task_arithmetic", "ab", set="s"), ())
    assert set(off) == {"scale", "weight.a", "weight.b"}
    on = axes_offered(
        make_recipe("task_arithmetic", "ab", set="s", params={"depth_scaling": True}), ()
    )
    assert {"shallow", "deeper"} <= set(on) and "normalize" not in on


def test_a_method_beside_the_first_ones_is_compared_with_them() -> None:
    found = axes_offered(make_recipe("della", "ab", set="s"), FIRST_LOOK)
    assert found["method"].values == (*FIRST_LOOK, "della")


def test_every_axis_makes_recipes() -> None:
    for name in ("breadcrumbs", "model_stock", "dare_ties", "opcm"):
        recipe = make_recipe(name, "abc", set="s")
        for axis in axes_offered(recipe, FIRST_LOOK).values():
            keys = {axis.at(recipe, value).key() for value in axis.values}
            assert len(keys) > 1, (name, axis.label)


def test_experts_are_called_by_their_words() -> None:
    words = {"a": "Clothing", "b": "Digits"}
    found = axes_offered(make_recipe("ties", "abc", set="s"), (), words)
    labels = [found[f"weight.{expert}"].label for expert in "abc"]
    assert labels == ["Weight of Clothing", "Weight of Digits", "Weight of c"]
    assert found["weight.b"].text(0.5) == "Weight of Digits = 0.5"
    assert found["weight.b"].at(make_recipe("ties", "abc", set="s"), 0.5).experts[1].weight == 0.5
