"""What a preview needs to know about a set of models, and its answers."""

from merging.sketch.build import build_sketch
from merging.sketch.cells import conflict_table
from merging.sketch.inert import Inert, inert
from merging.sketch.model import Sketch
from merging.sketch.opened import open_cell
from merging.sketch.pairs import agreement
from merging.sketch.preview import BucketPreview, Preview, preview
from merging.sketch.readings import readings
from merging.sketch.relative import relative_sizes
from merging.sketch.store import load_sketch, save_sketch, weights_identity
from merging.sketch.subspaces import kinds, subspaces
from merging.sketch.tally import ExpertPreview
from merging.sketch.winners import winners
from merging.sketch.work import in_loops

__all__ = [
    "BucketPreview",
    "ExpertPreview",
    "Inert",
    "Preview",
    "Sketch",
    "agreement",
    "build_sketch",
    "conflict_table",
    "in_loops",
    "inert",
    "kinds",
    "load_sketch",
    "open_cell",
    "preview",
    "readings",
    "relative_sizes",
    "save_sketch",
    "subspaces",
    "weights_identity",
    "winners",
]
