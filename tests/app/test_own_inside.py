"""The page of own models looks at weights before a merge: reading, following, opening a cell."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merging.checkpoints import open_folder
from merging.errors import MergeError
from merging.recipe.local import Curve, Local, Rule
from merging.sketch import build_sketch, preview
from tests.app.own_page import OTHER, OWNER, desk_of, forms, services_of
from tests.app.test_handlers import Sent
from tests.own_models import make_models
from ui.own.inside_desk import InsideDesk
from ui.own.inside_parts import CHOOSE, OFFER, InsideParts
from ui.own.services import OwnServices
from ui.own.settings import OwnSettings, Row, to_recipe
from ui.own.state import OwnState
from ui.views.sentences import weights_sentence


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


class Desk:
    """The page with its services; remembers state and what was sent last."""

    def __init__(self, services: OwnServices, files: Path) -> None:
        self.own = desk_of(services, files)
        self.inside, self.parts = InsideDesk(self.own), self.own.page.inside
        self.services = services
        self.state = OwnState(OwnSettings(kinds=services.shelf.kinds))
        self.shown: dict[Any, Any] = {}

    def take(self, updates: dict[Any, Any]) -> dict[Any, Any]:
        self.state = updates.get(self.own.page.state, self.state)
        self.shown |= updates
        return updates

    def choose(self, *names: str, base: str = "base", method: str = "ties") -> None:
        values = replace(self.state.settings.values, method=method)
        rows = tuple(Row(name) for name in names)
        settings = replace(self.state.settings, base=base, rows=rows, values=values)
        self.take(self.own.changed(self.state, settings, OWNER))

    def look(self) -> None:
        self.take(self.inside.look(self.state, OWNER, *forms(self.state.settings)))
        self.services.inside._jobs.wait(f"inside {OWNER}", 60)
        self.take(self.inside.poll(self.state, OWNER, ""))

    def picture(self, name: str) -> Any:
        return self.shown[self.parts.pictures[name]]


@pytest.fixture
def desk(root: Path, tmp_path: Path) -> Iterator[Desk]:
    with services_of(root, tmp_path) as services:
        yield Desk(services, tmp_path)


def ready(parts: InsideParts, shown: dict[Any, Any]) -> bool:
    return shown[parts.look].interactive


def test_nothing_is_read_unasked(desk: Desk) -> None:
    desk.choose()
    assert CHOOSE in desk.picture("effect") and not ready(desk.parts, desk.shown)
    desk.choose("one", "two")
    assert OFFER in desk.picture("effect") and ready(desk.parts, desk.shown)
    assert desk.picture("heatmap") is None
    desk.choose("one", "two", base="", method="linear")
    assert "Choose the model the experts came from" in desk.picture("effect")
    assert not ready(desk.parts, desk.shown)


def test_what_is_told_is_the_preview_of_the_recipe_and_follows_it(desk: Desk, root: Path) -> None:
    base, one, two = (open_folder(root / name, name) for name in ("base", "one", "two"))
    sketch = build_sketch(base, {"one": one, "two": two})
    desk.choose("one", "two")
    desk.look()
    for method in ("ties", "task_arithmetic"):
        desk.choose("one", "two", method=method)
        recipe = to_recipe(desk.state.settings)
        said = desk.picture("effect").replace("\N{NO-BREAK SPACE}", " ").replace("&#x27;", "'")
        assert said == f"<p>{weights_sentence(recipe, preview(sketch, recipe))}</p>"
        assert desk.picture("heatmap")["stamp"] == recipe.key()
    assert not ready(desk.parts, desk.shown)
    desk.choose("two")
    assert "signs clash" not in desk.picture("effect") and desk.picture("heatmap") is not None
    desk.choose("two", "lora-a")
    assert OFFER in desk.picture("effect") and desk.picture("heatmap") is None


def test_a_cell_is_opened_and_closed(desk: Desk) -> None:
    desk.choose("one", "two")
    desk.look()
    cell = {"action": "cell", "layer": "L1", "module": "q"}
    desk.take(desk.inside.open_cell(Sent(**cell), desk.state, OWNER))
    assert "L1 q" in desk.picture("cell")["sentence"]
    assert len(desk.picture("twelve")["rows"]) == 12
    assert desk.inside.open_cell(Sent(action="view", part="agree"), desk.state, OWNER) == {}
    desk.take(desk.inside.open_cell(Sent(action="cell", layer="", module=""), desk.state, OWNER))
    assert desk.picture("cell") is None and desk.state.cell == ""
    cell |= {"layer": "L99"}
    desk.take(desk.inside.open_cell(Sent(**cell), desk.state, OWNER))
    assert desk.picture("cell") is None


def test_models_that_do_not_fit_are_told_in_words_without_paths(desk: Desk, root: Path) -> None:
    desk.choose("other/gpt2")
    desk.look()
    job = desk.services.inside.job(OWNER)
    assert job is not None and job.status == "failed" and "other/gpt2" in job.message
    assert str(root) not in job.message and OFFER in desk.picture("effect")
    desk.choose()
    with pytest.raises(MergeError, match="Choose a base and experts"):
        desk.look()


def test_another_visitor_sees_the_same_sketch_but_not_the_job(desk: Desk) -> None:
    desk.choose("one", "two")
    desk.look()
    assert desk.services.inside.job(OTHER) is None
    settings = desk.state.settings
    found = desk.own.changed(OwnState(settings), settings, OTHER)
    assert found[desk.parts.pictures["heatmap"]] == desk.picture("heatmap")
    assert desk.shown[desk.parts.job]["text"].startswith("Done in")
    desk.services.list_again()
    again = desk.own.weighed(desk.state, OWNER)
    assert again[desk.parts.job]["text"] == ""
    assert OFFER in desk.own.weighed(desk.state, OWNER)[desk.parts.pictures["effect"]]


def test_values_by_layer_are_followed_or_refused_in_words(desk: Desk) -> None:
    desk.choose("one", "two", method="task_arithmetic")
    desk.look()
    plain = desk.picture("effect")
    settings = desk.state.settings
    local = (Local("scale", (Rule(Curve((0.0, 1.0))),)),)
    desk.take(desk.own.changed(desk.state, replace(settings, local=local), OWNER))
    assert desk.picture("effect") != plain
    assert desk.picture("heatmap")["stamp"] == to_recipe(desk.state.settings).key()
    values = replace(settings.values, method="ties")
    local = (Local("density", (Rule(Curve((0.1, 0.2))),)),)
    desk.take(desk.own.changed(desk.state, replace(settings, values=values, local=local), OWNER))
    assert "density cannot differ between layers" in desk.picture("effect")
    assert desk.picture("heatmap") is None
