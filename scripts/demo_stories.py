"""Live a story of the app without a person, from its start, and measure every promised figure.

    scripts/demo first --out DIR
    scripts/demo methods --out DIR [--golden DIR]
    scripts/demo engine --out DIR
    scripts/demo explore --out DIR
    scripts/demo whatif --out DIR
    scripts/demo own --out DIR

writes screenshots and ``figures.json`` into DIR and exits 1 if a figure misses its target, a step
of the story fails, or the browser's console shows an error. The story of the engine is the bench;
exploring is told by the stories of tests/browser, by pictures of the main states, and by bench-ui;
what-ifs by their stories, by what every lesson measures, and by the benches of sweeps, maps and the
page; own models by the stories of their page and by pictures of it.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.demo_first import first
from scripts.demo_methods import methods

BENCH = Path(__file__).with_name("bench")
ROOT = Path(__file__).resolve().parents[1]
STORIES = ("first", "methods", "engine", "explore", "whatif", "own")
MODULE = [sys.executable, "-m"]


def engine(out: Path) -> bool:
    """Run the bench; return whether no figure missed its target."""
    out.mkdir(parents=True, exist_ok=True)
    figures = out.resolve() / "figures.json"
    return subprocess.run([BENCH, "--json", figures], check=False).returncode == 0


def explore(out: Path) -> bool:
    """Live the stories of the page, take its pictures and time it; return whether all held."""
    out.mkdir(parents=True, exist_ok=True)
    shots, figures = out.resolve() / "screenshots", out.resolve() / "figures.json"
    steps: dict[str, list[str | Path]] = {
        "stories": [*MODULE, "pytest", "-q", ROOT / "tests" / "browser"],
        "pictures": [*MODULE, "scripts.screenshots", "--out", shots],
        "times": [*MODULE, "scripts.bench_ui", "--json", figures],
    }
    return _all_held(steps)


def whatif(out: Path) -> bool:
    """Live the stories of what-ifs, measure every lesson, and time them; whether all held."""
    out.mkdir(parents=True, exist_ok=True)
    tests = ROOT / "tests"
    stories = [
        tests / "browser" / f"test_{name}.py" for name in ("sweep", "find", "map", "lessons")
    ]
    lessons = tests / "unit" / "test_lessons_measured.py"
    benches = {f"times of {name}": f"bench_{name}" for name in ("sweep", "map", "whatif")}
    steps: dict[str, list[str | Path]] = {
        "stories": [*MODULE, "pytest", "-q", *stories],
        "lessons": [*MODULE, "pytest", "-q", lessons],
    }
    for what, bench in benches.items():
        steps[what] = [*MODULE, f"scripts.{bench}", "--json", out.resolve() / f"{bench}.json"]
    return _all_held(steps)


def own(out: Path) -> bool:
    """Live the stories of own models and take pictures of their page; return whether all held."""
    out.mkdir(parents=True, exist_ok=True)
    stories = sorted((ROOT / "tests" / "browser").glob("test_own*.py"))
    handlers = sorted((ROOT / "tests" / "app").glob("test_own*.py"))
    shots = out.resolve() / "screenshots"
    return _all_held(
        {
            "stories": [*MODULE, "pytest", "-q", *stories],
            "handlers": [*MODULE, "pytest", "-q", *handlers],
            "pictures": [*MODULE, "scripts.own_pictures", "--out", shots],
        }
    )


def _all_held(steps: Mapping[str, Sequence[str | Path]]) -> bool:
    held = {what: subprocess.run(step, check=False).returncode == 0 for what, step in steps.items()}
    for what, well in held.items():
        print(f"{'ok    ' if well else 'FAILED'} {what}", flush=True)
    return all(held.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("story", choices=STORIES)
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    parser.add_argument("--golden", type=Path, default=Path("tests/golden"))
    options = parser.parse_args()
    stories = {
        "first": lambda: first(options.out),
        "methods": lambda: methods(options.out, options.golden),
        "engine": lambda: engine(options.out),
        "explore": lambda: explore(options.out),
        "whatif": lambda: whatif(options.out),
        "own": lambda: own(options.out),
    }
    held = stories[options.story]()
    print("everything held" if held else "something was missed, see above")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
