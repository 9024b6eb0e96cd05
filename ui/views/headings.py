"""The questions that stand over the sections of the page and of its reports. Pure text."""

SCORES = "Did it keep the skills?"
CONFLICT = "Where do they disagree?"
SIZES = "How big are the changes?"
RELATIVE = "Beside the weights that they change"
AGREEMENT = "Who agrees with whom?"
DIRECTIONS = "How many directions they use, and share"
WINNERS = "Who won?"
DIALECTS = "How do other tools read these settings?"
WHAT_IF = "What if it were another value?"
PARTS = "Which part costs which task?"
MAP = "What lies between them?"
RUNS = "Your runs"
BESIDE = "Side by side: what differs"

SECTIONS = {
    "scores": SCORES,
    "conflict": CONFLICT,
    "sizes": SIZES,
    "agreement": AGREEMENT,
    "winners": WINNERS,
    "dialects": DIALECTS,
    "whatif": WHAT_IF,
    "parts": PARTS,
    "map": MAP,
    "runs": RUNS,
}  # by the name that a link to the section has
