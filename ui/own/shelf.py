"""Models of the server that can be chosen by name; ids that name them, and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from merging.checkpoints import Checkpoint
from merging.checkpoints.adapter_file import AdapterFile
from merging.checkpoints.library import Kind, Library, list_models
from merging.checkpoints.opening import adapter_at, open_model
from merging.errors import RecipeError, SourceError, unknown
from merging.recipe import Recipe

VARIABLE = "MODELS_DIR"
NOWHERE = (
    f"The server has no folder of models. Start it with the setting {VARIABLE} set to a folder "
    f"that holds model folders, for example: {VARIABLE}=/path/to/models python app.py."
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What can be chosen at one moment.

    Attributes:
        library: The listed entries, or None where there is no folder of models.
        problem: Why there is none, in words, or "".
    """

    library: Library | None = None
    problem: str = NOWHERE

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Kind of every entry by its name, sorted by name."""
        return {e.name: e.kind for e in self.library.entries} if self.library else {}

    @property
    def root(self) -> Path:
        """The folder of models.

        Raises:
            SourceError: There is none.
        """
        if self.library is None:
            raise SourceError(self.problem)
        return self.library.root

    def parts(self, id: str) -> tuple[str, ...]:
        """Return the entries that an id names: one, or a model and an adapter.

        Raises:
            UnknownNameError: It names something that is not listed.
        """
        kinds = self.kinds
        if id in kinds:
            return (id,)
        for place, sign in enumerate(id):
            model, adapter = id[:place], id[place + 1 :]
            if sign == "+" and kinds.get(model) == "model" and kinds.get(adapter) == "adapter":
                return (model, adapter)
        raise unknown("model", id, list(kinds))

    def open(self, recipe: Recipe) -> tuple[Checkpoint | None, dict[str, Checkpoint]]:
        """Open base and experts of a recipe, without reading their numbers.

        Raises:
            UnknownNameError: A name is not listed.
            SourceError: A model is gone or cannot be read.
            RecipeError: The recipe puts models together from runs of layers.
        """
        self.reach(recipe)
        base = None if recipe.base is None else open_model(recipe.base, self.root)
        return base, {e.id: open_model(e.id, self.root, base) for e in recipe.experts}

    def adapters(self, recipe: Recipe) -> dict[str, AdapterFile]:
        """Open the adapters of a recipe of adapters alone.

        Raises:
            RecipeError: An expert is no adapter over the recipe's own base.
            MergeError: As ``open``.
        """
        self.reach(recipe)
        found = {e.id: adapter_at(e.id, self.root, recipe.base) for e in recipe.experts}
        for id, adapter in found.items():
            if adapter is None:
                raise RecipeError(
                    f"An adapter is to be written, and {id!r:.80} is none over the recipe's own "
                    "base. Write a model, or choose adapters only."
                )
        return {id: adapter for id, adapter in found.items() if adapter is not None}

    def reach(self, recipe: Recipe) -> None:
        """Make sure that a recipe names listed entries only, and that they are still there.

        Raises:
            MergeError: As ``open``.
        """
        if self.library is None:
            raise SourceError(self.problem)
        if recipe.set is not None:
            raise RecipeError(
                f"This recipe is for the bundled set {recipe.set!r:.60}. Open it on the first page."
            )
        if recipe.base_layers or any(e.layers for e in recipe.experts):
            raise RecipeError(
                "The recipe puts a model together from runs of layers (slices), which this page "
                "does not show. Use the command line: python -m merging merge RECIPE --out DIR."
            )
        for name in self._names(recipe):
            self.library.path(name)

    def hidden(self, text: str) -> str:
        """Return a text in which models are named as they are listed, not by the server's paths."""
        if self.library is None:
            return text
        for root in (self.library.root, self.library.root.resolve()):
            text = text.replace(f"{root}/", "")
        return text

    def _names(self, recipe: Recipe) -> Iterable[str]:
        ids = [e.id for e in recipe.experts] + ([] if recipe.base is None else [recipe.base])
        return dict.fromkeys(name for id in ids for name in self.parts(id))


def read_shelf(root: str) -> Shelf:
    """List what lies under a folder of models; an empty name is none.

    Args:
        root: Setting ``MODELS_DIR``.
    """
    if not root:
        return Shelf()
    try:
        return Shelf(list_models(root), "")
    except SourceError:
        return Shelf(
            problem=f"The folder that the setting {VARIABLE} names is not there. Make it, or start "
            "the server with another one."
        )
