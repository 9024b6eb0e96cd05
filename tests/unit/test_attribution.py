"""Blocks put back to the base: which tensors, what changes, what is kept when it stops."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_measure import CancelAfter, Ticks, quiet

from merging.errors import CompatibilityError, EvaluationError
from merging.evaluation import compare, score, vision_model
from merging.jobs import ResultCache
from merging.recipe import make_recipe
from merging.search.attribution import AttributionResult, attribute, blocks_left
from merging.search.blocks import blocks_of, reverted
from merging.search.measure import SetMeasure
from merging.sets import tasks

SUM = make_recipe("task_arithmetic", ["one", "two"], set="tiny", params={"scale": 0.5})


pytestmark = pytest.mark.usefixtures("alone")


class Counting(SetMeasure):
    """Counts merges and evaluations; each evaluation takes a second on its clock."""

    def __init__(self, root: Path) -> None:
        super().__init__("tiny", root, device="cpu")
        self.merged, self.answered, self.clock = 0, 0, Ticks()

    def merge(self, recipe, report):
        self.merged += 1
        return super().merge(recipe, report)

    def answers(self, outcome, half, report):
        assert half == "tuning"
        self.answered += 1
        self.clock.now += 1
        return super().answers(outcome, half, report)


def test_blocks_are_a_partition_of_what_was_merged(zoo: Path) -> None:
    outcome = SetMeasure("tiny", zoo).merge(SUM, quiet)
    for by in ("cell", "row", "module"):
        blocks = blocks_of(outcome, by)
        names = [n for block in blocks for n in block.tensors]
        assert sorted(names) == sorted(outcome.tensors)
    assert [b.label for b in blocks_of(outcome, "row")] == ["Embed", "L0", "L1", "Final"]
    cells = {b.label for b in blocks_of(outcome)}
    assert {"L0 q", "L1 down", "Embed embed"} <= cells
    assert {b.label for b in blocks_of(outcome, "module")} >= {"q", "k", "v", "up", "norm"}


def test_each_block_by_hand(zoo: Path) -> None:
    measure = Counting(zoo)
    found = attribute(SUM, quiet, measure=measure, by="row")
    outcome, base = SetMeasure("tiny", zoo).merge(SUM, quiet), measure.base_weights()
    todo, config = tasks("tiny", "tuning", zoo), measure.opened.base.config()
    whole = score(vision_model(config, outcome.tensors), todo)
    assert all((found.merged[t] == whole[t]).all() for t in whole)
    assert {e.block for e in found.effects} == set(found.blocks) and found.ended == "complete"
    for effect in found.effects:
        back = {n: base[n] for n in effect.block.tensors}
        want = score(vision_model(config, {**outcome.tensors, **back}), todo)
        assert all((effect.correct[t] == want[t]).all() for t in want)
        assert effect.change == compare(want, whole, found.own)
    assert measure.merged == 1 and measure.answered == 1 + len(found.blocks)


def test_the_largest_changes_come_first(zoo: Path) -> None:
    found = attribute(SUM, quiet, measure=Counting(zoo), by="row")
    outcome, base = SetMeasure("tiny", zoo).merge(SUM, quiet), Counting(zoo).base_weights()
    sizes = [
        sum(float((outcome.tensors[n] - base[n]).double().square().sum()) for n in e.block.tensors)
        for e in found.effects
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_all_blocks_together_are_the_base(zoo: Path) -> None:
    measure = SetMeasure("tiny", zoo)
    outcome, base = measure.merge(SUM, quiet), measure.base_weights()
    back = reverted(outcome, base, tuple(outcome.tensors))
    assert all(torch.equal(back.tensors[n], base[n]) for n in base)
    assert not all(torch.equal(outcome.tensors[n], base[n]) for n in base)


def test_a_task_with_a_model_of_its_own_has_the_base_back_there_too(zoo: Path) -> None:
    measure = SetMeasure("tiny", zoo, device="cpu")
    recipe = make_recipe("emr", ["one", "two"], set="tiny")
    outcome, base = measure.merge(recipe, quiet), measure.base_weights()
    name = next(n for n in base if n.endswith("query.weight"))
    weights = reverted(outcome, base, (name,)).weights_of("one", measure.opened.base)
    assert torch.equal(weights[name], base[name])
    whole = outcome.weights_of("one", measure.opened.base)
    assert not torch.equal(whole[name], base[name])
    assert all(torch.equal(weights[n], whole[n]) for n in whole if n != name)


def test_a_block_that_did_not_change_costs_nothing(zoo: Path) -> None:
    base = load_file(zoo / "base" / "model.safetensors")
    for name in ("one", "two"):
        path = zoo / "tiny" / name / "model.safetensors"
        still = {n: base[n] if "embed" in n else t for n, t in load_file(path).items()}
        save_file(still, path, {"format": "pt"})
    measure = Counting(zoo)
    found = attribute(SUM, quiet, measure=measure, by="row")
    embed = next(e for e in found.effects if e.block.row == "Embed")
    assert embed.change is not None and embed.change.mean[1].value == 0
    assert measure.answered == len(found.blocks)


def test_answers_are_kept_for_the_next_time(zoo: Path) -> None:
    results, again = ResultCache(), Counting(zoo)
    first = attribute(SUM, quiet, measure=Counting(zoo), by="row", results=results)
    found = attribute(SUM, quiet, measure=again, by="row", results=results)
    assert again.answered == 0
    assert [e.change for e in found.effects] == [e.change for e in first.effects]


def test_budget_and_cancel_keep_what_is_done(zoo: Path) -> None:
    measure = Counting(zoo)
    found = attribute(SUM, quiet, measure=measure, clock=measure.clock, budget_seconds=4.5)
    assert found.ended == "budget" and len(found.effects) == 3
    states: list[AttributionResult] = []
    attribute(SUM, quiet, measure=Counting(zoo), by="row", on_block=states.append)
    assert [len(s.effects) for s in states] == [0, 1, 2, 3, 4, 4]
    report = CancelAfter(10**9)

    def stop_after_two(state: AttributionResult) -> None:
        if len(state.effects) == 2:
            report.calls = report.seen

    found = attribute(SUM, report, measure=Counting(zoo), by="row", on_block=stop_after_two)
    assert found.ended == "cancelled" and len(found.effects) == 2 and found.merged


def test_a_block_that_fails_is_named_and_the_others_go_on(zoo: Path) -> None:
    class Broken(Counting):
        def answers(self, outcome, half, report):
            if self.answered == 2:
                self.answered += 1
                raise EvaluationError("no head")
            return super().answers(outcome, half, report)

    found = attribute(SUM, quiet, measure=Broken(zoo), by="row")
    assert found.ended == "complete" and len(found.effects) == 4
    bad = [e for e in found.effects if e.error]
    assert [e.error for e in bad] == [f"{bad[0].block.label}: no head"] and bad[0].change is None


def test_another_width_cannot_be_put_back(zoo: Path) -> None:
    recipe = make_recipe("pleas", ["one", "two"], set="tiny", params={"ratio": 0.5})
    found = attribute(recipe, quiet, measure=SetMeasure("tiny", zoo, device="cpu"), by="module")
    words = {e.block.label: e.error for e in found.effects}
    assert "changed its shape" in words["up"] and words["q"] == ""
    measure = SetMeasure("tiny", zoo)
    with pytest.raises(CompatibilityError, match="'nothing' does not fit"):
        reverted(measure.merge(SUM, quiet), measure.base_weights(), ("nothing",))


def test_what_is_left_of_an_attribution_is_counted_by_its_blocks(zoo: Path) -> None:
    measure, kept = Counting(zoo), ResultCache()
    assert blocks_left(SUM, "row", measure, kept) is None
    found = attribute(
        SUM, quiet, measure=measure, by="row", results=kept, clock=measure.clock,
        budget_seconds=4.5,
    )  # fmt: skip
    assert 0 < len(found.effects) < len(found.blocks) == 4
    assert blocks_left(SUM, "row", measure, kept) == 4 - len(found.effects)
    assert blocks_left(SUM, "cell", measure, kept) is None
    attribute(SUM, quiet, measure=measure, by="row", results=kept, clock=measure.clock)
    assert blocks_left(SUM, "row", measure, kept) == 0
    assert blocks_left(SUM, "row", SetMeasure("tiny", zoo, items=3), kept) is None
