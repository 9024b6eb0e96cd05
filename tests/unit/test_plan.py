"""What happens to every tensor, or why the models do not fit together."""

from typing import Any

import pytest
import torch
from builders import State, checkpoints, row
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import Plan, make_plan
from merging.errors import CompatibilityError, RecipeError
from merging.recipe import make_recipe


def plan(base: State | None, method: str = "ties", **models: State) -> Plan:
    recipe = make_recipe(method, list(models))
    start = MemoryCheckpoint("base", base) if base is not None else None
    return make_plan(recipe, start, checkpoints(models))


def actions(made: Plan) -> dict[str, str]:
    return {s.tensor: s.action for s in made.steps}


def refusal(base: State | None, method: str = "ties", **models: State) -> str:
    with pytest.raises(CompatibilityError) as caught:
        plan(base, method, **models)
    return str(caught.value)


W = {"w": torch.zeros(2, 3)}


def test_experts_are_put_in_order_and_steps_sorted() -> None:
    model = {"b": row(1), "a": row(1)}
    made = plan(model, z=model, y=model)
    assert [e.id for e in made.recipe.experts] == ["y", "z"]
    assert [e.name for e in made.experts] == ["y", "z"]
    assert [s.tensor for s in made.steps] == ["a", "b"]
    assert {s.reason for s in made.merged()} == {"over 2 expert(s)"}


def test_a_base_is_needed_for_task_vectors_only() -> None:
    with pytest.raises(RecipeError, match="TIES needs a base model"):
        plan(None, a=W)
    assert plan(None, "linear", b=W, a=W).reference.name == "a"
    assert plan(W, "linear", a=W).reference.name == "base"


def test_a_missing_tensor_names_model_and_tensor() -> None:
    message = refusal({**W, "v": row(1)}, a={**W, "v": row(1)}, b=W)
    assert message == ("b has no tensor 'v', which base has. b was not made from base.")


def test_an_extra_tensor_names_model_and_tensor() -> None:
    assert refusal(W, a=W, b={**W, "v": row(1)}).startswith("b has a tensor 'v' that the others")


@pytest.mark.parametrize(
    ("shape", "words"),
    [((3, 2), "2x3 in base and 3x2 in b"), ((), "2x3 in base and a single number in b")],
)
def test_another_shape_names_both_shapes(shape: tuple[int, ...], words: str) -> None:
    assert f"'w' is {words}" in refusal(W, a=W, b={"w": torch.zeros(shape)})


def test_another_kind_names_both_kinds() -> None:
    message = refusal(W, a={"w": torch.zeros(2, 3, dtype=torch.int64)})
    assert "'w' is float32 in base and int64 in a" in message


def test_other_float_types_fit() -> None:
    assert actions(plan(W, a={"w": torch.zeros(2, 3, dtype=torch.bfloat16)})) == {"w": "merge"}


@pytest.mark.parametrize("value", [torch.arange(3), torch.tensor([True, False, True])])
def test_equal_buffers_are_copied(value: Tensor) -> None:
    model = {**W, "positions": value}
    assert actions(plan(model, a=model, b=model)) == {"positions": "copy", "w": "merge"}


def test_different_buffers_are_refused() -> None:
    model, other = {**W, "ids": torch.arange(3)}, {**W, "ids": torch.arange(3) + 1}
    message = refusal(model, a=model, b=other)
    assert "'ids' holds int64 and differs between base and b" in message
    assert "never averaged" in message


HEADS = ["classifier.weight", "score.weight", "head.bias", "fc.weight", "lm_head.weight"]


@pytest.mark.parametrize("head", [*HEADS, "qa_outputs.bias"])
def test_heads_that_only_experts_have_are_left_out(head: str) -> None:
    made = plan(W, a={**W, head: row(1, 2)}, b={**W, head: row(1, 2, 3)})
    assert actions(made) == {"w": "merge", head: "leave_out"}
    assert next(s for s in made.steps if s.tensor == head).reason.startswith("a task head of a;")


@pytest.mark.parametrize("theirs", [{}, {"head.weight": row(1, 2, 3)}])
def test_heads_that_differ_stay_the_bases(theirs: dict[str, Any]) -> None:
    made = plan({**W, "head.weight": row(1)}, a={**W, "head.weight": row(1)}, b={**W, **theirs})
    assert actions(made) == {"head.weight": "copy", "w": "merge"}
    assert made.steps[0].reason == "a task head that differs in b; base's is kept"


def test_heads_of_equal_shape_are_merged() -> None:
    model = {**W, "head.weight": row(1)}
    assert actions(plan(model, a=model)) == {"head.weight": "merge", "w": "merge"}


@pytest.mark.parametrize("name", ["fc1.weight", "headroom", "encoder.head.weight", "heads.0"])
def test_names_that_only_look_like_heads_are_not(name: str) -> None:
    assert name in refusal(W, a={**W, name: row(1)})


def test_nothing_in_common() -> None:
    model = {"classifier.weight": row(1)}
    assert "share no tensor to merge" in refusal(model, a={"classifier.weight": row(1, 2)})
    assert "share no tensor to merge" in refusal(
        {"ids": torch.arange(2)}, a={"ids": torch.arange(2)}
    )
