"""Recipes beside each other: each setting in words, and what differs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.recipe import Recipe, make_recipe
from ui.views.sentences import number

OFF = "off"
NONE = "–"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of several recipes: its name and each recipe's value in words."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Not all recipes have the same."""
        return len(set(self.values)) > 1


Names = Mapping[str, str]
PLAIN: Names = {}


def settings_of(recipe: Recipe, names: Names = PLAIN) -> dict[str, str]:
    """Return every setting that means something in a recipe, in words, by its name on the page.

    Args:
        recipe: Any.
        names: What experts are called on the page, by id; others are called by their id.
    """
    spec, settings = recipe.spec, recipe.settings()
    told = {"set": recipe.set or NONE, "method": spec.label, "reading": recipe.dialect}
    for param in spec.active(settings):
        name = param.symbol or param.label.lower()
        if param.own:
            continue
        told[name] = number(settings.common[param.name])
    for index, expert in enumerate(recipe.experts):
        told[f"expert {names.get(expert.id, expert.id)}"] = _expert(recipe, index)
    if not spec.symmetric:
        told["order"] = " → ".join(names.get(e.id, e.id) for e in recipe.experts)
    if spec.random:
        told["draw"] = str(recipe.seed)
    return told


def _expert(recipe: Recipe, index: int) -> str:
    expert = recipe.experts[index]
    words = [number(expert.weight) if recipe.spec.weighted else "on"]
    for name, value in expert.params:
        param = recipe.spec.param(name)
        words.append(f"{param.symbol or param.label.lower()} {number(value)}")
    return ", ".join(words)


def settings_beside(recipes: Sequence[Recipe], experts: Names = PLAIN) -> tuple[Setting, ...]:
    """Return the settings of several recipes, in the order in which they first stand."""
    told = [settings_of(recipe, experts) for recipe in recipes]
    names = dict.fromkeys(name for one in told for name in one)
    return tuple(
        Setting(name, tuple(one.get(name, _absent(name)) for one in told)) for name in names
    )


def _absent(name: str) -> str:
    return OFF if name.startswith("expert ") else NONE


def changed_words(before: Recipe, after: Recipe, experts: Names = PLAIN) -> str:
    """Return what one recipe has otherwise than another, in words.

    Example: "density 0.2 → 0.3, expert digits 1 → off".
    """
    differing = [s for s in settings_beside((before, after), experts) if s.differs]
    if not differing:
        return "nothing"
    if any(s.name == "method" for s in differing):
        both = [s for s in differing if NONE not in s.values]
        return ", ".join([*map(_step, both), *_away_from_defaults(after, before, experts)])
    if {s.name for s in differing} == {"draw"}:
        return "only the random draw"
    return ", ".join(map(_step, differing))


def _step(setting: Setting) -> str:
    return f"{setting.name} {setting.values[0]} → {setting.values[1]}"


def _away_from_defaults(recipe: Recipe, before: Recipe, experts: Names) -> list[str]:
    """Settings that another recipe's method lacks and that are not what the method starts with."""
    defaults = make_recipe(
        recipe.method, [e.id for e in recipe.experts], set=recipe.set, dialect=recipe.dialect
    )
    known, usual, told = (settings_of(one, experts) for one in (before, defaults, recipe))
    fresh = [name for name in told if name not in known and name in usual and name != "draw"]
    return [
        f"{name} {told[name]}"
        for name in fresh
        if told[name] != usual[name] and not name.startswith("expert ")
    ]
