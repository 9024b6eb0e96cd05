"""What all commands share: options, progress, errors for machines, exit codes, help."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import SUM, command, named, refused, weights

from merging.cli import main


@pytest.mark.parametrize("arguments", [[], ["merge"], ["merge", "a.yaml"], ["mix"]])
def test_wrong_usage(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m merging" in capsys.readouterr().err


def test_progress_and_result_for_machines(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert main([*arguments, "--json"]) == 0
    shown = capsys.readouterr()
    done = json.loads(shown.out)
    assert shown.out.count("\n") == 1
    count = len(weights(tmp_path / "out"))
    assert (done["merged"], done["copied"], done["left_out"]) == (count, 0, 0)
    assert (done["folder"], done["device"]) == (str(tmp_path / "out"), "cpu")
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text())
    assert done["recipe"] == report["recipe"]
    lines = [json.loads(line) for line in shown.err.splitlines()]
    size = sum(t.nbytes for t in weights(tmp_path / "out").values())
    assert lines[-1]["progress"] == 1
    assert lines[-1]["bytes"] == lines[-1]["of"] == 4 * size  # three models read, one written


@pytest.mark.parametrize("quiet", [True, False])
def test_progress_in_plain_lines_or_none(
    quiet: bool, vit_family: Path, tmp_path: Path, capsys: Any
) -> None:
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert main(arguments + ["--quiet"] * quiet) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) <= (0 if quiet else 10)
    assert quiet or re.fullmatch(r"100%  .* of .*B/s  in 0\.\d s  merged", told[-1])


def test_errors_for_machines(tmp_path: Path, capsys: Any) -> None:
    arguments = ["merge", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    told = json.loads(shown.err)
    assert (told["error"], told["message"][:22]) == ("SourceError", "Cannot read the recipe")


def test_a_budget_that_is_too_small(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    message = refused(capsys, [*arguments, "--memory", "100MB"], tmp_path / "out")
    assert "MB of memory, and 100 MB are allowed" in message


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--memory", "4"], "argument --memory: '4': it has no unit"),
        (["--device", "tpu"], "argument --device: 'tpu' is no device. Choose auto, cpu or cuda."),
        (["--device", "cuda:x"], "'cuda:x' is no device"),
        (["--threads", "0"], "argument --threads: '0' must be a whole number of at least 1"),
        (["--threads", "many"], "'many' must be a whole number"),
    ],
)
def test_options_that_are_wrong_usage(option: list[str], message: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "recipe.yaml", *option])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_threads_are_set_while_a_command_runs(
    vit_family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    plan = ["plan", arguments[1], "--json", "--threads"]
    assert main([*plan, "3"]) == 0
    assert json.loads(capsys.readouterr().out)["workers"] == 3
    assert main(["plan", str(tmp_path / "none"), "--threads", "2"]) == 1
    assert used == [3, 5, 2, 5]


def test_help_says_the_exit_codes(capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"    {code}: " in shown for code in (0, 1, 2, 130))
    assert all(f"    {name} " in shown for name in ("merge", "plan", "diagnose", "dialects"))


def test_help_and_usage_need_no_torch() -> None:
    """A mistake on the command line is told at once, not after a second of imports."""
    code = (
        "import sys; from merging.cli import main\n"
        "try: main(['merge'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name, code", [("/dev/full", 3), ("closed", 0)])
def test_an_answer_that_nobody_can_read(name: str, code: int, tmp_path: Path) -> None:
    """A full disk behind stdout is told; a reader who has left, as in ``| head``, is not."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "format: merge-explorer/1\nset: gentle\nexperts: [{id: digits}, {id: fashion}]\n"
        "method: linear\n"
    )
    if name == "closed":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(name, os.O_WRONLY)
    command = [sys.executable, "-m", "merging", "plan", str(recipe), "--quiet"]
    found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    told = "error: the work is done, but its answer cannot be written: No space left on device\n"
    assert (found.returncode, found.stderr) == (code, told if code else "")
