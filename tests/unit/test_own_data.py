"""Own data from hostile files: rows, halves, and words that name the line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import EvaluationError
from merging.evaluation.own_data import LONGEST, MOST_BYTES, MOST_LABELS, Row, read_own_data

CSV = b'Label,Text\nsport,"Two, to one."\nmoney,The bank lends.\n'


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def test_columns_are_found_by_name_whatever_their_order_and_case() -> None:
    data = read_own_data(CSV, "my.CSV")
    assert data.kind == "labels" and data.labels == ("money", "sport") and data.notes == ()
    assert data.rows == (Row("Two, to one.", "sport"), Row("The bank lends.", "money"))


def test_prompts_with_answers_come_before_anything_else() -> None:
    rows = lines({"prompt": "1+1", "answer": 2, "text": "x"}, {"Prompt": "2+2", "answer": "4"})
    data = read_own_data(rows, "a.jsonl")
    assert data.kind == "answers" and data.rows == (Row("1+1", "2"), Row("2+2", "4"))
    assert data.labels == ()


def test_plain_text_is_cut_at_blank_lines() -> None:
    data = read_own_data("\ufeffOne\r\nmore.\r\n\r\nTwo.\n".encode(), "a.txt")
    assert data.kind == "text" and [r.text for r in data.rows] == ["One\nmore.", "Two."]
    one = read_own_data(lines({"text": "a"}, {"text": "b"}), "a.jsonl")
    assert one.kind == "text" and one.rows == (Row("a"), Row("b"))


def test_what_was_left_out_is_told() -> None:
    rows = [("a", "x"), ("a", "x"), ("a", "y"), ("", "x"), ("b", " ")]
    text = "text,label\n" + "\n".join(f'"{t}","{label}"' for t, label in rows)
    data = read_own_data(text.encode(), "a.csv")
    assert data.rows == (Row("a", "x"), Row("a", "y"))
    assert data.notes == (
        "2 rows without text or target left out.",
        "1 repeated row left out: equal rows count once.",
        "1 text with different targets, such as 'a'.",
    )


def test_halves_depend_on_the_text_alone_and_are_both_there() -> None:
    rows = [{"text": f"text {i}", "label": i % 2} for i in range(400)]
    data = read_own_data(lines(*rows), "a.jsonl")
    tuning, reporting = data.of("tuning"), data.of("reporting")
    assert len(tuning) + len(reporting) == 400 and 150 < len(tuning) < 250
    assert Row("text 1", "0").half == Row("text 1", "1").half
    assert data.key() == read_own_data(lines(*rows), "b.jsonl").key()
    assert data.key() != read_own_data(lines(*rows[1:]), "a.jsonl").key()


@pytest.mark.parametrize(
    ("raw", "name", "said"),
    [
        (b"x" * (MOST_BYTES + 1), "a.csv", "5000001 bytes; at most 5 MB"),
        (b"text,label\n\xff,a\n", "a.csv", "not UTF-8: byte 11"),
        (b"text,label\na,b\n\0,c\n", "a.csv", "line 3: holds a zero byte"),
        (CSV, "a.parquet", "must end in .csv, .jsonl or .txt"),
        (b"", "a.csv", "holds no row"),
        (b"text,label\n", "a.csv", "holds no row"),
        (b"text,text\na,b\n", "a.csv", "the column text stands twice"),
        (b"text,label\na\n", "a.csv", "line 2: 1 fields, the first line has 2"),
        (b'text,label\n"a,b\n', "a.csv", "line 2: unexpected end of data"),
        (b"words,mood\na,b\n", "a.csv", "has the columns mood, words. Name the columns text"),
        (b"text,label\na,b\n", "a.csv", "holds 1 rows to score"),
        (b"text,label\na,b\nc,b\n", "a.csv", "1 different labels; there must be 2"),
        (b"{]\n", "a.jsonl", "line 1: is no JSON"),
        (b"[" * 100_000, "a.jsonl", "line 1: is no JSON"),
        (b"\n[1]\n", "a.jsonl", "line 2: must be an object"),
        (lines({"text": None, "label": "a"}), "a.jsonl", "line 1: text is empty"),
        (b'{"text": "\\ud800", "label": "a"}', "a.jsonl", "text holds half a character"),
        (lines({"text": ["a"], "label": "a"}), "a.jsonl", "line 1: text is list"),
        (lines({"text": "a", "label": "a"}, {"text": "b"}), "a.jsonl", "line 2: has no label"),
        (lines({"text": "a" * (LONGEST + 1), "label": "a"}), "a.jsonl", "line 1: text has 20001"),
    ],
)
def test_what_is_refused_names_line_and_column(raw: bytes, name: str, said: str) -> None:
    with pytest.raises(EvaluationError) as error:
        read_own_data(raw, name)
    assert said in str(error.value)


def test_too_many_rows_and_labels() -> None:
    many = "text,label\n" + "".join(f"t{i},l{i}\n" for i in range(MOST_LABELS + 1))
    with pytest.raises(EvaluationError, match="1001 different labels"):
        read_own_data(many.encode(), "a.csv")
    rows = "text\n" + "".join(f"t{i}\n" for i in range(20_001))
    with pytest.raises(EvaluationError, match="20001 rows; at most 20000"):
        read_own_data(rows.encode(), "a.csv")


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl", "a.txt"]))
def test_any_bytes_give_rows_or_words(raw: bytes, name: str) -> None:
    try:
        data = read_own_data(raw, name)
    except EvaluationError as error:
        assert str(error) and len(str(error)) < 400
    else:
        assert len(data.rows) >= 2 and all(r.text.strip() == r.text != "" for r in data.rows)
