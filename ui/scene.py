"""One moment of a page with all that its pictures are made from. No Gradio."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from merging.evaluation.record import RunRecord
from merging.jobs import Snapshot
from merging.recipe import Recipe
from merging.search.axis import Axis
from merging.sets import ModelSet
from merging.sketch import Preview, Sketch, kinds, open_cell
from ui.link import Start
from ui.runbook import RunList
from ui.services import Services
from ui.state import SIDES, AppState
from ui.studies import Found, study_kind
from ui.sweeps import Swept
from ui.views.axes import COARSE, axes_offered, together
from ui.views.cell import CellView, cell_view
from ui.views.chooser import FIRST_LOOK
from ui.views.front import MEAN, WORST
from ui.views.heatmap_grid import HeatmapGrid, heatmap_groups
from ui.views.tasks import Names, task_names

OWNER = re.compile(r"[A-Za-z0-9_-]{20,64}")


@dataclass(frozen=True)
class Scene:
    """A state with its answers; each is looked up when a picture asks for it.

    Attributes:
        services: Where answers come from.
        state: Its controls hold a valid recipe.
        recipe: Of the controls.
        listed: The visitor's runs.
        owner: The visitor's token, or "".
    """

    services: Services
    state: AppState
    recipe: Recipe
    listed: RunList
    owner: str = ""

    @property
    def opened(self) -> ModelSet:
        """The set of the recipe."""
        return self.services.sets[self.recipe.set or ""]

    @property
    def sketch(self) -> Sketch:
        """The sketch of the set."""
        return self.services.sketch(self.opened.id)

    @cached_property
    def pinned(self) -> Recipe | None:
        """The pinned recipe where it can be compared: one of the same set."""
        pinned = self.state.pinned
        return pinned if pinned is not None and pinned.set == self.recipe.set else None

    @cached_property
    def words(self) -> Mapping[str, str]:
        """The set's words for its experts, by id."""
        return {e["id"]: e["label"] for e in self.opened.card["experts"]}

    @property
    def order(self) -> tuple[str, ...]:
        """The set's experts, in its order."""
        return tuple(self.opened.experts)

    @property
    def same(self) -> bool:
        """The pinned recipe is the one in the controls."""
        return self.state.pinned is not None and self.state.pinned.key() == self.recipe.key()

    @cached_property
    def preview(self) -> Preview:
        """What the recipe does to the weights, against the pinned one."""
        return self.services.preview(self.recipe, self.pinned)

    @cached_property
    def pinned_preview(self) -> Preview | None:
        """What the pinned recipe does."""
        return None if self.pinned is None else self.services.preview(self.pinned)

    @property
    def grid(self) -> HeatmapGrid:
        """Rows and columns of the set's heatmap."""
        found: HeatmapGrid = self.sketch.memo.get(
            ("grid",), lambda: heatmap_groups(self.sketch.buckets), 1
        )
        return found

    @cached_property
    def cell(self) -> CellView | None:
        """The opened cell, of the first layer where several share a row; None while none is."""
        layer, _, module = self.state.view.cell.partition(" ")
        buckets = self.grid.buckets(layer, module)
        if not buckets:
            return None
        found = open_cell(self.sketch, self.cell_recipe, buckets[0])
        return cell_view(found, self.words, self.order, self.whose_cell)

    @property
    def whose_cell(self) -> str:
        """Which settings an opened cell is of, in words, where there is a choice; else ""."""
        if self.pinned is None or self.same or self.state.view.side == SIDES[0]:
            return ""
        return "pinned settings" if self.state.view.side == SIDES[1] else "current settings"

    @property
    def cell_recipe(self) -> Recipe:
        """The recipe that an opened cell is of: the one that the heatmap shows."""
        pinned = self.whose_cell == "pinned settings"
        return self.pinned if pinned and self.pinned is not None else self.recipe

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of tensors whose directions can be compared."""
        return kinds(self.sketch)

    @cached_property
    def axes(self) -> Mapping[str, Axis]:
        """What of the recipe can be varied, by name."""
        lacking = self.services.missing(self.opened.id)
        offered = [m for m in FIRST_LOOK if m not in lacking]
        return axes_offered(self.recipe, offered, self.words)

    @cached_property
    def coarse_axes(self) -> Mapping[str, Axis]:
        """The same with fewer values, for two axes at once."""
        lacking = self.services.missing(self.opened.id)
        offered = [m for m in FIRST_LOOK if m not in lacking]
        return axes_offered(self.recipe, offered, self.words, COARSE)

    @property
    def vary(self) -> str:
        """The name of what is to be varied: the visitor's choice where the recipe has it."""
        asked = self.state.view.vary
        return asked if asked in self.axes else next(iter(self.axes))

    @cached_property
    def beside(self) -> tuple[str, ...]:
        """Names of what can be varied together with the first."""
        axes, first = self.axes, self.axes[self.vary]
        return tuple(n for n, axis in axes.items() if n != self.vary and together(first, axis))

    @property
    def vary2(self) -> str:
        """The name of the second axis, or "" for none."""
        asked = self.state.view.vary2
        return asked if asked in self.beside else ""

    @cached_property
    def swept(self) -> Swept | None:
        """The visitor's last sweep, whole or in part."""
        return self.services.sweeps.of(self.owner) if self.owner else None

    def found_by(self, kind: str) -> Found | None:
        """Return what the visitor's last study of a kind found, whole or in part."""
        return self.services.studies.of(self.owner, kind) if self.owner else None

    def point(self, key: object) -> Recipe | None:
        """Return the recipe of a point that one of the visitor's studies has, or None."""
        studies = self.services.studies.all_of(self.owner) if self.owner else ()
        points = (p for found in studies for p in getattr(found.value, "points", ()))
        return next((p.recipe for p in points if p.recipe and p.recipe.key() == key), None)

    @property
    def score_names(self) -> dict[str, tuple[str, ...]]:
        """Scores that charts can show, by the entry of the view that says which."""
        tasks = tuple(task["id"] for task in self.opened.card["tasks"])
        return {"across": (MEAN, *tasks), "up": (WORST, *tasks), "cost": (MEAN, *tasks)}

    def tasks_of(self, recipe: Recipe) -> Names:
        """Return letter and word of each task of a recipe's set, by its id."""
        return task_names(self.services.sets[recipe.set or ""])

    def study(self, kind: str) -> Snapshot | None:
        """Return the visitor's newest job where that is a study of a kind."""
        job = self.services.jobs.latest(self.owner) if self.owner else None
        return job if study_kind(job) == kind else None

    @cached_property
    def record(self) -> RunRecord:
        """The run whose scores stand on the page: the recipe's own, else the last one's."""
        own = self.found(self.recipe.key())
        if own is not None:
            return own
        last = self.found(self.state.scored)
        if last is not None and last.recipe.set == self.recipe.set:
            return last
        return self.services.first(self.recipe.set)

    @property
    def stale(self) -> bool:
        """The scores on the page are of other settings."""
        return self.record.key != self.recipe.key()

    @cached_property
    def pinned_record(self) -> RunRecord | None:
        """The scores of the pinned recipe, or None where it was not scored."""
        return None if self.pinned is None else self.found(self.pinned.key())

    def found(self, key: str) -> RunRecord | None:
        """Return a run by its key, from the visitor's list or what all visitors share."""
        listed = self.listed.find(key)
        return listed.record if listed is not None else self.services.record(key)

    def name_of(self, key: str) -> str:
        """Return the name of a run in the visitor's list, or ""."""
        listed = self.listed.find(key)
        return "" if listed is None else listed.name


def token_of(owner: object) -> str:
    """Return the visitor's token, or a new one when what came is not one of ours."""
    if isinstance(owner, str) and OWNER.fullmatch(owner):
        return owner
    return secrets.token_urlsafe(24)


def starts(services: Services) -> Mapping[str, Start]:
    """Return where links of each set start from; looked up set by set, when one is asked for."""
    return _Starts(services)


@dataclass(frozen=True)
class _Starts(Mapping[str, Start]):
    services: Services

    def __getitem__(self, name: str) -> Start:
        opened = self.services.sets[name]
        return Start(tuple(opened.experts), self.services.first(name).recipe)

    def __contains__(self, name: object) -> bool:
        return name in self.services.sets

    def __iter__(self) -> Iterator[str]:
        return iter(self.services.sets)

    def __len__(self) -> int:
        return len(self.services.sets)
