"""Files that must agree with each other."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PINS = {
    match[1].lower(): match[2]
    for match in re.finditer(
        r"^([A-Za-z0-9_-]+)\s*([<>=!][^#\s]*)", (ROOT / "requirements.txt").read_text(), re.M
    )
}


@pytest.fixture(scope="module")
def card() -> dict[str, str]:
    """Front matter of the README, read by Hugging Face."""
    path = ROOT / "README.md"
    assert path.is_file(), "README.md is missing: it holds the front matter of the Space"
    text = path.read_text("utf-8")
    assert text.startswith("---\n"), "README.md must begin with front matter between --- lines"
    found: dict[str, str] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_gradio_is_the_same_in_the_space_and_in_the_requirements(card: dict[str, str]) -> None:
    assert PINS["gradio"] == f"=={card['sdk_version']}"


def test_the_space_starts_what_is_there(card: dict[str, str]) -> None:
    assert card["sdk"] == "gradio"
    assert (ROOT / card["app_file"]).is_file()
    assert card["license"] == "apache-2.0"
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_every_requirement_is_pinned() -> None:
    names = {
        "gradio",
        "torch",
        "transformers",
        "safetensors",
        "numpy",
        "plotly",
        "pyyaml",
        "scipy",
        "numba",
        "optuna",
        "brotli",
        "gguf",
    }
    assert set(PINS) == names
    loose = {name for name, pin in PINS.items() if not pin.startswith("==")}
    assert loose == {"torch"}
    assert re.fullmatch(r">=[\d.]+,<=[\d.]+", PINS["torch"])


def test_tests_run_the_ray_that_clusters_are_told_to_install() -> None:
    pin = re.compile(r"^ray==[\d.]+", re.M)
    files = ("merging/search/requirements-ray.txt", "tests/requirements.txt")
    first, second = (pin.findall((ROOT / name).read_text()) for name in files)
    assert first == second and len(first) == 1


def test_the_version_is_said_once() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert len(re.findall(r'^version = "\d+\.\d+\.\d+"$', text, re.M)) == 1
