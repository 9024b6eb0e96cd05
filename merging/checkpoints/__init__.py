"""Where weights come from: names, shapes and lazily read tensors."""

from merging.checkpoints.base import Checkpoint, MemoryCheckpoint, TensorInfo
from merging.checkpoints.buckets import Bucket, bucket_of
from merging.checkpoints.folder import FolderCheckpoint, open_folder

__all__ = [
    "Bucket",
    "Checkpoint",
    "FolderCheckpoint",
    "MemoryCheckpoint",
    "TensorInfo",
    "bucket_of",
    "open_folder",
]
