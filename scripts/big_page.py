"""The page on a made-up sketch of a 135 M Llama and four experts, to be timed.

``python -m scripts.big_page --port N`` serves it like ``python app.py``. There are no
weights behind it, so merging fails there.
"""

import argparse
from pathlib import Path

import numpy as np

from merging.checkpoints import FolderCheckpoint
from merging.engine import one_thread
from merging.errors import MergeError
from merging.evaluation.record import RunRecord
from merging.jobs import JobRunner
from merging.recipe import Recipe, make_recipe
from merging.search.points import Answers, Measure
from merging.sets import ModelSet, References
from merging.sketch import Sketch
from scripts.bench_preview import EXPERTS, made_up
from ui.app import build_app, launch_options
from ui.maps import Maps
from ui.services import Services

NAME, ITEMS = "llama", 500
WORDS = ("First", "Second", "Third", "Fourth")


class NothingToScore:
    """Where there are no weights, sweeps can be offered but not run."""

    def mark(self, half: str) -> str:
        """Return the half alone."""
        return half

    def score(self, *_: object) -> Answers:
        """Refuse."""
        raise MergeError("There are no weights behind this page.")

    own = base = score


class Nowhere:
    """Where there are no weights, paths can be offered but not walked."""

    def __init__(self, name: str) -> None:
        self.name = name

    def models(self) -> tuple[str, ...]:
        """Return the made-up experts."""
        return EXPERTS


class BigServices(Services):
    """One set that nobody trained."""

    def warm(self) -> None:
        """Make up the sketch, the set and its first run."""
        nothing = FolderCheckpoint("none", Path("."), {}, {}, {}, Path("config.json"))
        words = [{"id": e, "label": w, "task": e} for e, w in zip(EXPERTS, WORDS, strict=True)]
        card = {
            "label": "Llama, 135 M", "summary": "Made up.", "licence": "none",
            "parameters": 134_515_008, "experts": words, "tasks": words,
        }  # fmt: skip
        experts = dict.fromkeys(EXPERTS, nothing)
        self.sets[NAME] = ModelSet(NAME, card, nothing, experts, Path("."))
        source = np.random.default_rng(0)
        self.right = {e: source.random(ITEMS) < 0.9 for e in EXPERTS}
        recipe = make_recipe("ties", EXPERTS, set=NAME, params={"density": 0.2})
        correct = {e: source.random(ITEMS) < 0.7 for e in EXPERTS}
        record = RunRecord(recipe.key(), recipe, correct, (), 1.0, 1.0, "cpu")
        self.shipped[record.key], self.held, self.begun = record, made_up(), record
        self.preview(recipe)
        self.maps = Maps(self.studies, ground_of=Nowhere)  # type: ignore[arg-type]

    def first(self, name: str | None = None) -> RunRecord:
        """Return the only run."""
        return self.begun

    def sketch(self, name: str) -> Sketch:
        """Return the only sketch."""
        return self.held

    def references(self, name: str) -> References:
        """Return made-up answers."""
        return References(self.right, self.right)

    def measure(self, name: str) -> Measure:
        """Return what scores nothing."""
        return NothingToScore()

    def missing(self, set_name: str) -> dict[str, str]:
        """Nothing is said to be missing."""
        return {}

    def check(self, recipe: Recipe) -> None:
        """Take recipes of the only set."""
        if recipe.set != NAME:
            raise MergeError("There is one set only.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    one_thread()
    services = BigServices(JobRunner(prepare=one_thread))
    services.warm()
    build_app(services).launch(server_port=options.port, quiet=True, **launch_options(services))


if __name__ == "__main__":
    main()
