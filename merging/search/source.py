"""Where the answers of recipes come from: this thread, or elsewhere, several at once."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from merging.errors import Cancelled
from merging.jobs import Report
from merging.recipe import Recipe
from merging.search.pace import OutOfTime, part
from merging.search.points import Answers, Bench, Measure, Point

Scored = tuple[int, Answers | Exception]
Source = Callable[[Sequence[Recipe], Report], Generator[Scored, None, None]]
Placed = tuple[int, Point]


def in_turn(measure: Measure) -> Source:
    """Return what scores recipes on the tuning half one after another, in this thread."""

    def scored(recipes: Sequence[Recipe], report: Report) -> Generator[Scored, None, None]:
        for index, recipe in enumerate(recipes):
            told = part(report, index / len(recipes), (index + 1) / len(recipes))
            try:
                told(0, f"point {index + 1} of {len(recipes)}")
                answers = measure.score(recipe, "tuning", told)
            except Cancelled:
                raise
            except Exception as error:
                yield index, error
            else:
                yield index, answers

    return scored


def taken(
    points: Sequence[Point], bench: Bench, source: Source, report: Report
) -> Generator[list[Placed], None, None]:
    """Give points of the tuning half their answers, or the reasons why they have none.

    Args:
        points: Without answers.
        bench: Knows what was scored before, keeps what is scored now, and has the pace.
        source: Scores what is not known, equal recipes once.
        report: Called while scoring; it may raise ``Cancelled``.

    Returns:
        Lists of places in ``points`` and points as they are done: first all that are known
        together, then those of each recipe.

    Raises:
        OutOfTime: The next recipe would not fit the budget.
        Cancelled: As raised by ``report``; what was under way is lost.
    """
    known: list[int] = []
    waiting: dict[str, list[int]] = {}
    for place, point in enumerate(points):
        if point.recipe is None or bench.known(point.recipe) is not None:
            known.append(place)
        else:
            waiting.setdefault(point.recipe.key(), []).append(place)
    if known:
        yield [(place, bench.take(points[place], report)) for place in known]
    if waiting:
        yield from _scored(points, list(waiting.values()), bench, source, report)


def _scored(
    points: Sequence[Point],
    groups: list[list[int]],
    bench: Bench,
    source: Source,
    report: Report,
) -> Generator[list[Placed], None, None]:
    firsts = (points[group[0]].recipe for group in groups)
    recipes = [recipe for recipe in firsts if recipe is not None]
    pace, left = bench.pace, len(groups)
    begin = pace.spent
    with closing(source(recipes, report)) as scored:
        for index, found in scored:
            seconds = pace.spent - begin
            if not isinstance(found, Exception):
                pace.note(seconds)
                bench.keep(recipes[index], found)
            yield [(place, _told(points[place], found, bench, seconds)) for place in groups[index]]
            begin = pace.spent
            left -= 1
            if left and not pace.fits:
                raise OutOfTime("The next point would not fit the budget.")


def _told(point: Point, found: Answers | Exception, bench: Bench, seconds: float) -> Point:
    if isinstance(found, Exception):
        return point.failed(found)
    return point.answered(found, bench.known_own(), seconds)
