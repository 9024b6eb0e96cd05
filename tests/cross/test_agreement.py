"""Our merges in the dialects mergekit and peft, against mergekit 0.1.5 and peft themselves.

Float32 on both sides, on a tiny Llama and a tiny BERT. Where chance acts, either nothing is
dropped, or their mask is read off their result.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from safetensors.torch import load_file
from torch import Tensor

from merging.checkpoints import open_folder
from merging.engine import make_plan, run
from merging.methods.masks import GivenMasks
from tests.cross.cases import MERGEKIT, PEFT, Case
from tests.cross.conftest import FIGURES, Family

State = Mapping[str, Tensor]
LEAST_CHANGE = 1e-3


def base_of(family: Family) -> State:
    return load_file(family.folder / "base" / "model.safetensors")


def ours(family: Family, case: Case, theirs: State) -> State:
    base = open_folder(family.folder / "base")
    models = {e.id: open_folder(family.folder / e.id) for e in case.ours.experts}
    masks = None
    if case.masked:
        start = base_of(family)
        masks = GivenMasks({(n, "a"): t != start[n] for n, t in theirs.items()})
    return run(make_plan(case.ours, base, models), device="cpu", masks=masks).tensors


def farthest(one: State, other: State) -> float:
    """Largest difference of any number, relative to the largest number of its tensor."""
    return max(float((one[n] - t).abs().max() / t.abs().max()) for n, t in other.items())


def distance(family: Family, case: Case, key: str, theirs: State) -> float:
    """How far our merge is from theirs, which has to hold the same tensors and some change."""
    found = ours(family, case, theirs)
    assert found.keys() == theirs.keys()
    assert farthest(base_of(family), theirs) > LEAST_CHANGE  # something was merged
    apart = farthest(found, theirs)
    FIGURES.append(f"{key:44} {family.folder.name.rstrip('0'):6} {apart:.1e}")
    return apart


@pytest.mark.parametrize("case", MERGEKIT, ids=lambda c: c.id)
def test_mergekit_agrees(family: Family, case: Case) -> None:
    key = f"mergekit {case.id}"
    assert distance(family, case, key, family.result(key)) <= case.within


@pytest.mark.parametrize("case", PEFT, ids=lambda c: c.id)
def test_peft_agrees(family: Family, case: Case) -> None:
    """peft merges task vectors; the base is added here."""
    key, base = f"peft {case.id}", base_of(family)
    theirs = {n: base[n] + delta for n, delta in family.result(key).items()}
    assert distance(family, case, key, theirs) <= case.within


@pytest.mark.parametrize("kind", ["mergekit", "peft"])
def test_the_papers_reading_is_another(family: Family, kind: str) -> None:
    """The comparison can tell: the same TIES with the paper's choices is far from theirs."""
    case = next(c for c in (MERGEKIT if kind == "mergekit" else PEFT) if c.id == "ties")
    given = family.result(f"{kind} ties")
    base = base_of(family)
    theirs = given if kind == "mergekit" else {n: base[n] + d for n, d in given.items()}
    as_paper = replace(case, ours=replace(case.ours, dialect="paper"))
    assert farthest(ours(family, as_paper, theirs), theirs) > LEAST_CHANGE
