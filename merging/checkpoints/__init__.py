"""Where weights come from: names, shapes and lazily read tensors."""

from merging.checkpoints.base import Checkpoint, MemoryCheckpoint, TensorInfo
from merging.checkpoints.buckets import Bucket, bucket_of
from merging.checkpoints.families import Cells, cells_of, family_of
from merging.checkpoints.folder import FolderCheckpoint, open_folder
from merging.checkpoints.library import Library, list_models

__all__ = [
    "Bucket",
    "Cells",
    "Checkpoint",
    "FolderCheckpoint",
    "Library",
    "MemoryCheckpoint",
    "TensorInfo",
    "bucket_of",
    "cells_of",
    "family_of",
    "list_models",
    "open_folder",
]
