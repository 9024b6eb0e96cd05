"""What a preview needs to know about a set of models, and its answers."""

from merging.sketch.model import Sketch, build_sketch, load_sketch, save_sketch
from merging.sketch.preview import ExpertPreview, Preview, preview
from merging.sketch.tables import DeltaTables

__all__ = [
    "DeltaTables",
    "ExpertPreview",
    "Preview",
    "Sketch",
    "build_sketch",
    "load_sketch",
    "preview",
    "save_sketch",
]
