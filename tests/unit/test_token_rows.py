"""Rows of single tokens that a recipe sets: by hand, in files, in mergekit's words, and refused."""

from pathlib import Path

import pytest
import torch
from test_union_tokenizer import ONE, ROWS, model, tokenizer, two, written
from test_vocabulary import group, numbers
from tiny_models import loaded, stored

from merging.checkpoints.aligned import Given, RowCounts
from merging.cli import main
from merging.errors import MergeError, RecipeError, UnknownNameError
from merging.recipe import parse_recipe, read_recipe, write_recipe
from merging.recipe.mergekit import why_not, write_mergekit
from merging.recipe.renamed import renamed
from merging.recipe.token_rows import TokenRow

HEAD = "format: merge-explorer/1\nexperts: [one, two]\nmethod: linear\ntokenizer: union\n"
TOKENS = """tokens:
  "<|call|>": {zero: true}
  "<|im|>": {model: one, force: true}
  "<|new|>": {model: two, like: "<|call|>"}
  "<|other|>": {model: one, row: 2}
"""
THEIRS = """merge_method: linear
models: [{model: one, parameters: {weight: 1}}, {model: two, parameters: {weight: 1}}]
tokenizer:
  source: union
  tokens:
    "<|call|>": {source: {kind: zero}}
    "<|im|>": {source: one, force: true}
    "<|new|>": {source: {kind: model_token, model: two, token: "<|call|>"}}
    "<|other|>": {source: {kind: model_token, model: {path: one}, token_id: 2}}
"""
READ = (
    TokenRow("<|call|>"),
    TokenRow("<|im|>", "one", force=True),
    TokenRow("<|new|>", "two", "<|call|>"),
    TokenRow("<|other|>", "one", row=2),
)


def test_rows_are_set_by_hand_where_a_model_lacks_them_or_in_all() -> None:
    # Own rows: base 100 101, one b 200 a 201 c 202, two a 300 c 301 d 302; union a b c d.
    given = (Given(3, "one", 0, False), Given(0, "base", 1, True), Given(1, "", 0, False))
    views = group({"base": "ab", "one": "bac", "two": "acd"}, "base", given=given)
    assert numbers(views["base"]) == [101, 101, (202 + 301) / 2, 200]
    assert numbers(views["one"]) == [101, 200, 202, 200]
    assert numbers(views["two"]) == [101, 0, 301, 302]
    assert views["base"].counts() == RowCounts(own=1, experts=1, base=0, made=0, given=2)
    assert views["two"].counts() == RowCounts(own=2, experts=0, base=0, made=0, given=2)
    assert views["two"].sentence().endswith("(the mean of its rows), 2 as the recipe says")
    plain = group({"base": "ab", "one": "bac", "two": "acd"}, "base")
    assert plain["one"].mark() != views["one"].mark()


def test_a_run_in_the_middle_of_a_row_is_that_rows() -> None:
    given = (Given(1, "two", 2, True),)
    view = group({"one": "abc", "two": "abc"}, given=given)["one"]
    with view.opened() as files:
        assert files.run("embed.weight", 1, 3).tolist() == [202, 102]
        assert files.run("embed.weight", 2, 3).tolist() == [102]


def test_ours_and_mergekits_words_read_alike_and_come_back() -> None:
    ours, theirs = parse_recipe(HEAD + TOKENS), read_recipe(THEIRS)
    assert ours.tokens == theirs.tokens == READ
    assert ours.key() == parse_recipe(write_recipe(ours)).key() != parse_recipe(HEAD).key()
    assert read_recipe(write_mergekit(theirs)) == theirs
    moved = parse_recipe(HEAD + "base: b\n" + 'tokens: {"<x>": {model: base}}\n')
    assert why_not(moved) == (
        "tokens takes rows of the base, which mergekit does not read for this method.",
    )


def test_with_other_ids_the_rows_are_of_the_same_models() -> None:
    moved = renamed(parse_recipe(HEAD + TOKENS), {"one": "first"})
    assert [t.model for t in moved.tokens] == ["", "first", "two", "first"]


def test_in_the_result_every_token_has_the_row_that_was_asked_for(tmp_path: Path) -> None:
    two(tmp_path)
    ids = written(tmp_path, HEAD + TOKENS).get_vocab()
    made = loaded("llama", tmp_path / "out").get_input_embeddings().weight
    one, other = (stored(tmp_path / name)[ROWS] for name in ("one", "two"))
    call = other[stored_ids(tmp_path / "two")["<|call|>"]]
    assert (ids["<|new|>"], ids["<|other|>"]) == (len(ids) - 2, len(ids) - 1)
    torch.testing.assert_close(made[ids["<|new|>"]], call)
    torch.testing.assert_close(made[ids["<|other|>"]], one[2])
    torch.testing.assert_close(made[ids["<|im|>"]], one[stored_ids(tmp_path / "one")["<|im|>"]])
    torch.testing.assert_close(made[ids["<|call|>"]], call / 2)  # zero in one


