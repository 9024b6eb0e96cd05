"""Order statistics of a sample whose columns stand for several elements each."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merging.sketch.quantiles import WeighedMagnitudes

SIZES = st.sampled_from([0.0, 1e-42, 1e-6, 0.5, 0.5000001, 1.0, 1.5, 3e8])
COLUMNS = st.lists(st.tuples(SIZES, st.integers(1, 4)), min_size=1, max_size=30)


@given(COLUMNS, st.data())
def test_columns_count_as_often_as_they_stand_for(
    columns: list[tuple[float, int]], data: st.DataObject
) -> None:
    sizes, weights = zip(*columns, strict=True)
    every = np.sort(np.repeat(np.array(sizes, np.float32), weights))
    found = WeighedMagnitudes(
        torch.tensor([sizes]), torch.tensor(weights, dtype=torch.float64), len(every)
    )
    k = data.draw(st.integers(1, len(every)))
    assert found.kth_smallest(0, k) == every[k - 1]


def test_parts_of_elements_by_hand() -> None:
    """Two columns stand for 2.5 elements each: the third is the first that the second covers."""
    found = WeighedMagnitudes(
        torch.tensor([[2.0, 1.0]]), torch.full((2,), 2.5, dtype=torch.float64), 5
    )
    assert [found.kth_smallest(0, k) for k in range(1, 6)] == [1, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="keeps all ties or none"):
        found.spare(0, 1.0, 2)
