"""What was written is looked at again: tensors, values, loading, one forward pass."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import quiet
from command_line import SUM, command
from safetensors.torch import load_file, save_file

from merging.checkpoints import open_folder
from merging.checkpoints.base import TensorInfo
from merging.cli import main
from merging.errors import Cancelled
from merging.export import trial
from merging.export.verify import record, verify

WEIGHTS = "model.safetensors"


def built(kind: str) -> Any:
    import transformers as t

    small: dict[str, Any] = {
        "vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 16,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32,
    }  # fmt: skip
    if kind == "llama":
        return t.LlamaForCausalLM(t.LlamaConfig(**small))
    if kind == "vit":
        picture = {"image_size": 28, "patch_size": 14, "num_channels": 1}
        return t.ViTModel(t.ViTConfig(**small, **picture))
    if kind == "t5":
        return t.T5Model(t.T5Config(vocab_size=16, d_model=8, d_kv=4, d_ff=8, num_layers=1,
                                    num_heads=2))  # fmt: skip
    if kind == "whisper":
        return t.WhisperModel(t.WhisperConfig(
            vocab_size=64, num_mel_bins=4, d_model=8, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8,
            decoder_ffn_dim=8, max_source_positions=10, max_target_positions=12,
            pad_token_id=1, bos_token_id=2, eos_token_id=3, decoder_start_token_id=2,
        ))  # fmt: skip
    text = {k: v for k, v in small.items() if k != "num_key_value_heads"}
    seen = {"image_size": 28, "patch_size": 14, "hidden_size": 8, "intermediate_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 2}  # fmt: skip
    ends = {"eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
    return t.CLIPModel(t.CLIPConfig(text_config={**text, **ends}, vision_config=seen))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    quiet()
    root = tmp_path_factory.mktemp("saved")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for kind in ("llama", "vit", "t5", "whisper", "clip"):
            built(kind).save_pretrained(root / kind)
    return root


@pytest.fixture
def llama(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved / "llama", tmp_path / "llama"))


def changed(folder: Path, **entries: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return folder


@pytest.mark.parametrize("kind", ["llama", "vit", "t5", "whisper", "clip"])
def test_whole_models_pass(kind: str, saved: Path) -> None:
    infos = open_folder(saved / kind).tensors()
    found = verify(saved / kind, infos)
    assert (found.problems, found.loaded, found.forward) == ((), True, True), found
    assert found.tensors == len(infos)
    assert found.text().startswith(f"read back: {len(infos)} tensors, all there and finite; tr")


def test_tensors_are_compared_with_the_plan(llama: Path) -> None:
    infos = dict(open_folder(llama).tensors())
    norm = infos.pop("model.norm.weight")
    infos["lost"] = norm
    infos["lm_head.weight"] = TensorInfo((16, 9), torch.float32)
    found = verify(llama, infos)
    assert found.problems == (
        "1 tensors are missing: 'lost'.",
        "1 tensors were not planned: 'model.norm.weight'.",
        "'lm_head.weight' is [16, 8] of float32; planned was [16, 9] of float32.",
    )
    assert (found.ok, found.loaded) == (False, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite(
    value: float, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = load_file(llama / WEIGHTS)
    weights["lm_head.weight"][15, 7] = value
    save_file(weights, llama / WEIGHTS, {"format": "pt"})
    monkeypatch.setattr("merging.export.verify.CHUNK", 7)
    problem = "1 tensors hold values that are not finite: 'lm_head.weight'."
    assert verify(llama).problems == (problem,)


def test_an_output_that_overflows(llama: Path) -> None:
    weights = load_file(llama / WEIGHTS)
    weights["lm_head.weight"].fill_(3e38)
    weights["model.norm.weight"].fill_(3e38)
    save_file(weights, llama / WEIGHTS, {"format": "pt"})
    found = verify(llama)
    assert (found.loaded, found.forward) == (True, False)
    assert found.problems == ("The output of a forward pass on neutral inputs is not finite.",)


def test_a_file_that_was_cut(llama: Path) -> None:
    data = (llama / WEIGHTS).read_bytes()
    (llama / WEIGHTS).write_bytes(data[:-4])
    assert verify(llama).problems[0].startswith("What was written cannot be read: ")


def test_a_config_that_does_not_fit_the_weights(llama: Path) -> None:
    found = verify(changed(llama, vocab_size=20))
    assert found.loaded is False and found.problems[0].startswith("transformers cannot load it")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"model_type": "unheard"}, "does not know the model type 'unheard'"),
        ({"model_type": ["x"]}, "does not know the model type"),
        ({"architectures": ["os"]}, "no architecture 'os'"),
        ({"architectures": None}, "no architecture None"),
        ({"auto_map": {"AutoModel": "x.M"}}, "names code of its author"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1e+09, which cannot be built"),
        ({"hidden_size": 10**8}, "hidden_size = 1e+08, which cannot be built"),
        ({"vocab_size": 40_000_000}, "its config describes"),
    ],
)
def test_what_is_not_tried_is_told(entries: dict[str, Any], said: str, llama: Path) -> None:
    found = verify(changed(llama, **entries))
    assert (found.ok, found.loaded, found.forward) == (True, None, None)
    assert said in found.notes[0] and "not loaded" in found.text()


def test_memory_is_kept_to(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "may be used" in verify(llama, memory=1000).notes[0]
    monkeypatch.setattr(trial, "free_memory", lambda: 1000)
    assert "1 KB may be used" in verify(llama).notes[0]


def test_the_report_tells_the_verdict(llama: Path) -> None:
    (llama / "merge_report.json").write_text('{"recipe": "r"}')
    record(llama, verify(llama))
    report = json.loads((llama / "merge_report.json").read_text())
    assert report["recipe"] == "r"
    assert report["verified"] == {
        "ok": True, "problems": [], "tensors": 12, "loaded": True, "forward": True, "notes": [],
    }  # fmt: skip
    assert not list(llama.glob("*.partial"))


# --- The command line -----------------------------------------------------------------------------


def test_merge_says_that_it_looked(family: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(command(family, SUM.replace("id: ", f"id: {family}/"), tmp_path / "out")) == 0
    said = capsys.readouterr().out
    assert "checked: read back: " in said and "a forward pass is finite" in said
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert (report["verified"]["ok"], report["verified"]["forward"]) == (True, True)


def test_merge_does_not_look_when_told(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = SUM.replace("id: ", f"id: {vit_family}/")
    assert main([*command(vit_family, recipe, tmp_path / "out"), "--no-verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is None
    assert "verified" not in json.loads((tmp_path / "out" / "merge_report.json").read_text())


def test_merge_fails_in_words_and_keeps_the_folder(
    vit_family: Path, tmp_path: Path, capsys: Any
) -> None:
    models = Path(shutil.copytree(vit_family, tmp_path / "models"))
    changed(models / "base", hidden_size=16)
    recipe = SUM.replace("id: ", f"id: {models}/")
    assert main(command(models, recipe, tmp_path / "out")) == 1
    said = capsys.readouterr()
    assert said.out == "" and "does not pass its check: transformers cannot load it" in said.err
    assert "The folder is kept" in said.err
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert report["verified"]["ok"] is False


def test_a_stop_while_it_looks_says_what_is_there(
    vit_family: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("merging.cli.merge.verify", stop)
    recipe = SUM.replace("id: ", f"id: {vit_family}/")
    assert main(command(vit_family, recipe, tmp_path / "out")) == 130
    assert "is written whole, but was not checked" in capsys.readouterr().err
    assert (tmp_path / "out" / WEIGHTS).is_file()


def test_both_ways_of_writing_take_the_files_along(vit_family: Path, tmp_path: Path) -> None:
    """In chunks (linear), and as whole models in memory (emr)."""
    models = Path(shutil.copytree(vit_family, tmp_path / "models"))
    (models / "base" / "preprocessor_config.json").write_bytes(b'{"a":  1}')
    (models / "one" / "modules.json").write_text('[{"path": ""}, {"path": "1_Pooling"}]')
    (models / "one" / "1_Pooling").mkdir()
    (models / "one" / "1_Pooling" / "config.json").write_text("{}")
    for method in ("linear", "emr"):
        out = tmp_path / method
        recipe = (
            f"format: merge-explorer/1\nbase: base\nmethod: {method}\n"
            f"experts: [{{id: {models}/one}}, {{id: {models}/two}}]\n"
        )
        assert main([*command(models, recipe, out), "--no-verify"]) == 0
        assert (out / "preprocessor_config.json").read_bytes() == b'{"a":  1}'
        assert (out / "1_Pooling" / "config.json").read_text() == "{}"
        assert (out / "1_Pooling").stat().st_mode & 0o777 == 0o755
        assert "library_name: sentence-transformers" in (out / "README.md").read_text()
        report = json.loads((out / "merge_report.json").read_text())
        assert list(report["files"]) == [
            "preprocessor_config.json", "modules.json", "1_Pooling/config.json",
        ]  # fmt: skip
        assert report["files"]["modules.json"].endswith("one")


def test_a_stop_while_it_is_looked_at_is_a_stop(llama: Path) -> None:
    told: list[float] = []

    def stop(fraction: float, message: str) -> None:
        told.append(fraction)
        if fraction >= 0.5:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        verify(llama, report=stop)
    assert told == [place / 12 for place in range(7)]
