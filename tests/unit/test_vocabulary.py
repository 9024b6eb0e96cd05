"""Vocabularies of different size: rows by token, filled by rule, counted, and right when merged."""

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import row
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny_models import loaded, saved, stored, tiny, tuned
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel

from merging.checkpoints import MemoryCheckpoint, open_folder
from merging.checkpoints.align import align, tokens_of
from merging.checkpoints.aligned import AlignedCheckpoint, Group, RowCounts
from merging.checkpoints.tokens import Tokens, read_tokens
from merging.checkpoints.vocabulary import named, rows_in, union_of
from merging.cli import main
from merging.engine import make_plan, run
from merging.engine.commit import commit
from merging.errors import CompatibilityError, ParameterError, RecipeError, SourceError
from merging.recipe import make_recipe, parse_recipe, write_recipe

WORDS = ("<unk>", "<s>", "</s>", "sun", "sea", "sky")


def tokens(*words: str) -> Tokens:
    return Tokens({word: at for at, word in enumerate(words)}, {}, None)


def test_the_union_keeps_the_first_ids_and_appends_by_model() -> None:
    found = union_of([tokens("a", "b"), tokens("c", "b"), tokens("d", "a", "c")])
    assert found.tokens == ("a", "b", "c", "d")
    assert union_of([tokens("a", "b"), tokens("c")], 4).tokens == ("a", "b", "c", None)
    with pytest.raises(ParameterError, match="must be at least 1"):
        union_of([tokens("a")], 0)


def test_rows_are_found_by_token_and_padding_only_in_its_own_model() -> None:
    target = named(tokens("a", "b"), 3, "one")
    assert target.tokens == ("a", "b", None)
    assert rows_in(target, "one", tokens("a", "b"), 3).tolist() == [0, 1, 2]
    assert rows_in(target, "two", tokens("x", "b", "a"), 3).tolist() == [2, 1, -1]
    assert rows_in(target, "two", tokens("x", "b", "a"), 2).tolist() == [-1, 1, -1]


def group(words: dict[str, str], base: str = "", **how: Any) -> dict[str, AlignedCheckpoint]:
    """Views of models that have one number a token: the model's, from 1, by hundreds."""
    known = {name: tokens(*text) for name, text in words.items()}
    models = {
        n: MemoryCheckpoint(
            n, {"embed.weight": torch.arange(len(t)).reshape(-1, 1) + 100.0 * (i + 1)}
        )
        for i, (n, t) in enumerate(words.items())
    }
    target = how.pop("target", None) or union_of(list(known.values()))
    places = {n: rows_in(target, n, known[n], len(words[n])) for n in words}
    together = Group(models, places, base, target, **how)
    aligned = frozenset({"embed.weight"})
    return {n: AlignedCheckpoint(m, together, aligned, known[n]) for n, m in models.items()}


def numbers(view: AlignedCheckpoint) -> list[float]:
    return view.load("embed.weight").flatten().tolist()


def test_rows_by_hand() -> None:
    views = group({"base": "ab", "one": "bac", "two": "acd"}, "base")
    # union: a b c d. Own rows: base 100 101, one b 200 a 201 c 202, two a 300 c 301 d 302.
    assert numbers(views["base"]) == [100, 101, (202 + 301) / 2, 302]
    assert numbers(views["one"]) == [201, 200, 202, 302]
    assert numbers(views["two"]) == [300, 200, 301, 302]
    assert views["base"].counts() == RowCounts(own=2, experts=2, base=0, made=0)
    assert views["one"].counts() == RowCounts(own=3, experts=1, base=0, made=0)


def test_the_base_fills_what_no_expert_has_so_that_nothing_changes_there() -> None:
    views = group({"base": "abz", "one": "ab", "two": "ba"}, "base")
    assert numbers(views["one"])[2] == numbers(views["two"])[2] == 102
    assert views["one"].counts() == RowCounts(own=2, experts=0, base=1, made=0)
    assert "2 of its own, 0 mean of the experts that have the token, 1 of the base" in (
        views["one"].sentence()
    )


def test_rows_of_no_model_are_the_mean_of_its_own_or_zero_on_request() -> None:
    target = union_of([tokens("a", "b")], 4)
    views = group({"one": "ab", "two": "ab"}, target=target)
    assert numbers(views["one"]) == [100, 101, 100.5, 100.5]
    assert views["one"].counts() == RowCounts(own=2, experts=0, base=0, made=2)
    zero = group({"one": "ab", "two": "ab"}, target=target, fill="zero")
    assert numbers(zero["two"]) == [200, 201, 0, 0]
    assert views["one"].mark() != zero["one"].mark()


VOCABULARIES = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True).map("".join),
    min_size=2,
    max_size=4,
)


