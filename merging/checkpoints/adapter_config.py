"""What ``adapter_config.json`` of peft says: ranks, scales and kinds of a LoRA adapter.

Only what decides the weights is kept. Whatever else would change them (another kind of adapter, a
start that changed the base, an entry that this version does not know) is refused by name.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from merging.checkpoints.folder import read_json
from merging.errors import SourceError

CONFIG_FILE = "adapter_config.json"
N = TypeVar("N", int, float)
MOST_RANK = 1 << 16
MOST_PATTERNS = 4096
LONGEST_PATTERN = 500

# Entries that change nothing about the weights of a finished adapter.
_IDLE = frozenset(
    (
        *("alora_invocation_string", "auto_mapping", "base_model_name_or_path", "corda_config"),
        *("eva_config", "exclude_modules", "inference_mode", "init_lora_weights"),
        *("layers_pattern", "layers_to_transform", "loftq_config", "lora_dropout"),
        *("lora_ga_config", "megatron_core", "modules_to_save", "peft_type", "peft_version"),
        *("qalora_group_size", "revision", "runtime_config", "target_modules", "task_type"),
    )
)
_READ = frozenset(
    (
        *("alpha_pattern", "bias", "fan_in_fan_out", "lora_alpha", "lora_bias", "r"),
        *("rank_pattern", "use_dora", "use_rslora"),
    )
)
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
# A repeated group that repeats or chooses inside: matching may take for ever.
_SLOW = re.compile(r"\([^()]*[*+{|][^()]*\)[*+{]")
MOST_REPEATS = 3


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """Ranks and scales of a LoRA adapter.

    Attributes:
        rank: r, of modules that no pattern names.
        alpha: lora_alpha, of modules that no pattern names.
        rank_pattern, alpha_pattern: Regular expressions on the end of a module's name, in order,
            with the value of the modules that they match.
        rslora: The scale is alpha / sqrt(r) instead of alpha / r.
        dora: Weights are decomposed into magnitude and direction.
        transposed: ``fan_in_fan_out``: square weights are stored as (in, out).
        about: The rest, for words and for writing another adapter.
    """

    rank: int
    alpha: float
    rank_pattern: tuple[tuple[re.Pattern[str], int], ...]
    alpha_pattern: tuple[tuple[re.Pattern[str], float], ...]
    rslora: bool
    dora: bool
    transposed: bool
    about: Mapping[str, Any]

    def rank_of(self, module: str) -> int:
        """Return the rank of a module's factors."""
        return _matched(self.rank_pattern, module, self.rank)

    def scale_of(self, module: str) -> float:
        """Return the factor of B·A: alpha / r, or alpha / sqrt(r).

        Source:
            Hu et al. 2021, arXiv:2106.09685; Kalajdzievski 2023, arXiv:2312.03732 (rsLoRA).
        """
        rank = self.rank_of(module)
        alpha = _matched(self.alpha_pattern, module, self.alpha)
        return alpha / (math.sqrt(rank) if self.rslora else rank)


def read_config(folder: Path, label: str) -> AdapterConfig:
    """Read ``adapter_config.json`` of a folder.

    Raises:
        SourceError: It is missing, no JSON object, no LoRA, or says something that is not
            supported or out of range; the entry and its value are named.
    """
    data = read_json(folder / CONFIG_FILE, label)
    _check_kind(data, label)
    return AdapterConfig(
        rank=_rank(data.get("r", 8), "r", label),
        alpha=_number(data.get("lora_alpha", 8), "lora_alpha", label),
        rank_pattern=tuple(
            (key, _rank(value, f"rank_pattern {key.pattern!r:.80}", label))
            for key, value in _patterns(data, "rank_pattern", label)
        ),
        alpha_pattern=tuple(
            (key, _number(value, f"alpha_pattern {key.pattern!r:.80}", label))
            for key, value in _patterns(data, "alpha_pattern", label)
        ),
        rslora=_flag(data, "use_rslora", label),
        dora=_flag(data, "use_dora", label),
        transposed=_flag(data, "fan_in_fan_out", label),
        about=data,
    )


def _check_kind(data: Mapping[str, Any], label: str) -> None:
    kind = data.get("peft_type")
    if kind != "LORA":
        raise SourceError(
            f"Adapter {label}: peft_type is {kind!r:.60}. Only LORA is a change of the weights "
            "that is supported. Merge this adapter into its base with peft first."
        )
    start = data.get("init_lora_weights")
    if not any(start is known or start == known for known in _PLAIN_STARTS):
        raise SourceError(
            f"Adapter {label}: init_lora_weights is {start!r:.60}, which changed the base before "
            "training. Convert the adapter to a plain LoRA with peft "
            "(path_initial_model_for_weight_conversion), then use that."
        )
    if data.get("bias", "none") not in ("none", "all", "lora_only"):
        raise SourceError(
            f"Adapter {label}: bias is {data['bias']!r:.60}; none, all and lora_only are known."
        )
    for key, value in data.items():
        if value and key not in _IDLE and key not in _READ:
            raise SourceError(
                f"Adapter {label}: {CONFIG_FILE} says {key!r:.60} is {value!r:.60}, which is not "
                "supported. Merge this adapter into its base with peft first."
            )


def _patterns(data: Mapping[str, Any], key: str, label: str) -> list[tuple[re.Pattern[str], Any]]:
    """Patterns as peft reads them: each must match the whole end of a name after a dot."""
    given = data.get(key) or {}
    if not isinstance(given, dict) or len(given) > MOST_PATTERNS:
        raise SourceError(
            f"Adapter {label}: {key} must map at most {MOST_PATTERNS} patterns to numbers."
        )
    found = []
    for pattern, value in given.items():
        repeats = sum(pattern.count(sign) for sign in "*+{")
        if len(pattern) > LONGEST_PATTERN or repeats > MOST_REPEATS or _SLOW.search(pattern):
            raise SourceError(
                f"Adapter {label}: the pattern {pattern!r:.80} of {key} is too long, repeats a "
                f"repetition or repeats more than {MOST_REPEATS} times. Write the modules out."
            )
        try:
            found.append((re.compile(rf"(.*\.)?({pattern})$"), value))
        except (re.error, RecursionError, OverflowError) as error:
            raise SourceError(
                f"Adapter {label}: {pattern!r:.80} of {key} is no regular expression: {error}."
            ) from error
    return found


def _matched(patterns: tuple[tuple[re.Pattern[str], N], ...], module: str, default: N) -> N:
    return next((value for pattern, value in patterns if pattern.match(module)), default)


def _rank(value: object, where: str, label: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_RANK:
        return value
    raise SourceError(
        f"Adapter {label}: {where} is {value!r:.60}; it must be a whole number from 1 to "
        f"{MOST_RANK}."
    )


def _number(value: object, where: str, label: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if good and abs(value) < 1e9:  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise SourceError(f"Adapter {label}: {where} is {value!r:.60}; it must be a number.")


def _flag(data: Mapping[str, Any], key: str, label: str) -> bool:
    value = data.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise SourceError(f"Adapter {label}: {key} is {value!r:.60}; it must be true or false.")
