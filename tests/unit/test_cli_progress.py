"""Progress on a terminal, in a file and for machines, by an injected clock."""

import argparse
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.cli.progress import ProgressPrinter, Style, style_of
from merging.cli.sizes import UNITS, parse_size
from merging.units import size_text, time_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Told:
    """A printer with a clock of its own and what it printed."""

    def __init__(self, style: Style, total: int = 0, columns: int = 80) -> None:
        self.now, self.out = 100.0, io.StringIO()
        self.printer = ProgressPrinter(self.out, style, lambda: self.now, lambda: columns)
        self.printer.total = total

    def at(self, seconds: float, share: float, message: str = "merge w") -> str:
        """Call after so many seconds in all; what was printed by this call."""
        self.now = 100.0 + seconds
        before = len(self.out.getvalue())
        self.printer(share, message)
        return self.out.getvalue()[before:]


def test_the_style_follows_from_where_it_goes() -> None:
    assert style_of(Terminal(), as_json=False, quiet=False) == "line"
    assert style_of(io.StringIO(), as_json=False, quiet=False) == "plain"
    assert style_of(Terminal(), as_json=True, quiet=False) == "json"
    assert style_of(Terminal(), as_json=True, quiet=True) == "none"


# --- One line -------------------------------------------------------------------------------------


def test_the_line_says_share_bytes_rate_time_left_and_tensor() -> None:
    told = Told("line", total=2_000_000_000)
    shown = told.at(2, 0.25, "merge model.norm.weight")
    line = " 25%  500 MB of 2 GB  250 MB/s  6.0 s left  merge model.norm.weight"
    assert shown == f"\r{line:79}"


def test_without_a_total_there_are_no_bytes() -> None:
    assert Told("line").at(1, 0.5).rstrip() == "\r 50%  1.0 s left  merge w"


def test_nothing_is_known_at_the_start() -> None:
    assert Told("line", total=10).at(0, 0.0, "read w").rstrip() == "\r  0%  0 B of 10 B  read w"


def test_the_line_is_redrawn_at_most_ten_times_a_second() -> None:
    told = Told("line")
    drawn = [bool(told.at(tick / 32, tick / 100)) for tick in range(20)]
    assert drawn == [tick % 4 == 0 for tick in range(20)]


def test_a_line_stays_one_line() -> None:
    told = Told("line", columns=30)
    shown = told.at(1, 0.5, "merge " + "x" * 200)
    assert len(shown) == 30
    assert "\n" not in shown
    assert len(told.at(2, 0.6, "w")) == 30  # what was longer is covered


def test_the_last_call_ends_the_line_once() -> None:
    told = Told("line", total=1000)
    told.at(1, 0.5)
    last = told.at(1.01, 1.0, "merged")
    assert last.rstrip(" \n") == "\r100%  1 KB of 1 KB  990 B/s  in 1.0 s  merged"
    assert last.endswith("\n")
    assert told.at(9, 1.0, "merged") == ""
    told.printer.close()
    assert told.out.getvalue().count("\n") == 1


def test_what_follows_an_unfinished_line_stands_on_its_own() -> None:
    told = Told("line")
    told.at(1, 0.5)
    told.printer.close()
    told.printer.close()
    assert told.out.getvalue() == f"\r{' 50%  1.0 s left  merge w':79}\n"


# --- Lines ----------------------------------------------------------------------------------------


def test_plain_lines_come_by_tenths() -> None:
    told = Told("plain", total=1000)
    shown = [told.at(percent / 100, percent / 100) for percent in range(101)]
    lines = [line for line in shown if line]
    assert [line[:4] for line in lines] == [f"{p:3}%" for p in range(10, 101, 10)]
    assert lines[0] == " 10%  100 B of 1 KB  merge w\n"  # too early for a rate
    assert lines[4] == " 50%  500 B of 1 KB  1 KB/s  0.5 s left  merge w\n"
    assert lines[-1] == "100%  1 KB of 1 KB  1 KB/s  in 1.0 s  merge w\n"


def test_plain_lines_come_after_five_seconds() -> None:
    told = Told("plain")
    shown = [second for second in range(1, 21) if told.at(second, second / 1000)]
    assert shown == [5, 10, 15, 20]


@given(st.lists(st.tuples(st.integers(0, 3000), st.floats(-1, 2)), min_size=1, max_size=60))
def test_there_are_never_more_lines_than_tenths_and_five_seconds(
    calls: list[tuple[int, float]],
) -> None:
    """Whatever the engine reports, also shares that fall or lie outside 0 to 1."""
    told, spent = Told("plain", total=10**9), 0.0
    for wait, share in calls:
        spent += wait / 1000
        told.at(spent, share)
    lines = told.out.getvalue().count("\n")
    assert lines <= 10 + spent / 5 + sum(share >= 1 for _, share in calls)


def test_lines_for_machines() -> None:
    told = Told("json", total=4000)
    assert told.at(1, 0.05) == ""
    assert json.loads(told.at(2, 0.25)) == {
        "progress": 0.25,
        "bytes": 1000,
        "of": 4000,
        "bytes_per_second": 500,
        "seconds_left": 6.0,
        "doing": "merge w",
    }
    assert json.loads(told.at(3, 1, "merged"))["seconds_left"] == 0
    assert told.out.getvalue().count("\n") == 2
    unknown = json.loads(Told("json").at(5, 0.0, "read 'w' \u2603"))
    assert unknown == {"progress": 0.0, "doing": "read 'w' \u2603"}


def test_quiet_prints_nothing() -> None:
    told = Told("none", total=10)
    assert told.at(10, 0.5) + told.at(20, 1) == ""
    told.printer.close()
    assert told.out.getvalue() == ""


# --- Sizes and times ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 << 30),
        ("800MB", 800_000_000),
        ("1.5GB", 1_500_000_000),
        ("1.5 gib", 3 << 29),
        (" 2TB ", 2 * 10**12),
        ("1KiB", 1024),
        ("0.5KB", 500),
        ("7B", 7),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4", "'4': it has no unit. Write 4GiB, 800MB or 1.5GB."),
        ("4G", "'4G': the unit 'G' is unknown"),
        ("4GBit", "the unit 'GBit' is unknown"),
        ("", "'' is no size"),
        ("GB", "'GB' is no size"),
        ("-1GB", "'-1GB' is no size"),
        ("1e9B", "'1e9B' is no size"),
        ("1,5GB", "'1,5GB' is no size"),
        ("nanGB", "'nanGB' is no size"),
        ("٤GB", "is no size"),
        ("9" * 400 + "GB", "is no size"),
        ("0GB", "'0GB' is nothing"),
        ("0.0001B", "'0.0001B' is nothing"),
    ],
)
def test_sizes_that_are_none(text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse_size(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 150


@given(st.integers(1, 9999), st.sampled_from(sorted(UNITS)))
def test_whole_numbers_of_every_unit_are_exact(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit.upper()}") == number * UNITS[unit]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (999_499, "999 KB"),
        (999_600, "1 MB"),
        (1_234_567, "1.23 MB"),
        (45_600_000_000, "45.6 GB"),
        (2.5e12, "2.5 TB"),
        (3e15, "3,000 TB"),
    ],
)
def test_sizes_are_told_with_three_digits(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (90_000, "25 h"),
    ],
)
def test_times_are_told_in_words(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
