"""The methods there are. Order is the order of the page; one line per method."""

from merging.errors import unknown
from merging.methods.arithmetic import TASK_ARITHMETIC
from merging.methods.average import LINEAR
from merging.methods.dare import DARE, DARE_TIES
from merging.methods.darex import DAREX
from merging.methods.della import DELLA, DELLA_LINEAR
from merging.methods.depth import LINES, with_depth
from merging.methods.energy import MODEL_STOCK, SCE
from merging.methods.fisher import FISHER
from merging.methods.knots import KNOTS
from merging.methods.mixture import EXPERT_AVERAGING
from merging.methods.opcm import OPCM
from merging.methods.pairs import ARCEE_FUSION, GRAFT, NEARSWAP
from merging.methods.pcb import PCB
from merging.methods.permutation import PLEAS, REBASIN
from merging.methods.pruning import BREADCRUMBS, BREADCRUMBS_TIES, MAGNITUDE_PRUNE
from merging.methods.ram import RAM, RAM_PLUS
from merging.methods.regmean import REGMEAN
from merging.methods.soups import (
    CHECKPOINT_EMA,
    FEDAVG,
    GREEDY_SOUP,
    METRIC_WEIGHTED,
    SPARSE_SOUP,
    WISE_FT,
)
from merging.methods.spec import MethodSpec
from merging.methods.spectral import ISO_C, ISO_CTS, TSV
from merging.methods.spherical import KARCHER, MULTISLERP, NUSLERP, SLERP
from merging.methods.tall import CONSENSUS_TA, EMR, TALL
from merging.methods.ties import TIES
from merging.methods.widen import WIDEN

_DECLARED: tuple[MethodSpec, ...] = (
    LINEAR,
    TASK_ARITHMETIC,
    TIES,
    DARE,
    DARE_TIES,
    DAREX,
    DELLA,
    DELLA_LINEAR,
    MAGNITUDE_PRUNE,
    BREADCRUMBS,
    BREADCRUMBS_TIES,
    SCE,
    PCB,
    WIDEN,
    CONSENSUS_TA,
    LINES,
    RAM,
    RAM_PLUS,
    GREEDY_SOUP,
    MODEL_STOCK,
    KARCHER,
    MULTISLERP,
    NUSLERP,
    SLERP,
    WISE_FT,
    FEDAVG,
    CHECKPOINT_EMA,
    METRIC_WEIGHTED,
    SPARSE_SOUP,
    EXPERT_AVERAGING,
    TSV,
    ISO_C,
    ISO_CTS,
    KNOTS,
    OPCM,
    TALL,
    EMR,
    GRAFT,
    NEARSWAP,
    ARCEE_FUSION,
    REBASIN,
    PLEAS,
    FISHER,
    REGMEAN,
)
# LiNeS itself, and methods whose result is one model per task.
_WITHOUT_DEPTH = (LINES.id, TALL.id, EMR.id)
METHODS: tuple[MethodSpec, ...] = tuple(
    spec if spec.id in _WITHOUT_DEPTH else with_depth(spec) for spec in _DECLARED
)

ELSEWHERE = {"dare_linear": "dare"}  # what mergekit and peft call methods of ours


def method(name: str) -> MethodSpec:
    """Return a method by its id.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    for spec in METHODS:
        if spec.id == name:
            return spec
    words = {spec.label.lower(): spec.id for spec in METHODS}
    raise unknown("method", name, (spec.id for spec in METHODS), words | ELSEWHERE)
