"""Live a story of the app without a person, from its start, and measure every promised figure.

    scripts/demo first --out DIR
    scripts/demo methods --out DIR [--golden DIR]
    scripts/demo engine --out DIR
    scripts/demo explore --out DIR

writes screenshots and ``figures.json`` into DIR and exits 1 if a figure misses its target, a step
of the story fails, or the browser's console shows an error. The story of the engine is the bench;
exploring is told by the stories of tests/browser, by pictures of the main states, and by bench-ui.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from scripts.demo_first import first
from scripts.demo_methods import methods

BENCH = Path(__file__).with_name("bench")
ROOT = Path(__file__).resolve().parents[1]


def engine(out: Path) -> bool:
    """Run the bench; return whether no figure missed its target."""
    out.mkdir(parents=True, exist_ok=True)
    figures = out.resolve() / "figures.json"
    return subprocess.run([BENCH, "--json", figures], check=False).returncode == 0


def explore(out: Path) -> bool:
    """Live the stories of the page, take its pictures and time it; return whether all held."""
    out.mkdir(parents=True, exist_ok=True)
    shots, figures = out.resolve() / "screenshots", out.resolve() / "figures.json"
    module = [sys.executable, "-m"]
    steps: dict[str, list[str | Path]] = {
        "stories": [*module, "pytest", "-q", ROOT / "tests" / "browser"],
        "pictures": [*module, "scripts.screenshots", "--out", shots],
        "times": [*module, "scripts.bench_ui", "--json", figures],
    }
    held = {what: subprocess.run(step, check=False).returncode == 0 for what, step in steps.items()}
    for what, well in held.items():
        print(f"{'ok    ' if well else 'FAILED'} {what}", flush=True)
    return all(held.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("story", choices=["first", "methods", "engine", "explore"])
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    parser.add_argument("--golden", type=Path, default=Path("tests/golden"))
    options = parser.parse_args()
    stories = {
        "first": lambda: first(options.out),
        "methods": lambda: methods(options.out, options.golden),
        "engine": lambda: engine(options.out),
        "explore": lambda: explore(options.out),
    }
    held = stories[options.story]()
    print("everything held" if held else "something was missed, see above")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
