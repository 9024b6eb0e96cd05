"""What a node of a cluster does with a point: text in, text out. It knows nothing of clusters.

An order and an answer are JSON objects of texts and numbers, so that nothing else has to travel:
recipes go as the YAML that people write, which items are right comes back as hexadecimal digits.
"""

import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from merging.engine import one_thread
from merging.engine.cache import Intermediates
from merging.errors import CompatibilityError, EvaluationError, MergeError
from merging.evaluation import Bits
from merging.recipe import parse_recipe
from merging.search.fingerprint import code_fingerprint, set_fingerprint
from merging.search.measure import TUNING, SetMeasure
from merging.search.points import Answers

log = logging.getLogger(__name__)

MOST_BYTES = 128 << 20  # of intermediate results, in each worker
MOST_ITEMS = 1 << 24


def score_point(order: str) -> str:
    """Merge and score one recipe on the tuning half, in one thread.

    Args:
        order: JSON with ``set``, its fingerprint ``content``, that of the library ``code``,
            ``items`` of each task (null for all), and the ``recipe`` as YAML.

    Returns:
        JSON with ``answers``, or with ``error`` in words, or with ``broken`` where something
        happened that nobody meant to; always with the ``worker`` and the ``seconds`` it took.
    """
    begin = time.perf_counter()
    try:
        found: dict[str, Any] = {"answers": _answers(json.loads(order))}
    except MergeError as error:
        found = {"error": str(error)}
    except MemoryError:
        found = {"broken": "memory"}
    except Exception as error:
        log.exception("a point failed on this node")
        found = {"broken": f"{type(error).__name__}: {error}"[:500]}
    worker = f"{platform.node()} {os.getpid()}"
    return json.dumps({**found, "worker": worker, "seconds": time.perf_counter() - begin})


def packed(answers: Answers) -> dict[str, list[Any]]:
    """Return answers as plain values: per task the number of items and their bits, hexadecimal."""
    return {t: [len(bits), np.packbits(bits).tobytes().hex()] for t, bits in answers.items()}


def unpacked(told: object) -> Answers:
    """Return the answers that ``packed`` made.

    Raises:
        EvaluationError: It is anything else.
    """
    try:
        if not isinstance(told, Mapping) or not told:
            raise ValueError("no tasks")
        return {str(task): _bits(int(count), digits) for task, (count, digits) in told.items()}
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"A node answered something that is no answer: {error}.") from error


def _bits(count: int, digits: str) -> Bits:
    if not 0 < count <= MOST_ITEMS:
        raise ValueError(f"{count} items")
    found = np.frombuffer(bytes.fromhex(digits), np.uint8)
    if len(found) != -(-count // 8):
        raise ValueError(f"{len(found)} bytes for {count} items")
    return np.unpackbits(found, count=count).astype(np.bool_)


def _answers(order: Mapping[str, Any]) -> dict[str, list[Any]]:
    one_thread()
    name, items = str(order["set"]), order["items"]
    where = f"on the node {platform.node()} of the cluster"
    if order["code"] != code_fingerprint():
        raise CompatibilityError(
            f"Merge explorer {where} is another version than here, so that nothing of the set "
            f"{name} is scored there. Bring the same version to all nodes and restart them."
        )
    measure, content = _measure(name, None if items is None else int(items))
    if order["content"] != content:
        raise CompatibilityError(
            f"The set {name} {where} holds other files than here ({content}, here "
            f"{order['content']!s:.40}). Copy the same set there and restart the node."
        )
    recipe = parse_recipe(str(order["recipe"]))
    return packed(measure.score(recipe, TUNING, lambda fraction, message: None))


@lru_cache(maxsize=2)
def _measure(name: str, items: int | None) -> tuple[SetMeasure, str]:
    """Open a set once in this process, and say what is in it."""
    measure = SetMeasure(name, items=items, cache=Intermediates(MOST_BYTES))
    return measure, set_fingerprint(measure.opened)