def stored_ids(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()


def test_a_models_vocabulary_grows_by_what_the_recipe_names(tmp_path: Path) -> None:
    two(tmp_path)
    tail = 'tokenizer: one\ntokens: {"<|call|>": {model: two}}\n'
    found = written(tmp_path, HEAD.replace("tokenizer: union\n", tail))
    ids = found.get_vocab()
    assert (len(ids), ids["<|call|>"]) == (len(ONE) + 2, len(ONE) + 1)
    rows = loaded("llama", tmp_path / "out").get_input_embeddings().weight
    wanted = stored(tmp_path / "two")[ROWS][stored_ids(tmp_path / "two")["<|call|>"]]
    torch.testing.assert_close(rows[ids["<|call|>"]], wanted)
    assert found("<|call|>")["input_ids"] == [ids["<|call|>"]]


def test_force_alone_changes_models_of_one_vocabulary(tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        model(tmp_path, name, seed, tokenizer("BPE", ONE, ("<|im|>",)))
    written(tmp_path, HEAD + 'tokens: {"<|im|>": {model: two, force: true}}\n')
    at = stored_ids(tmp_path / "two")["<|im|>"]
    rows = loaded("llama", tmp_path / "out").get_input_embeddings().weight
    torch.testing.assert_close(rows[at], stored(tmp_path / "two")[ROWS][at])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('tokens: {"<x>": {model: three}}', r"model of tokens: '<x>' 'three'"),
        ('tokens: {"<x>": {modl: one}}', "Did you mean 'model'"),
        ('tokens: {"<x>": {}}', "needs either model"),
        ('tokens: {"<x>": {model: one, zero: true}}', "needs either model"),
        ('tokens: {"<x>": {zero: true, row: 1}}', "names a row and no model"),
        ('tokens: {"<x>": {model: one, row: 1, like: a}}', "Keep one of them"),
        ('tokens: {"<x>": {model: one, row: -1}}', "must be from 0"),
        ('tokens: {"<x>": {model: one, row: a}}', "whole number"),
        ('tokens: {"<x>": {model: one, force: maybe}}', "true or false"),
        ('tokens: {"": {zero: true}}', "no text of 1 to 500"),
        ("tokens: [a]", "must name tokens"),
        ('tokens: {"<x>": one}', "it must be {model: id}"),
    ],
)
def test_what_cannot_be_meant_is_refused(lines: str, said: str) -> None:
    with pytest.raises((RecipeError, UnknownNameError), match=said):
        parse_recipe(f"{HEAD}{lines}\n")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{force: true}", "has no source"),
        ("{source: three}", "'three' is none of the models"),
        ("{source: {kind: mean}}", "zero or model_token"),
        ("{source: {kind: model_token, model: one}}", "a token or a token_id"),
        ("{source: {kind: model_token, model: one, token: 3}}", "must be a text"),
        ("{source: {kind: model_token, model: one, tokn: x}}", "no part of a source"),
    ],
)
def test_of_mergekits_too(entry: str, said: str) -> None:
    text = THEIRS.split("  tokens:", maxsplit=1)[0] + f'  tokens: {{"<x>": {entry}}}\n'
    with pytest.raises(MergeError, match=said):
        read_recipe(text)


def test_a_row_that_is_not_there_is_refused_also_where_no_model_needs_it(tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        model(tmp_path, name, seed, tokenizer("BPE", ONE, ("<|im|>",)))
    path = tmp_path / "recipe.yaml"
    path.write_text(HEAD + 'tokens: {"<|im|>": {model: two, like: "<|no|>"}}\n')
    assert main(["merge", str(path), "--out", str(tmp_path / "out"), "--quiet"]) != 0


def test_rows_without_a_vocabulary_and_rows_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecipeError, match="the recipe names none"):
        parse_recipe(HEAD.replace("tokenizer: union\n", TOKENS))
    two(tmp_path)
    path = tmp_path / "recipe.yaml"
    for lines, said in (
        ('tokens: {"<x>": {model: one}}', "in one, which has no such token"),
        ('tokens: {"<x>": {model: one, row: 999}}', "takes row 999 of one, which has"),
    ):
        path.write_text(f"{HEAD}{lines}\n")
        assert main(["merge", str(path), "--out", str(tmp_path / "out"), "--quiet"]) != 0
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
