"""What goes beside merged weights, out of them, and after them: files, card, check, GGUF."""

from merging.export.basket import Companions
from merging.export.extras import Extras, ScoreLine
from merging.export.files import gather

__all__ = ["Companions", "Extras", "ScoreLine", "gather"]
