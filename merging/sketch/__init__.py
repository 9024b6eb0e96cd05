"""What a preview needs to know about a set of models, and its answers."""

from merging.sketch.build import build_sketch
from merging.sketch.cells import conflict_table
from merging.sketch.inert import Inert, inert
from merging.sketch.model import Sketch
from merging.sketch.preview import BucketPreview, Preview, preview
from merging.sketch.store import load_sketch, save_sketch, weights_identity
from merging.sketch.tally import ExpertPreview
from merging.sketch.winners import winners

__all__ = [
    "BucketPreview",
    "ExpertPreview",
    "Inert",
    "Preview",
    "Sketch",
    "build_sketch",
    "conflict_table",
    "inert",
    "load_sketch",
    "preview",
    "save_sketch",
    "weights_identity",
    "winners",
]
