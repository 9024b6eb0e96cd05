"""The check before any work: each finding by hand, and agreement with what a plan refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State, state
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import saved, tiny, trio, tuned

from merging.checkpoints import Checkpoint, MemoryCheckpoint, open_folder
from merging.cli import main
from merging.engine import make_plan
from merging.errors import CompatibilityError
from merging.preflight import Findings, check
from merging.recipe import make_recipe

RECIPE = make_recipe("task_arithmetic", ["one", "two"], base="base")


def checked(base: State, one: State, two: State, about: dict[str, Any] | None = None) -> Findings:
    models: dict[str, Checkpoint] = {
        "one": MemoryCheckpoint("one", one, about or {}),
        "two": MemoryCheckpoint("two", two),
    }
    start = MemoryCheckpoint("base", base, {"model_type": "vit", "hidden_size": 4})
    return check(RECIPE, start, models)


def only(found: Findings, code: str) -> Any:
    (finding,) = found.of(code)
    return finding


BASE, ONE, TWO = state(1), state(2), state(3)
NAME = "layers.0.attention.q_proj.weight"


def test_models_that_fit_have_no_finding_that_blocks() -> None:
    found = checked(BASE, ONE, TWO)
    assert not found.blocks
    assert {f.code for f in found.entries} <= {"time", "memory", "family"}


@pytest.mark.parametrize(
    ("change", "code", "values"),
    [
        ({NAME: None}, "missing", ("4x4 float32", "none")),
        ({NAME: torch.ones(4, 5)}, "shape", ("4x4 float32", "4x5 float32")),
        ({NAME: torch.ones(4, 4).int()}, "kind", ("4x4 float32", "4x4 int32")),
        ({"extra.weight": torch.ones(2)}, "extra", ("none", "2 float32")),
        ({"embeddings.weight": torch.ones(5, 4)}, "resized", ("3x4 float32", "5x4 float32")),
    ],
)
def test_what_does_not_fit_blocks(change: dict[str, Any], code: str, values: Any) -> None:
    two = {n: t for n, t in {**TWO, **change}.items() if t is not None}
    finding = only(checked(BASE, ONE, two), code)
    assert finding.severity == "blocks"
    assert finding.models == ("base", "two")
    assert finding.values == values
    assert finding.tensor in change
    assert finding.remedy


def test_all_that_does_not_fit_is_told_at_once() -> None:
    found = checked(BASE, {}, {n: torch.ones(9) for n in BASE})
    assert len(found.of("missing")) == len(BASE)
    assert len(found.of("shape")) == len(BASE)


def test_other_stored_types_heads_and_ties_are_only_told() -> None:
    head = {"lm_head.weight": torch.ones(2, 2)}
    half = {n: t.half() for n, t in ONE.items()}
    found = checked(BASE | head, half | {"lm_head.weight": torch.ones(3, 2)}, TWO | head)
    assert not found.blocks
    assert len(found.of("dtype")) == len(BASE)
    assert only(found, "head").values == ("2x2 float32", "3x2 float32")
    tied = [s | {"lm_head.weight": s["embeddings.weight"].clone()} for s in (BASE, ONE, TWO)]
    assert only(checked(*tied), "tied").tensor == "lm_head.weight"


def test_another_architecture_warns_with_both_values() -> None:
    found = checked(BASE, ONE, TWO, {"model_type": "bert", "hidden_size": 4})
    finding = only(found, "architecture")
    assert (finding.severity, finding.values) == ("warns", ("'vit'", "'bert'"))


TENSORS = st.sampled_from(
    [
        torch.ones(2, 3),
        torch.zeros(2, 3),
        torch.ones(3, 3),
        torch.ones(2, 3).half(),
        torch.ones(2, 3).int(),
        torch.zeros(2, 3).int(),
        torch.ones(6),
    ]
)
NAMES = ("layers.0.w", "embeddings.weight", "lm_head.weight", "running_mean", "position_ids")
STATES = st.dictionaries(st.sampled_from(NAMES), TENSORS, max_size=5)


@given(STATES, STATES, STATES, st.booleans())
def test_whatever_a_plan_refuses_blocks_and_nothing_else_of_the_weights(
    base: State, one: State, two: State, based: bool
) -> None:
    method = "task_arithmetic" if based else "linear"
    recipe = make_recipe(method, ["one", "two"], base="base" if based else None)
    start = MemoryCheckpoint("base", base) if based else None
    models = {"one": MemoryCheckpoint("one", one), "two": MemoryCheckpoint("two", two)}
    found = check(recipe, start, models)
    try:
        make_plan(recipe, start, models)
    except CompatibilityError:
        assert found.blocks
    else:
        assert not found.blocks


WORDS = ["<pad>", "<s>", "</s>", "a", "b", "c"]


def tokenizer(folder: Path, words: list[str], **said: Any) -> Path:
    vocabulary = {word: at for at, word in enumerate(words)}
    data = {"model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "a"}}
    (folder / "tokenizer.json").write_text(json.dumps(data))
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return folder


def folders(root: Path, words: list[list[str]], said: list[dict[str, Any]]) -> Findings:
    found = trio("llama", root)
    for name, theirs, config in zip(found, words, said, strict=True):
        tokenizer(found[name], theirs, **config)
        (found[name] / "README.md").write_text("---\nlicense: mit\n---\n# model\n")
    opened = {n: open_folder(p, n) for n, p in found.items()}
    return check(RECIPE, opened["base"], opened)


def test_equal_tokenizers_are_no_finding(tmp_path: Path) -> None:
    found = folders(tmp_path, [WORDS] * 3, [{"eos_token": "</s>", "chat_template": "x"}] * 3)
    assert {f.code for f in found.entries} <= {"time", "memory"}


def test_tokens_with_other_ids_block_and_are_counted(tmp_path: Path) -> None:
    swapped = [*WORDS[:3], "b", "a", "c"]
    found = folders(tmp_path, [WORDS, WORDS, swapped], [{}] * 3)
    finding = only(found, "vocabulary")
    assert (finding.severity, finding.models) == ("blocks", ("base", "two"))
    assert "2 shared token(s) have another id, 0 are in base only and 0 in two" in finding.message


def test_tokens_added_at_the_end_special_tokens_and_templates_warn(tmp_path: Path) -> None:
    said = [{"eos_token": "</s>", "chat_template": "A"}] * 2
    said.append({"eos_token": {"content": "<end>"}, "chat_template": "AB"})
    found = folders(tmp_path, [WORDS, WORDS, [*WORDS, "<end>"]], said)
    assert not found.blocks
    assert only(found, "vocabulary").severity == "warns"
    assert only(found, "special_token").values == ("'</s>'", "'<end>'")
    assert only(found, "chat_template").values == ("1 characters", "2 characters")


def test_a_damaged_tokenizer_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    found = trio("llama", tmp_path)
    (found["one"] / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0, "b": 0}}}')
    opened = {n: open_folder(p, n) for n, p in found.items()}
    finding = only(check(RECIPE, opened["base"], opened), "tokenizer_unreadable")
    assert "'a' and 'b' both have the id 0" in finding.message


def recipe_file(root: Path, text: str = "") -> list[str]:
    path = root / "recipe.yaml"
    path.write_text(
        "format: merge-explorer/1\nbase: base\nexperts: [one, two]\nmethod: task_arithmetic\n"
        + text
    )
    return ["check", str(path)]


def test_command_line_zero_where_nothing_blocks(tmp_path: Path, capsys: Any) -> None:
    trio("gpt2", tmp_path)
    assert main([*recipe_file(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["blocks"] is False
    assert {f["code"] for f in told["findings"]} >= {"time", "licence_unknown"}


def test_command_line_one_where_something_blocks(tmp_path: Path, capsys: Any) -> None:
    trio("gpt2", tmp_path)
    saved(tuned(tiny("gpt2", n_inner=8), 3), tmp_path / "two")
    assert main(recipe_file(tmp_path)) == 1
    told = capsys.readouterr().out
    assert "BLOCKS  shape: 'transformer.h.0.mlp.c_fc.bias' is 32 in base and 8 in two." in told
    assert main([*recipe_file(tmp_path), "--memory", "1KB"]) == 1


def test_command_line_one_where_a_model_is_not_there(tmp_path: Path, capsys: Any) -> None:
    assert main([*recipe_file(tmp_path), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "unreadable"


@pytest.mark.parametrize("text", ["method: ties", "colour: red", "tokenizer: nobody", "seed: x"])
def test_command_line_two_for_a_bad_recipe(text: str, tmp_path: Path, capsys: Any) -> None:
    assert main(recipe_file(tmp_path, text)) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_command_line_two_for_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 2


def test_what_merge_refuses_before_any_work_blocks_here_too(tmp_path: Path, capsys: Any) -> None:
    trio("llama", tmp_path)
    (tmp_path / "base" / "config.json").write_text("[")
    arguments = recipe_file(tmp_path)
    assert main(arguments) == 1
    assert "BLOCKS  unreadable: Model base: cannot read config.json" in capsys.readouterr().out
    path = tmp_path / "layers.yaml"
    runs = "[{model: one, from: 0, to: 9}]"
    path.write_text(
        f"format: merge-explorer/1\nexperts: [{{id: x, layers: {runs}}}]\nmethod: linear\n"
    )
    assert main(["check", str(path)]) == 1
    assert "one has 2 layers, and the recipe asks for layer 2" in capsys.readouterr().out


def test_templates_are_compared_with_the_one_that_is_taken(tmp_path: Path) -> None:
    """The base has none: the first expert's is taken, and the second's is the one that is lost."""
    found = folders(tmp_path, [WORDS] * 3, [{}, {"chat_template": "A"}, {"chat_template": "AB"}])
    lost, none = sorted(found.of("chat_template"), key=lambda f: f.severity, reverse=True)
    assert (lost.severity, lost.models) == ("warns", ("one", "two"))
    assert "keeps one's" in lost.remedy and lost.values == ("1 characters", "2 characters")
    assert (none.severity, none.models) == ("tells", ("one", "base"))


def test_a_template_of_another_tokenizer_is_not_taken_and_that_is_told(tmp_path: Path) -> None:
    said = [{}, {}, {"chat_template": "AB"}]
    found = folders(tmp_path, [WORDS, WORDS, [*WORDS, "<end>"]], said)
    assert "of two is not taken" in only(found, "chat_template").message


def test_an_experts_damaged_config_warns(tmp_path: Path) -> None:
    found = trio("llama", tmp_path)
    (found["two"] / "config.json").write_text('{"a": ')
    opened = {n: open_folder(p, n) for n, p in found.items()}
    finding = only(check(RECIPE, opened["base"], opened), "config_unreadable")
    assert (finding.severity, finding.models) == ("warns", ("two",))


def test_another_kind_of_network_is_told_once_and_first(tmp_path: Path) -> None:
    found = trio("llama", tmp_path)
    saved(tiny("gpt2"), found["two"])
    opened = {n: open_folder(p, n) for n, p in found.items()}
    findings = check(RECIPE, opened["base"], opened)
    (first,) = [f for f in findings.entries if f.severity == "blocks"]
    assert first.message.startswith("model_type is 'llama' in base and 'gpt2' in two")
    assert first.remedy.startswith("Choose models of one architecture.")


def test_an_expert_that_is_the_base_itself_warns(tmp_path: Path) -> None:
    folders = trio("llama", tmp_path)
    base, again = (open_folder(folders["base"], name) for name in ("base", "again"))
    other = open_folder(folders["one"], "one")
    models = {"a": again, "b": other}
    (found,) = check(make_recipe("ties", ("a", "b")), base, models).of("unchanged")
    assert found.severity == "warns" and found.models == ("base", "again")
    assert found.message == "again is the base itself: its task vector is 0 everywhere."
    assert check(make_recipe("linear", ("a", "b")), base, models).of("unchanged") == ()
