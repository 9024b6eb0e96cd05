"""Models of different vocabularies, averaged in their union by mergekit and by us, by token."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor

from merging.cli import main
from tests.cross.tools import other_side, written

WORDS = {
    "one": (("<unk>", "<s>", "</s>", "sun", "sea"), ("<|im|>",)),
    "two": (("<unk>", "</s>", "<s>", "sky", "sea", "rain"), ("<|call|>", "<|im|>")),
}
PLAIN = {
    "merge_method": "linear",
    "models": [{"model": n, "parameters": {"weight": w}} for n, w in (("one", 1.0), ("two", 2.0))],
    "dtype": "float32",
}
TOKENS = {
    "sun": {"source": {"kind": "zero"}},
    "<|im|>": {"source": "one", "force": True},
    "sky": {"source": {"kind": "model_token", "model": "one", "token": "sea"}},
    "<|new|>": {"source": {"kind": "model_token", "model": "two", "token_id": 1}},
    "<|void|>": {"source": {"kind": "zero"}},
}
RECIPES: dict[str, dict[str, Any]] = {
    "union": {**PLAIN, "tokenizer_source": "union"},
    "tokens": {**PLAIN, "tokenizer": {"source": "union", "tokens": TOKENS}},
}


def save(folder: Path, words: tuple[str, ...], added: tuple[str, ...], seed: int) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    made.add_special_tokens([AddedToken(a, special=True) for a in added])
    config = LlamaConfig(
        vocab_size=len(words) + len(added), hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=24,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>").save_pretrained(folder)


def placed(value: Any, root: Path) -> Any:
    """A recipe with the folders of its models."""
    if isinstance(value, dict):
        return {key: placed(entry, root) for key, entry in value.items()}
    if isinstance(value, list):
        return [placed(entry, root) for entry in value]
    return str(root / value) if value in WORDS else value


@pytest.fixture(scope="module", params=list(RECIPES))
def folder(
    request: pytest.FixtureRequest, other_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    root = tmp_path_factory.mktemp("union")
    for seed, (name, (words, added)) in enumerate(WORDS.items()):
        save(root / name, words, added, seed)
    config = placed(RECIPES[request.param], root)
    job = {"id": "union", "kind": "mergekit", "config": config, "out": str(root / "theirs")}
    (root / "jobs.json").write_text(json.dumps([job]))
    other_side(other_python, "other_side.py", root / "jobs.json")
    assert json.loads((root / "done.json").read_text()) == {"union": ""}
    (root / "recipe.yaml").write_text(json.dumps(RECIPES[request.param]))
    assert main(["merge", str(root / "recipe.yaml"), "--out", str(root / "ours"), "--quiet"]) == 0
    return root


@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "lm_head.weight"])
def test_every_token_has_the_row_that_mergekit_gives_it(folder: Path, name: str) -> None:
    rows: list[Tensor] = []
    names: list[list[str]] = []
    for side in ("ours", "theirs"):
        ids = Tokenizer.from_file(str(folder / side / "tokenizer.json")).get_vocab()
        known = {t for parts in WORDS.values() for part in parts for t in part}
        assert known <= set(ids) <= known | set(TOKENS)
        table = written(folder / side)[name]
        rows.append(torch.stack([table[ids[token]] for token in sorted(ids)]))
        names.append(sorted(ids))
    assert names[0] == names[1]
    assert torch.allclose(rows[0], rows[1], atol=1e-6)
