"""Walls between the parts: the library knows no page, the page does no tensor maths."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = sorted((ROOT / "merging").rglob("*.py"))
MODULES = [
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for p in LIBRARY
    if p.name != "__main__.py"
]
PAGE = [*sorted((ROOT / "ui").rglob("*.py")), ROOT / "app.py"]


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(tree: ast.AST) -> set[str]:
    """All modules named in import statements, also those inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_the_library_knows_no_page(path: Path) -> None:
    assert not roots(path) & {"gradio", "plotly", "ui", "app", "scripts", "tests"}


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_lower_layers_do_not_know_higher_ones(path: Path) -> None:
    """Methods know no files; recipes and analysis know no engine."""
    order = [
        "errors", "methods", "recipe", "checkpoints", "engine", "evaluation", "experiment",
        "search",
    ]  # fmt: skip
    part = path.relative_to(ROOT / "merging").parts[0].removesuffix(".py")
    if part not in order:
        return
    names = imported(ast.parse(path.read_text("utf-8")))
    mine = {n.split(".")[1] for n in names if n.startswith("merging.")}
    assert not mine & set(order[order.index(part) + 1 :])


@pytest.mark.parametrize("path", [*LIBRARY, *PAGE], ids=short)
def test_one_module_alone_knows_optuna(path: Path) -> None:
    assert ("optuna" in roots(path)) == (short(path) == "merging/search/proposals.py")


@pytest.mark.parametrize("path", [*LIBRARY, *PAGE], ids=short)
def test_one_module_alone_knows_gguf(path: Path) -> None:
    assert ("gguf" in roots(path)) == (short(path) == "merging/export/gguf_write.py")


@pytest.mark.parametrize("path", [*LIBRARY, *PAGE], ids=short)
def test_one_process_alone_knows_ray(path: Path) -> None:
    """It is started as a program; nothing else imports it or Ray."""
    assert ("ray" in roots(path)) == (short(path) == "merging/search/ray_driver.py")
    assert "merging.search.ray_driver" not in imported(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", PAGE, ids=short)
def test_the_page_does_no_tensor_maths(path: Path) -> None:
    assert not roots(path) & {"torch", "safetensors", "transformers"}


@pytest.mark.parametrize("path", [*LIBRARY, *PAGE], ids=short)
def test_nothing_unpickles_or_runs_text(path: Path) -> None:
    """Model files come from strangers: safetensors, JSON and safe YAML only."""
    tree = ast.parse(path.read_text("utf-8"))
    assert not roots(path) & {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}
    used = set(calls(tree))
    assert not used & {"torch.load", "torch.jit.load", "eval", "exec", "os.system", "np.load"}
    assert not used & {"yaml.unsafe_load", "yaml.full_load"}
    assert "trust_remote_code" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_nothing_draws_from_the_global_seed(path: Path) -> None:
    used = set(calls(ast.parse(path.read_text("utf-8"))))
    assert not used & {"torch.manual_seed", "torch.rand", "torch.randn", "np.random.seed"}
    assert "random" not in roots(path)


def test_importing_the_library_loads_no_page() -> None:
    code = (
        f"import sys, importlib\nfor m in {MODULES!r}: importlib.import_module(m)\n"
        "heavy = {'gradio', 'plotly', 'ui', 'transformers', 'optuna', 'ray'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_importing_the_library_starts_no_cuda() -> None:
    """Whatever would start it is turned into an error."""
    code = """
import importlib, torch
def refuse(*args):
    raise AssertionError("CUDA was started")
torch.cuda._lazy_init = torch.cuda.init = torch._C._cuda_init = refuse
for module in MODULES: importlib.import_module(module)
print(torch.cuda.is_initialized())
"""
    done = subprocess.run(
        [sys.executable, "-c", code.replace("MODULES", repr(MODULES))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


def test_modules_and_functions_stay_short() -> None:
    """House rule: 400 lines a module, 40 a function without its docstring."""
    for path in LIBRARY:
        text = path.read_text("utf-8")
        assert text.count("\n") <= 400, short(path)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = (
                    (node.end_lineno or 0)
                    - node.lineno
                    - (ast.get_docstring(node) or "").count("\n")
                )
                assert lines <= 45, f"{short(path)}: {node.name}"
