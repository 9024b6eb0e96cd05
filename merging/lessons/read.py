"""Lessons from their files: everything checked, with words for what is wrong."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from merging.errors import RecipeError, SourceError, unknown
from merging.lessons.experiments import MOST_SERIES, read_line, read_series
from merging.lessons.fields import Fields
from merging.lessons.model import (
    OPERATIONS,
    OUTCOMES,
    RELATIONS,
    Chart,
    Choice,
    Claim,
    Condition,
    Lesson,
    Line,
    Outcome,
    Quantity,
    Relation,
    Series,
    Source,
    Unit,
)
from merging.recipe.document import read_document

FORMAT = "merge-explorer-lesson/1"
FOLDER = Path(__file__).resolve().parents[2] / "assets" / "lessons"
PLACEHOLDER = re.compile(r"\{(\w*)(±?)\}")
MOST = 24
_PAIRS = ("difference", "gain_kept")
_UNITS: dict[str, Unit] = {"best_place": "number", "spread": "points"}
Named = TypeVar("Named", Series, Claim)


def parse_lesson(text: str, name: str) -> Lesson:
    """Read one lesson from YAML.

    Args:
        text: Of the file.
        name: Of the file without its end: the lesson's id.

    Raises:
        RecipeError: Something is missing, unknown, or of the wrong kind; the message says where.
    """
    where = f"lesson {name[:60]}"
    try:
        data = read_document(text, "The recipe must be a mapping of words to values.")
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}".replace("recipe", "file")) from error
    fields = Fields(data, where)
    fields.word("format", (FORMAT,))
    lesson = _lesson(fields, name)
    fields.close()
    _check_texts(lesson, fields)
    return lesson


def read_folder(folder: Path) -> tuple[Lesson, ...]:
    """Read all lessons of a folder, by number.

    Raises:
        SourceError: The folder holds none, or a file cannot be read.
        RecipeError: A lesson is wrong, two have one number, or one leads to a lesson not there.
    """
    try:
        found = [parse_lesson(p.read_text("utf-8"), p.stem) for p in sorted(folder.glob("*.yaml"))]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"A lesson in {folder.name} cannot be read: {error}") from error
    if not found:
        raise SourceError(f"There are no lessons in {folder.name}.")
    names = {lesson.id for lesson in found}
    by_number = {lesson.number: lesson for lesson in found}
    for lesson in found:
        if by_number[lesson.number] is not lesson:
            raise RecipeError(f"lesson {lesson.id}: number {lesson.number} is given twice.")
        if lesson.after and lesson.after not in names:
            raise RecipeError(f"lesson {lesson.id}: {unknown('lesson', lesson.after, names)}")
    return tuple(by_number[number] for number in sorted(by_number))


@cache
def lessons() -> tuple[Lesson, ...]:
    """Return the lessons that ship with the app, by number; read once per process."""
    return read_folder(FOLDER)


def _lesson(fields: Fields, name: str) -> Lesson:
    series = _by_name(fields, [read_series(f) for f in fields.parts("series", 1, MOST_SERIES)])
    chart = _chart(fields.part("chart"), series)
    quantities: dict[str, Quantity] = {}
    for part in fields.parts("quantities", 1, MOST):
        found = _quantity(part, series, quantities)
        if found.name in quantities:
            raise part.error(f"{found.name} is named twice.")
        quantities[found.name] = found
    claims = _by_name(fields, [_claim(f, quantities) for f in fields.parts("claims", 1, 6)])
    choices = [_choice(f, quantities, claims) for f in fields.parts("choices", 2, 4)]
    return Lesson(
        id=name,
        number=fields.whole("number", 1, 99),
        title=fields.text("title"),
        minutes=fields.whole("minutes", 1, 30),
        page=fields.text("page"),
        question=fields.text("question"),
        choices=tuple(choices),
        todo=fields.text("do"),
        series=tuple(series.values()),
        chart=chart,
        quantities=tuple(quantities.values()),
        claims=tuple(claims.values()),
        why=fields.text("why"),
        source=_source(fields.part("source")),
        explore=fields.text("explore"),
        after=fields.text("next", ""),
    )


def _by_name(fields: Fields, found: Iterable[Named]) -> dict[str, Named]:
    named: dict[str, Named] = {}
    for one in found:
        if one.name in named:
            raise fields.error(f"{one.name} is named twice.")
        named[one.name] = one
    return named


def _chart(fields: Fields, series: dict[str, Series]) -> Chart:
    lines: list[Line] = []
    for part in fields.parts("lines", 1, 6):
        lines.append(read_line(part, series))
        part.close()
    chart = Chart(fields.text("x"), fields.text("y"), tuple(lines))
    fields.close()
    return chart


def _quantity(fields: Fields, series: dict[str, Series], known: Mapping[str, Quantity]) -> Quantity:
    name, operation = fields.text("name"), fields.word("is", OPERATIONS)
    label, at = fields.text("label"), 0.0
    line: Line | None = None
    of: tuple[str, ...] = ()
    unit: Unit = "share"
    if operation in _PAIRS:
        names = tuple(known)
        pair = ("first", "second") if operation == "difference" else ("of", "base")
        of = tuple(fields.word(entry, names) for entry in pair)
        units = {known[entry].unit for entry in of}
        if len(units) > 1:
            raise fields.error(f"{of[0]} and {of[1]} are not told in one unit.")
        if operation == "difference":
            unit = "number" if units == {"number"} else "points"
    else:
        line = read_line(fields, series)
        unit = _UNITS.get(operation, "share")
    if operation == "at" and line is not None:
        at = float(fields.number("at"))
        if at not in (places := [x for x, _ in series[line.series].points]):
            raise fields.error(f"{line.series} has no point at {at:g}; it has {places}.")
    if operation == "best" and line is not None and series[line.series].kind == "conflict":
        raise fields.error("best is of scores; a count of conflict is not told again.")
    fields.close()
    return Quantity(name, operation, label, line, at, of, unit)


def _claim(fields: Fields, known: Mapping[str, Quantity]) -> Claim:
    name, left = fields.text("name"), fields.word("left", tuple(known))
    relation = cast(Relation, fields.word("is", RELATIONS))
    right = fields.take("right")
    if isinstance(right, str):
        if right not in known:
            raise fields.error(str(unknown("quantity", right, known)))
    elif isinstance(right, bool) or not isinstance(right, int | float):
        raise fields.error(f"right is {right!r:.60}; it must be a quantity or a number.")
    within = float(fields.number("within")) if relation == "near" else 0.0
    expect = cast(Outcome, fields.word("expect", OUTCOMES))
    texts = {outcome: fields.text(outcome) for outcome in OUTCOMES}
    fields.close()
    return Claim(name, left, relation, right, expect, texts, within)


def _choice(
    fields: Fields, quantities: Mapping[str, Quantity], claims: Mapping[str, Claim]
) -> Choice:
    text, found = fields.text("text"), []
    for part in fields.parts("when", 1, 4):
        if part.has("claim"):
            claim, outcome = part.word("claim", tuple(claims)), part.word("is", OUTCOMES)
            found.append(Condition(claim=claim, outcome=outcome))
        else:
            name = part.word("quantity", tuple(quantities))
            low, high = part.number("from", float("-1e8")), part.number("to", float("1e8"))
            found.append(Condition(quantity=name, low=low, high=high))
        part.close()
    fields.close()
    return Choice(text, tuple(found))


def _source(fields: Fields) -> Source:
    source = Source(fields.text("arxiv"), fields.text("citation"), fields.text("text"))
    if not re.fullmatch(r"\d{4}\.\d{4,5}", source.arxiv):
        raise fields.error(f"arxiv is {source.arxiv!r:.40}; it must be an id such as 2306.01708.")
    fields.close()
    return source


def _check_texts(lesson: Lesson, fields: Fields) -> None:
    """Every placeholder must be a quantity; a brace otherwise is a slip."""
    known = [quantity.name for quantity in lesson.quantities]
    texts = [text for claim in lesson.claims for text in claim.texts.values()]
    for text in [*texts, lesson.why, lesson.explore, lesson.source.text]:
        for match in PLACEHOLDER.finditer(text):
            if match[1] not in known:
                raise fields.error(str(unknown("quantity in a text", match[1], known)))
        if set("{}") & set(PLACEHOLDER.sub("", text)):
            raise fields.error(f"a lone brace in a text: {text[:60]!r}.")