@given(VOCABULARIES, st.integers(1, 5))
def test_the_average_is_that_of_the_models_that_have_the_token(
    words: list[str], multiple: int
) -> None:
    named_words = {f"m{i}": text for i, text in enumerate(words)}
    target = union_of([tokens(*w) for w in words], multiple)
    views = group(named_words, target=target)
    average = torch.stack([v.load("embed.weight") for v in views.values()]).mean(0).flatten()
    assert len(target.tokens) % multiple == 0
    for at, token in enumerate(target.tokens):
        if token is not None:
            having = [100.0 * (i + 1) + w.index(token) for i, w in enumerate(words) if token in w]
            assert average[at].item() == pytest.approx(sum(having) / len(having), rel=1e-5)


@given(st.integers(0, 23), st.integers(0, 23), st.booleans())
def test_any_run_is_the_same_part_of_the_whole(start: int, stop: int, half: bool) -> None:
    start, stop = sorted((start, stop))
    dtype = torch.bfloat16 if half else torch.float32
    source = torch.Generator().manual_seed(3)
    words = {"one": "abcd", "two": "fbea"}
    models = {
        n: MemoryCheckpoint(n, {"embed.weight": torch.randn(4, 4, generator=source).to(dtype)})
        for n in words
    }
    known = {n: tokens(*w) for n, w in words.items()}
    target = union_of(list(known.values()))
    places = {n: rows_in(target, n, known[n], 4) for n in words}
    together = Group(models, places, "", target)
    view = AlignedCheckpoint(models["two"], together, frozenset({"embed.weight"}), known["two"])
    whole = view.load("embed.weight")
    assert (whole.shape, whole.dtype) == (torch.Size((6, 4)), dtype)
    assert view.tensors()["embed.weight"].shape == (6, 4)
    out = torch.empty(stop - start, dtype=dtype)
    with view.opened() as files:
        assert torch.equal(files.run("embed.weight", start, stop), whole.flatten()[start:stop])
        files.read("embed.weight", start, out)
    assert torch.equal(out, whole.flatten()[start:stop])


