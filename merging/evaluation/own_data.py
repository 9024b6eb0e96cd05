"""A visitor's own data: hostile bytes of a CSV, JSONL or text file to checked rows."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from merging.errors import EvaluationError

Kind = Literal["labels", "answers", "text"]
Half = Literal["tuning", "reporting"]

MOST_BYTES = 5_000_000
FEWEST_HELD = 5
MOST_ROWS = 20_000
MOST_LABELS = 1_000
LONGEST = 20_000  # characters of a field
SHOWN = 40
COLUMNS: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "labels": (("text", "sentence", "content"), ("label", "class", "category")),
    "answers": (("prompt", "question", "instruction", "input"), ("answer", "completion", "output")),
    "text": (("text", "sentence", "content"), ()),
}
EXPECTED = "Name the columns text and label, or prompt and answer, or text alone (for perplexity)."


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        text: What a model reads.
        target: Its label or answer; "" for plain text.
    """

    text: str
    target: str = ""

    @property
    def half(self) -> Half:
        """Which half it is for, by its text: equal texts never stand on both sides."""
        return "tuning" if sha256(self.text.encode()).digest()[0] % 2 else "reporting"


@dataclass(frozen=True, slots=True)
class OwnData:
    """A checked file.

    Attributes:
        kind: ``labels``: text and label; ``answers``: prompt and answer; ``text``: for perplexity.
        rows: In their order, equal ones once.
        notes: What was left out, and what may surprise, in sentences.
        name: Of the file, or "".
    """

    kind: Kind
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    name: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Different labels, sorted; empty for other kinds."""
        return tuple(sorted({row.target for row in self.rows})) if self.kind == "labels" else ()

    def of(self, half: Half) -> tuple[Row, ...]:
        """Return the rows of a half."""
        return tuple(row for row in self.rows if row.half == half)

    @property
    def too_few(self) -> str:
        """Why no score of the reporting half would tell anything, with a remedy; "" else."""
        held = len(self.of("reporting"))
        if held >= FEWEST_HELD:
            return ""
        return (
            f"Of {len(self.rows)} different rows {held} {'is' if held == 1 else 'are'} held back "
            f"for scores; with fewer than {FEWEST_HELD} the noise cannot be told. Give more rows, "
            f"{4 * FEWEST_HELD} or so."
        )

    def key(self) -> str:
        """Return a hash of kind and rows, 16 hexadecimal digits."""
        told = json.dumps([self.kind, [[r.text, r.target] for r in self.rows]])
        return sha256(told.encode()).hexdigest()[:16]


def read_own_data(raw: bytes, name: str) -> OwnData:
    """Read a file of own data.

    Args:
        raw: Its content, at most 5 MB of UTF-8.
        name: Of the file; its ending says what it is: ``.csv``, ``.jsonl`` or ``.txt`` (text, a
            blank line between two rows).

    Returns:
        At least two rows. Of columns those with known names are read, whatever their order and
        case; (prompt, answer) before (text, label) before text alone.

    Raises:
        EvaluationError: It is too large, not UTF-8, of another kind, or a row is not as it should
            be; line and column are named.
    """
    text = _decoded(raw, name)
    ending = name.lower().rpartition(".")[2]
    if ending == "txt":
        found = [(i, {"text": part}) for i, part in enumerate(text.split("\n\n"), 1)]
        return _data("text", found, name)
    if ending not in ("csv", "jsonl"):
        raise EvaluationError(f"{name:.80} must end in .csv, .jsonl or .txt.")
    rows = list(_csv(text, name) if ending == "csv" else _jsonl(text, name))
    if not rows:
        raise EvaluationError(f"{name:.80} holds no row. {EXPECTED}")
    return _data(_kind(rows[0][1], name), rows, name)


def _decoded(raw: bytes, name: str) -> str:
    if len(raw) > MOST_BYTES:
        raise EvaluationError(f"{name:.80} has {len(raw)} bytes; at most 5 MB are read.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"{name:.80} is not UTF-8: byte {error.start} cannot be read. Save it as UTF-8."
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise EvaluationError(f"{name:.80}, line {line}: holds a zero byte. Is it a text file?")
    return text.replace("\r\n", "\n")


def _csv(text: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        head = [column.strip().lower() for column in next(reader, [])]
        twice = next((c for c, n in Counter(head).items() if n > 1), None)
        if twice is not None:
            raise EvaluationError(f"{name:.80}: the column {twice:.40} stands twice. Keep one.")
        for fields in reader:
            if fields and len(fields) != len(head):
                raise EvaluationError(
                    f"{name:.80}, line {reader.line_num}: {len(fields)} fields, the first line has "
                    f"{len(head)}. Put quotes around fields with commas."
                )
            if fields:
                yield reader.line_num, dict(zip(head, fields, strict=True))
    except csv.Error as error:
        raise EvaluationError(f"{name:.80}, line {reader.line_num}: {error}.") from error


def _jsonl(text: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise EvaluationError(f"{name:.80}, line {number}: is no JSON.") from error
        if not isinstance(found, dict):
            raise EvaluationError(f"{name:.80}, line {number}: must be an object {{...}}.")
        yield number, {key.strip().lower(): _word(v, key, number, name) for key, v in found.items()}


def _word(value: object, key: str, number: int, name: str) -> str:
    if isinstance(value, bool | str | int):
        if str(value).isascii() or not any("\ud800" <= c <= "\udfff" for c in str(value)):
            return str(value)
        raise EvaluationError(f"{name:.80}, line {number}: {key:.40} holds half a character.")
    kind = "empty" if value is None else type(value).__name__
    raise EvaluationError(f"{name:.80}, line {number}: {key:.40} is {kind}; it must be a text.")


def _kind(columns: Iterable[str], name: str) -> Kind:
    there = set(columns)
    for kind in ("answers", "labels", "text"):
        first, second = COLUMNS[kind]
        if there & set(first) and (not second or there & set(second)):
            return kind
    shown = ", ".join(sorted(there))[:120]
    raise EvaluationError(f"{name:.80} has the columns {shown}. {EXPECTED}")


def _data(kind: Kind, found: list[tuple[int, dict[str, str]]], name: str) -> OwnData:
    if len(found) > MOST_ROWS:
        raise EvaluationError(f"{name:.80} has {len(found)} rows; at most {MOST_ROWS} are read.")
    rows: list[Row] = []
    empty = 0
    for number, columns in found:
        text, target = (_field(columns, names, number, name) for names in COLUMNS[kind])
        if not text.strip() or (kind != "text" and not target.strip()):
            empty += 1
        else:
            rows.append(Row(text.strip(), target.strip()))
    once = tuple(dict.fromkeys(rows))
    data = OwnData(kind, once, tuple(_notes(once, empty, len(rows) - len(once))), name)
    _check(data, name)
    return data


def _field(columns: Mapping[str, str], names: tuple[str, ...], number: int, name: str) -> str:
    if not names:
        return ""
    column = next((c for c in names if c in columns), None)
    if column is None:
        raise EvaluationError(f"{name:.80}, line {number}: has no {names[0]}.")
    if len(columns[column]) > LONGEST:
        raise EvaluationError(
            f"{name:.80}, line {number}: {column} has {len(columns[column])} characters; at most "
            f"{LONGEST} are read."
        )
    return columns[column]


def _notes(rows: tuple[Row, ...], empty: int, equal: int) -> Iterator[str]:
    if empty:
        yield f"{empty} row{'s' * (empty > 1)} without text or target left out."
    if equal:
        yield f"{equal} repeated row{'s' * (equal > 1)} left out: equal rows count once."
    texts = Counter(row.text for row in rows)
    unclear = [text for text, count in texts.items() if count > 1]
    if unclear:
        yield (
            f"{len(unclear)} text{'s' * (len(unclear) > 1)} with different targets, such as "
            f"{unclear[0][:SHOWN]!r}."
        )


def _check(data: OwnData, name: str) -> None:
    if len(data.rows) < 2:
        raise EvaluationError(f"{name:.80} holds {len(data.rows)} rows to score; give two or more.")
    if data.kind == "labels" and not 2 <= len(data.labels) <= MOST_LABELS:
        raise EvaluationError(
            f"{name:.80} has {len(data.labels)} different labels; there must be 2 to {MOST_LABELS}."
        )
