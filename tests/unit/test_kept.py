"""Trimmed changes as they are kept for the next merge: experts whose base stands where trimmed."""

import pytest
import torch
from builders import checkpoints
from test_stream import BLOCK, merged, planned

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan
from merging.engine.cache import Intermediates
from merging.engine.chunks import Chunk
from merging.engine.halves import Halves, halves
from merging.engine.packed import Packed
from merging.engine.sources import Raw
from merging.engine.streaming import stream_into
from merging.recipe import make_recipe

HALF = torch.bfloat16


def raw(base: torch.Tensor | None, *experts: torch.Tensor) -> Raw:
    made = {} if base is None else {"w": base}
    plan = make_plan(
        make_recipe("task_arithmetic", ("a",)),
        MemoryCheckpoint("base", made or {"w": experts[0]}),
        checkpoints({"a": {"w": experts[0]}}),
    )
    (step,) = plan.merged()
    return Raw(Chunk(step, 0, len(experts[0])), base, experts)


BASE = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=HALF)
FIRST = torch.tensor([1.5, -2.0, 0.25, 3.0], dtype=HALF)
SECOND = torch.tensor([0.0, -1.0, 0.5, -4.0], dtype=HALF)


def test_the_base_stands_where_a_change_was_trimmed_away() -> None:
    trimmed = torch.tensor([[0.5, 0.0, 0.0, 3.0], [0.0, 1.0, 0.0, -4.0]])
    kept = halves(raw(BASE, FIRST, SECOND), trimmed)
    assert kept is not None and kept.size == 16
    first, second = kept.experts()
    assert first.tolist() == [1.5, -2.0, 0.5, 3.0]
    assert second.tolist() == [1.0, -1.0, 0.5, -4.0]


@pytest.mark.parametrize("value", [1.0, 0.25, -0.5])
def test_a_change_that_was_made_larger_is_not_kept_so(value: float) -> None:
    trimmed = torch.tensor([[0.5, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    trimmed[0, 0] = value
    assert halves(raw(BASE, FIRST, SECOND), trimmed) is None


def test_other_types_are_not_kept_so() -> None:
    trimmed = torch.zeros(1, 4)
    assert halves(raw(BASE, FIRST), trimmed) is not None
    assert halves(raw(BASE.float(), FIRST.float()), trimmed) is None
    assert halves(raw(BASE, FIRST.float()), trimmed) is None
    assert halves(raw(None, FIRST), trimmed) is None
    assert halves(raw(BASE, FIRST), trimmed.double()) is None


@pytest.mark.parametrize(
    ("method", "dtype", "kind"),
    [
        ("ties", HALF, Halves),
        ("ties", torch.float32, Packed),
        ("ties", torch.float16, Packed),
        ("dare", HALF, Packed),
    ],
    ids=str,
)
def test_which_way_a_merge_keeps_them(method: str, dtype: torch.dtype, kind: type) -> None:
    cache = Intermediates(1 << 28)
    recipe = make_recipe(method, ("e0", "e1"))
    merged(planned(recipe, dtype), stream_into, chunk=BLOCK, cache=cache)
    stacks = {k.tensor: v for k, (v, _) in cache._kept.items() if k.kind == "trimmed"}
    assert isinstance(stacks["layers.70001.weight"], kind)
