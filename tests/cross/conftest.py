"""A tiny Llama and a tiny BERT, and another interpreter that merges them with mergekit and peft."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.cross.cases import MERGEKIT, PEFT
from tests.cross.tools import other_side, save_models, written

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "MERGE_EXPLORER_CROSS_PYTHON"
HERE = ROOT / ".work" / "cross" / "bin" / "python"


@pytest.fixture(scope="session")
def other_python() -> str:
    """The interpreter that has mergekit and peft."""
    named = os.environ.get(VARIABLE)
    if named is None and not HERE.is_file():
        pytest.skip(f"no environment with mergekit and peft: run scripts/cross, or set {VARIABLE}")
    return named or str(HERE)


@dataclass(frozen=True)
class Family:
    """Models of one architecture, and what the others made of them.

    Attributes:
        folder: Holds ``base``, ``a``, ``b`` and ``c``.
        merged: Folder or file of each result, by kind and case.
        done: "" or what went wrong, by kind and case.
    """

    folder: Path
    merged: Mapping[str, Path]
    done: Mapping[str, str]

    def result(self, key: str) -> dict[str, Tensor]:
        """Return the tensors of a result."""
        assert not self.done[key], self.done[key]
        return written(self.merged[key])


@pytest.fixture(scope="session", params=["llama", "bert"])
def family(
    request: pytest.FixtureRequest, other_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Family:
    folder = tmp_path_factory.mktemp(request.param)
    save_models(lambda: _model(request.param), folder)
    jobs, merged = _jobs(folder)
    (folder / "jobs.json").write_text(json.dumps(jobs))
    other_side(other_python, "other_side.py", folder / "jobs.json")
    return Family(folder, merged, json.loads((folder / "done.json").read_text()))


def _model(kind: str) -> Any:
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForCausalLM,
    )

    size: dict[str, Any] = {
        "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 32,
    }  # fmt: skip
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(num_key_value_heads=1, **size))
    return BertForSequenceClassification(BertConfig(num_labels=3, **size))


def _jobs(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    jobs: list[dict[str, Any]] = []
    merged: dict[str, Path] = {}
    for index, case in enumerate(MERGEKIT):
        merged[f"mergekit {case.id}"] = out = folder / f"mergekit-{index}"
        config = case.config(str(folder))
        jobs.append({"kind": "mergekit", "config": config, "out": str(out)})
    deltas = folder / "deltas.safetensors"
    base, *experts = (load_file(folder / n / "model.safetensors") for n in ("base", *"abc"))
    save_file({f"{n}/{i}": e[n] - base[n] for i, e in enumerate(experts) for n in base}, deltas)
    for index, case in enumerate(PEFT):
        merged[f"peft {case.id}"] = out = folder / f"peft-{index}.safetensors"
        options = dict(case.options)
        jobs.append(
            {"kind": "peft", "function": case.theirs, "options": options, "tensors": str(deltas),
             "out": str(out)}
        )  # fmt: skip
    for key, job in zip(merged, jobs, strict=True):
        job["id"] = key
    return jobs, merged


FIGURES: list[str] = []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say to which figure each case agrees."""
    if FIGURES:
        terminalreporter.section("agreement, relative to the largest number of each tensor")
        for line in sorted(FIGURES):
            terminalreporter.write_line(line)
