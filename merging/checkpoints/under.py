"""What lies under a view of a model: the folder whose layout and files are its own."""

from collections.abc import Iterator

from merging.checkpoints.aligned import AlignedCheckpoint
from merging.checkpoints.base import Checkpoint
from merging.checkpoints.folder import FolderCheckpoint
from merging.checkpoints.patched import PatchedCheckpoint
from merging.checkpoints.sliced import SlicedCheckpoint


def folder_under(model: Checkpoint) -> FolderCheckpoint | None:
    """Return the folder that gives a model its layout, config and tokenizer; None in memory.

    That is the base of an adapter or a delta, and the model of the first run of layers.
    """
    match model:
        case FolderCheckpoint():
            return model
        case AlignedCheckpoint():
            return folder_under(model.inner)
        case PatchedCheckpoint():
            return folder_under(model.base)
        case SlicedCheckpoint():
            return folder_under(model.models[0])
    return None


def folders_under(model: Checkpoint) -> Iterator[FolderCheckpoint]:
    """Yield all folders that a model is made of, an adapter's own too."""
    match model:
        case FolderCheckpoint():
            yield model
        case AlignedCheckpoint():
            yield from folders_under(model.inner)
        case PatchedCheckpoint():
            yield from folders_under(model.base)
            yield model.weights
        case SlicedCheckpoint():
            for one in model.models:
                yield from folders_under(one)