def model(root: Path, name: str, words: tuple[str, ...], seed: int, rows: int = 0) -> Path:
    """A tiny Llama with a tokenizer of these words."""
    base = tiny("llama", vocab_size=rows or len(words))
    folder = saved(base if seed == 0 else tuned(base, seed), root / name)
    vocabulary = {word: at for at, word in enumerate(words)}
    Tokenizer(WordLevel(vocabulary, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
    return folder


ONE = (*WORDS, "moon")
TWO = ("<unk>", "<s>", "</s>", "sky", "rain", "sun")


def three(root: Path) -> None:
    model(root, "base", WORDS, 0, rows=8)
    model(root, "one", ONE, 1)
    model(root, "two", TWO, 2)


def expected(root: Path, tensor: str) -> torch.Tensor:
    """Linear average of two experts in the union with the first's order: words, moon, rain."""
    one, two = (stored(root / name)[tensor] for name in ("one", "two"))
    rows = []
    for word in (*ONE, "rain"):
        having = [t[w.index(word)] for t, w in ((one, ONE), (two, TWO)) if word in w]
        rows.append(torch.stack(having).mean(0))
    return torch.stack(rows)


def test_a_merge_in_the_union_loads_and_its_rows_are_right(tmp_path: Path) -> None:
    three(tmp_path)
    models = {n: open_folder(tmp_path / n, n) for n in ("one", "two")}
    recipe = make_recipe("linear", ["one", "two"], tokenizer="union")
    plan = make_plan(recipe, None, models)
    (step,) = (s for s in plan.steps if s.tensor == "lm_head.weight")
    assert "one in 8 rows, the union of all: 7 of its own, 1 mean of the experts" in step.reason
    commit(plan, tmp_path / "out", device="cpu")
    merged = stored(tmp_path / "out")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.allclose(merged[name], expected(tmp_path, name), atol=1e-6)
    made = loaded("llama", tmp_path / "out")
    assert made.config.vocab_size == 8
    assert made.get_input_embeddings().weight.shape[0] == 8
    question = torch.tensor([[1, 3, 6, 7, 2]])
    assert made(input_ids=question).logits.isfinite().all()


def test_in_the_bases_vocabulary_an_expert_without_a_token_leaves_its_row(tmp_path: Path) -> None:
    three(tmp_path)
    opened = {n: open_folder(tmp_path / n, n) for n in ("base", "one", "two")}
    params = {"scale": 1.0}
    recipe = make_recipe(
        "task_arithmetic", ["one", "two"], base="base", params=params, tokenizer="base"
    )
    merged = run(make_plan(recipe, opened["base"], opened), device="cpu").tensors
    name = "model.embed_tokens.weight"
    base, one, two = (stored(tmp_path / n)[name] for n in opened)
    # sea is row 4 of base and one, and not in two, whose row becomes that of one.
    assert torch.allclose(merged[name][4], base[4] + 2 * (one[4] - base[4]), atol=1e-6)
    sky = base[5] + (one[5] - base[5]) + (two[3] - base[5])
    assert torch.allclose(merged[name][5], sky, atol=1e-6)
    assert torch.equal(merged[name][6:], base[6:])  # padding: no expert has it
    assert merged[name].shape == (8, 16)


def test_ids_in_the_config_go_with_their_tokens(tmp_path: Path) -> None:
    three(tmp_path)
    one, two = (open_folder(tmp_path / n, n) for n in ("one", "two"))
    swapped = model(tmp_path, "other", ("</s>", "<s>", "<unk>", "sun"), 3)
    other = open_folder(swapped, "other")
    _, views = align("union", None, {"one": one, "other": other})
    # Its config says 2, which is <unk> in its own numbers and 0 in the target's.
    assert views["other"].config()["eos_token_id"] == 0
    assert views["one"].config()["eos_token_id"] == 2
    assert views["one"].config()["vocab_size"] == 7
    assert tokens_of(two).ids["rain"] == 4


def test_equal_vocabularies_leave_the_models_as_they_are(tmp_path: Path) -> None:
    one, two = (open_folder(model(tmp_path, n, WORDS, i), n) for i, n in enumerate("xy"))
    _, views = align("union", None, {"x": one, "y": two})
    assert views == {"x": one, "y": two}


def test_without_a_tokenizer_or_an_embedding_nothing_is_guessed(tmp_path: Path) -> None:
    folder = model(tmp_path, "one", WORDS, 0)
    one = open_folder(folder, "one")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(SourceError, match="one has no tokenizer"):
        align("union", None, {"one": one})
    save_file({"w": row(1)}, folder / "model.safetensors")
    Tokenizer(WordLevel({"a": 0}, unk_token="a")).save(str(folder / "tokenizer.json"))
    with pytest.raises(CompatibilityError, match="no embedding of tokens"):
        align("union", None, {"one": open_folder(folder, "one")})
    with pytest.raises(RecipeError, match="no such model"):
        align("base", None, {"one": one})


def test_a_recipe_says_whose_vocabulary_and_checks_it(tmp_path: Path) -> None:
    recipe = make_recipe("linear", ["one", "two"], tokenizer="two")
    assert parse_recipe(write_recipe(recipe)) == recipe
    assert recipe.key() != make_recipe("linear", ["one", "two"]).key()
    with pytest.raises(RecipeError, match="Unknown tokenizer 'base'"):
        make_recipe("linear", ["one", "two"], tokenizer="base")
    with pytest.raises(RecipeError, match=r"Unknown tokenizer 'unoin'\. Did you mean 'union'"):
        make_recipe("linear", ["one", "two"], tokenizer="unoin")


def test_the_command_line_blocks_without_and_merges_with_a_tokenizer(
    tmp_path: Path, capsys: Any
) -> None:
    three(tmp_path)
    text = "format: merge-explorer/1\nexperts: [one, two]\nmethod: linear\n"
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert main(["check", str(path)]) == 1
    assert "Averaged by position, rows of different tokens" in capsys.readouterr().out
    path.write_text(text + "tokenizer: union\n")
    assert main(["check", str(path)]) == 0
    assert "one in 8 rows, the union of all: 7 of its own, 1 mean" in capsys.readouterr().out
    assert main(["merge", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert loaded("llama", tmp_path / "out").lm_head.weight.shape == (8, 16)


def test_tokens_of_other_files_and_hostile_ones(tmp_path: Path) -> None:
    Tokenizer(BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])).save(str(tmp_path / "tokenizer.json"))
    found = read_tokens(tmp_path, "m")
    assert found is not None and (found.ids, found.size) == ({"a": 0, "b": 1, "ab": 2}, 3)
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": [["x", -1.5], ["y", 0]]}}')
    assert read_tokens(tmp_path, "m") == tokens("x", "y")
    (tmp_path / "tokenizer.json").unlink()
    assert read_tokens(tmp_path, "m") is None
    (tmp_path / "vocab.txt").write_text("p\nq\n")
    (tmp_path / "added_tokens.json").write_text('{"new": 2}')
    assert read_tokens(tmp_path, "m") == tokens("p", "q", "new")


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[]",
        "{}",
        '{"model": 3}',
        '{"model": {"vocab": {"a": -1}}}',
        '{"model": {"vocab": {"a": true}}}',
        '{"model": {"vocab": {"a": 99999999}}}',
        '{"model": {"vocab": {"a": 0, "b": 0}}}',
        '{"model": {"vocab": {}}, "added_tokens": [7]}',
        '{"model": {"vocab": {}}, "added_tokens": {"a": 1}}',
    ],
)
def test_a_tokenizer_that_is_none_is_refused_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(SourceError, match="Model mine"):
        read_tokens(tmp_path, "mine")
