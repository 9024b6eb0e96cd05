"""The tokenizer that is written with merged rows: every token's id is the number of its row."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import quiet
from tiny_models import loaded, saved, stored, tiny, tuned
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordLevel, WordPiece

from merging.checkpoints import open_folder
from merging.checkpoints.vocabulary import Target
from merging.cli import main
from merging.engine import make_plan
from merging.errors import CompatibilityError, RecipeError
from merging.export.templates import NAMED
from merging.export.tokenizer import joined
from merging.recipe import make_recipe, read_recipe

ROWS = "model.embed_tokens.weight"
ONE = ("<unk>", "<s>", "</s>", "sun", "sea", "s", "e", "a")
TWO = ("<unk>", "</s>", "<s>", "sea", "sky", "s", "k", "y", "e", "a")


def tokenizer(kind: str, words: tuple[str, ...], added: tuple[str, ...]) -> Any:
    """A tokenizer of a kind; what is added gets the ids after the words."""
    ids = {word: at for at, word in enumerate(words)}
    made: Any = {
        "BPE": lambda: BPE(ids, [], unk_token="<unk>"),
        "WordLevel": lambda: WordLevel(ids, unk_token="<unk>"),
        "WordPiece": lambda: WordPiece(ids, unk_token="<unk>"),
        "Unigram": lambda: Unigram([(w, -float(at)) for w, at in ids.items()], 0),
    }[kind]()
    found = Tokenizer(made)
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.add_special_tokens([AddedToken(a, special=True, normalized=False) for a in added])
    return found


def model(root: Path, name: str, seed: int, made: Any, **said: Any) -> Path:
    """A tiny Llama with a tokenizer, and what else its folder says of tokens."""
    base = tiny("llama", vocab_size=made.get_vocab_size())
    folder = saved(tuned(base, seed), root / name)
    made.save(str(folder / "tokenizer.json"))
    decoder = {str(i): {"content": t} for t, i in made.get_vocab().items() if t[:2] == "<|"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": decoder}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | said))
    return folder


def two(root: Path, kind: str = "BPE") -> None:
    model(root, "one", 1, tokenizer(kind, ONE, ("<|im|>",)))
    model(root, "two", 2, tokenizer(kind, TWO, ("<|call|>", "<|im|>")), chat_template="T {{ x }}")


def written(root: Path, text: str, *, name: str = "out") -> Any:
    """Merge a recipe's text and load the tokenizer that was written."""
    from transformers import AutoTokenizer

    quiet()
    path = root / "recipe.yaml"
    path.write_text(text)
    assert main(["merge", str(path), "--out", str(root / name), "--quiet", "--no-verify"]) == 0
    return AutoTokenizer.from_pretrained(root / name)


LINEAR = "format: merge-explorer/1\nexperts: [one, two]\nmethod: linear\n"


def by_hand(root: Path, kind: str, token: str) -> torch.Tensor:
    """Mean of the rows of a token over the models that have it."""
    rows = []
    for name, words, added in (("one", ONE, ("<|im|>",)), ("two", TWO, ("<|call|>", "<|im|>"))):
        ids = tokenizer(kind, words, added).get_vocab()
        if token in ids:
            rows.append(stored(root / name)[ROWS][ids[token]])
    return torch.stack(rows).mean(0)


@pytest.mark.parametrize("kind", ["BPE", "WordLevel", "WordPiece", "Unigram"])
def test_every_id_of_a_union_gives_its_row(kind: str, tmp_path: Path) -> None:
    two(tmp_path, kind)
    found = written(tmp_path, LINEAR + "tokenizer: union\n")
    ids = found.get_vocab()
    assert set(ids) == {*ONE, *TWO, "<|im|>", "<|call|>"}
    assert [ids[token] for token in (*ONE, "<|im|>")] == list(range(9))
    rows = loaded("llama", tmp_path / "out").get_input_embeddings().weight
    assert rows.shape[0] == len(ids) == loaded("llama", tmp_path / "out").config.vocab_size
    for token, at in ids.items():
        assert torch.allclose(rows[at], by_hand(tmp_path, kind, token), atol=1e-6), token
    # Marks of both are found in text, whole; a BPE has no merge that makes two's pieces.
    pieces = ["s", "e", "a"] if kind == "BPE" else ["sea"]
    asked = ["<|call|>", *pieces, "<|im|>"]
    assert found("<|call|>sea<|im|>")["input_ids"] == [ids[t] for t in asked]
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert report["files_made"] == ["tokenizer.json", "tokenizer_config.json"]
    assert any("4 more token(s) of two" in note for note in report["notes"])


def test_rows_are_padded_and_the_config_says_so(tmp_path: Path) -> None:
    two(tmp_path)
    found = written(tmp_path, LINEAR + "tokenizer: union\npad_to_multiple_of: 8\n")
    made = loaded("llama", tmp_path / "out")
    assert (len(found), made.config.vocab_size, made.lm_head.weight.shape[0]) == (13, 16, 16)


