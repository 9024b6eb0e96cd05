"""``python -m merging score``: numbers as by the library, and words where it cannot be."""

import json
from pathlib import Path

import pytest
from reading_models import labelled, reading, texts

from merging.checkpoints import open_folder
from merging.cli import main
from merging.evaluation.change import change, outputs
from merging.evaluation.own_data import read_own_data
from merging.evaluation.own_models import open_model
from merging.evaluation.own_scores import score_own


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("score")
    for seed, name in enumerate(("base", "one")):
        reading("llama", root / name, seed)
    reading("bert", root / "bert")
    (root / "texts.jsonl").write_bytes(texts(24))
    (root / "labels.jsonl").write_bytes(labelled(24, "LABEL_0", "LABEL_1"))
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["score", *map(str, arguments), "--quiet"])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_perplexities_of_two_folders(root: Path, capsys) -> None:
    code, out, _ = run(
        capsys, root / "base", root / "one", "--data", root / "texts.jsonl", "--json"
    )
    found = json.loads(out)
    assert code == 0 and found["kind"] == "text"
    data = read_own_data((root / "texts.jsonl").read_bytes(), "texts.jsonl")
    for entry, name in zip(found["scores"], ("base", "one"), strict=True):
        alone = score_own(open_model(open_folder(root / name)), data)
        assert entry["folder"].endswith(name) and entry["rows"] == len(alone.nats)
        assert entry["perplexity"]["value"] == pytest.approx(alone.perplexity().value)
        assert entry["accuracy"] is None and entry["problem"] is None


def test_shares_as_words_and_what_cannot_be_scored(root: Path, capsys) -> None:
    data = root / "labels.jsonl"
    code, out, _ = run(capsys, root / "bert", "--data", data)
    score = score_own(
        open_model(open_folder(root / "bert")), read_own_data(data.read_bytes(), "a.jsonl")
    )
    share = 100 * score.accuracy().value
    assert code == 0 and f"bert: {share:.1f} % (" in out
    assert f"right of {len(score.correct)} rows" in out
    code, out, _ = run(capsys, root / "base", root / "bert", "--data", root / "texts.jsonl")
    assert code == 0 and "bert: not scored." in out and "base: perplexity " in out


def test_without_data_the_first_is_compared_with_the_others(root: Path, capsys) -> None:
    pair = [outputs(open_model(open_folder(root / n))) for n in ("one", "base")]
    wanted = change(*pair)
    code, out, _ = run(capsys, root / "one", root / "base", "--json")
    (found,) = json.loads(out)["compared"]
    assert code == 0 and found["change"]["alike"] == pytest.approx(wanted.alike)
    assert found["change"]["divergence"] == pytest.approx(wanted.divergence)
    code, out, _ = run(capsys, root / "one", root / "base")
    assert f"{wanted.divergence:.4g} nats" in out and f"{min(wanted.alike):.4f} where" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("base",), "Give --data FILE"),
        (("nowhere",), "there is no folder"),
        (("base", "--data", "missing.csv"), "Cannot read the data"),
        (("base", "--data", "bad.csv"), "line 2: 1 fields"),
        (("base", "--data", "big.csv"), "more than 5 MB"),
        (("bert", "--data", "texts.jsonl"), "predicts no next token"),
    ],
)
def test_refusals_in_words(root: Path, capsys, arguments: tuple[str, ...], said: str) -> None:
    (root / "bad.csv").write_text("text,label\nalone\n")
    (root / "big.csv").write_bytes(b"x" * 5_000_001)
    paths = [a if a.startswith("--") else root / a for a in arguments]
    code, out, err = run(capsys, *paths)
    assert code == 1 and out == "" and said in err and "Traceback" not in err
    assert run(capsys, *paths, "--json")[0] == 1


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no endless file")
def test_of_an_endless_file_only_the_beginning_is_read(root: Path, capsys) -> None:
    code, out, told = run(capsys, root / "base", "--data", "/dev/zero")
    assert (code, out) == (1, "")
    assert "'/dev/zero' has more than 5 MB; at most 5 MB are read." in told


def test_too_few_rows_are_refused_before_a_model_is_opened(root: Path, capsys) -> None:
    few = root / "few.jsonl"
    few.write_bytes(texts(6))
    held = len(read_own_data(few.read_bytes(), "few.jsonl").of("reporting"))
    assert held < 5
    code, _, told = run(capsys, root / "base", "--data", few)
    assert code == 1
    assert f"Of 6 different rows {held} {'is' if held == 1 else 'are'} held back" in told
    assert "with fewer than 5 the noise cannot be told. Give more rows, 20 or so." in told
