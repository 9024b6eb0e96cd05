"""The config of a merged model says what was written."""

import torch

from merging.checkpoints.base import TensorInfo
from merging.export.config import layer_count, written_config


def infos(**shapes: tuple[int, ...]) -> dict[str, TensorInfo]:
    return {n.replace("__", "."): TensorInfo(s, torch.float16) for n, s in shapes.items()}


def test_vocabulary_layers_and_type_follow_the_tensors() -> None:
    config = {"vocab_size": 10, "num_hidden_layers": 1, "torch_dtype": "float32", "x": [1]}
    before = infos(model__embed_tokens__weight=(10, 4), model__layers__0__w=(4,))
    after = infos(
        model__embed_tokens__weight=(12, 4), model__layers__0__w=(4,), model__layers__1__w=(4,)
    )
    found = written_config(config, after, before, {})
    assert found.data == {"vocab_size": 12, "num_hidden_layers": 2, "dtype": "float16", "x": [1]}
    assert found.notes == (
        "vocab_size in config.json is now 12, the rows of the token embedding; it was 10.",
        "num_hidden_layers in config.json is now 2, the layers written; it was 1.",
    )
    assert config["vocab_size"] == 10


def test_layers_stay_where_the_stack_is_as_it_was() -> None:
    """Some models store a layer more than their config counts."""
    tensors = infos(model__layers__0__w=(4,), model__layers__1__w=(4,))
    found = written_config({"num_hidden_layers": 1}, tensors, tensors, {})
    assert found.data["num_hidden_layers"] == 1


def test_the_text_part_of_a_config() -> None:
    config = {"text_config": {"vocab_size": 5, "dtype": "float32"}, "dtype": "float32"}
    found = written_config(config, infos(text__token_embedding__weight=(7, 2)), {}, {})
    assert found.data == {
        "text_config": {"vocab_size": 7, "dtype": "float16"}, "dtype": "float16",
    }  # fmt: skip
    assert config["text_config"] == {"vocab_size": 5, "dtype": "float32"}


def test_code_and_quantisation_are_taken_out_with_a_word() -> None:
    config = {
        "auto_map": {"AutoModel": "x.M"}, "_name_or_path": "/home/me", "model_type": "m",
        "quantization_config": {"bits": 4}, "text_config": {"auto_map": {}},
    }  # fmt: skip
    found = written_config(config, {}, {}, {"a": 1, "model_type": None})
    assert found.data == {"text_config": {}, "a": 1}
    assert [note.split()[0] for note in found.notes] == [
        "auto_map", "quantization_config", "auto_map",
    ]  # fmt: skip


def test_counting_layers() -> None:
    assert layer_count(infos(h__0__w=(1,), h__1__w=(1,), wte__weight=(1, 1))) == 2
    assert layer_count(infos(h__0__w=(1,), h__2__w=(1,))) == 0
    assert layer_count(infos(encoder__block__0__w=(1,), decoder__block__0__w=(1,))) == 0
    assert layer_count({}) == 0