def test_in_a_models_vocabulary_the_files_are_that_models(tmp_path: Path) -> None:
    two(tmp_path)
    (tmp_path / "one" / "generation_config.json").write_text('{"eos_token_id": 2}')
    (tmp_path / "two" / "generation_config.json").unlink()
    found = written(tmp_path, LINEAR + "tokenizer: two\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = stored(tmp_path / "out")[ROWS]
    for token, at in found.get_vocab().items():
        if token in TWO:
            assert torch.allclose(rows[at], by_hand(tmp_path, "BPE", token), atol=1e-6)
    # one's config calls 2 the end: that is <s> in two's numbers, so its file stays behind.
    assert not (tmp_path / "out" / "generation_config.json").exists()
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert "of its own vocabulary" in report["files_not_taken"]["generation_config.json"]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["eos_token_id"] == 1


def test_what_has_no_tokenizer_file_to_add_to_says_so(tmp_path: Path, capsys: Any) -> None:
    two(tmp_path)
    for name, words in (("one", (*ONE, "<|im|>")), ("two", (*TWO, "<|call|>", "<|im|>"))):
        (tmp_path / name / "tokenizer.json").unlink()
        (tmp_path / name / "vocab.txt").write_text("\n".join(words))
    path = tmp_path / "recipe.yaml"
    path.write_text(LINEAR + "tokenizer: union\n")
    assert main(["check", str(path)]) == 0
    assert "one has no tokenizer.json" in capsys.readouterr().out
    assert main(["merge", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert "none fits the vocabulary" in report["files_not_taken"]["tokenizer"]
    assert not list((tmp_path / "out").glob("*token*")) + list((tmp_path / "out").glob("vocab*"))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[", "no tokenizer.json that can be read"),
        (b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": 7}}', "cannot be read"),
        (b'{"model": {"vocab": 5}}', "tokenizer.json has no vocabulary"),
        (b'{"model": {"vocab": [["a"]]}}', "a gap"),
    ],
)
def test_a_tokenizer_that_cannot_be_joined_is_told(data: bytes, why: str) -> None:
    found = joined(Target(("a", "b"), "union"), [("one", {"tokenizer.json": data})])
    assert (dict(found.files), why in found.why) == ({}, True), found.why


def test_rows_of_other_tokens_are_never_mixed_unasked(tmp_path: Path, capsys: Any) -> None:
    words = ("<unk>", "<s>", "</s>", "sun", "sea")
    model(tmp_path, "one", 1, tokenizer("BPE", words, ()))
    model(tmp_path, "two", 2, tokenizer("BPE", (*words[:3], "sea", "sun"), ()))
    path = tmp_path / "recipe.yaml"
    path.write_text(LINEAR)
    assert main(["check", str(path)]) == 1
    said = capsys.readouterr().out
    assert "2 shared token(s) have another id" in said and "tokenizer: union" in said
    assert said.startswith("BLOCKS  vocabulary") and "1 block(s)" in said
    assert main(["merge", str(path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "rows of different tokens would be mixed" in said and "tokenizer: union" in said
    assert not (tmp_path / "out").exists()
    models = {n: open_folder(tmp_path / n, n) for n in ("one", "two")}
    with pytest.raises(CompatibilityError, match="for example 'sun'"):
        make_plan(make_recipe("linear", list(models)), None, models)
    written(tmp_path, LINEAR + "tokenizer: position\n")
    one, other, out = (stored(tmp_path / n)[ROWS] for n in ("one", "two", "out"))
    assert torch.allclose(out, (one + other) / 2, atol=1e-6)
    assert main(["check", str(path)]) == 0
    assert "warns   vocabulary" in capsys.readouterr().out


MERGEKIT = """
merge_method: linear
models:
  - {model: one, parameters: {weight: 1}}
  - {model: two, parameters: {weight: 1}}
dtype: float32
out_dtype: bfloat16
"""


def test_a_recipe_of_mergekit_brings_its_tokenizer_template_and_types(tmp_path: Path) -> None:
    two(tmp_path)
    tail = "tokenizer: {source: union, pad_to_multiple_of: 4}\nchat_template: chatml\n"
    found = written(tmp_path, MERGEKIT + tail)
    made = stored(tmp_path / "out")[ROWS]
    assert (made.dtype, made.shape[0], len(found)) == (torch.bfloat16, 16, 13)
    talk = [{"role": "user", "content": "hi"}]
    said = found.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert said == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "what the recipe asks for (chatml)" in card


def test_base_is_the_first_model_where_mergekit_has_none() -> None:
    recipe = read_recipe(MERGEKIT + "tokenizer_source: base\n")
    assert recipe.tokenizer == "one"
    assert read_recipe(MERGEKIT + "tokenizer_source: two\nchat_template: auto\n").tokenizer == "two"
    with pytest.raises(RecipeError, match="'elsewhere' is none of the models that are merged"):
        read_recipe(MERGEKIT + "tokenizer_source: elsewhere\n")
    with pytest.raises(RecipeError, match=r"chat_template 'chatlm'\. Did you mean 'chatml'"):
        read_recipe(MERGEKIT + "chat_template: chatlm\n")


TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "Bye"},
]
SAID = {
    "alpaca": "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nYes?</s>\n\n"
    "### Instruction:\nBye\n\n### Response:\n",
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
    "<|im_start|>assistant\n",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nYes?<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral": "<s>[INST] Be brief.\n\nHi [/INST] Yes?</s>[INST] Bye [/INST]",
    "exaone": "[|system|]Be brief.[|endofturn|]\n[|user|]Hi\n[|assistant|]Yes?[|endofturn|]\n"
    "[|user|]Bye\n[|assistant|]",
}


@pytest.mark.parametrize("name", NAMED)
def test_templates_by_name_say_what_their_formats_say(name: str, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    words = tokenizer("WordLevel", ONE, ())
    known = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")
    said = known.apply_chat_template(
        TALK, tokenize=False, add_generation_prompt=True, chat_template=NAMED[name]
    )
    assert said == SAID[name]


def test_auto_is_the_commonest_template_and_a_text_is_itself(tmp_path: Path) -> None:
    two(tmp_path)
    found = written(tmp_path, LINEAR + "tokenizer: union\nchat_template: auto\n")
    assert found.chat_template == "T {{ x }}"
    text = "{{ 'Question: ' + messages[0].content }}"
    again = written(tmp_path, f'{LINEAR}tokenizer: union\nchat_template: "{text}"\n', name="again")
    assert again.apply_chat_template(TALK[1:], tokenize=False) == "Question: Hi"
