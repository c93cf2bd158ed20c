from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.flows.digits import MAX_DIGITS, Shape, parse_shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("8 digits", Shape("[0-9]{8}", 8, 8)),
        ("1 digit", Shape("[0-9]{1}", 1, 1)),
        ("16-19 digits", Shape("[0-9]{16,19}", 16, 19)),
        (" 6 - 8  digits ", Shape("[0-9]{6,8}", 6, 8)),
        (r"[1-9]\d{5}", Shape(r"[1-9]\d{5}", 0, 0)),
        (r"(00|\*)?[0-9]{4,10}", Shape(r"(00|\*)?[0-9]{4,10}", 0, 0)),
    ],
)
def test_shapes(text: str, shape: Shape) -> None:
    assert parse_shape(text) == shape


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no digits at all"),
        ("0 digits", "between 1 and 64"),
        ("9-8 digits", "rise"),
        ("65 digits", "between 1 and 64"),
        ("[0-9", "none of the signs"),
        ("(12", "no regular expression"),
        ("+1", "no regular expression"),
        ("[9-0]", "no regular expression"),
        (r"\w+", "none of the signs"),
        ("(?=1)1", "no regular expression|none of the signs"),
        (r"(\d+)+", "repeats a group"),
        (r"(\d*){9}", "repeats a group"),
        (r"\d*\d*\d*\d*", "too much open"),
        (r"\d*", "no digits at all"),
        ("1" * 101, "longer than 100"),
        ("1{5,2}", "no regular expression"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_shape(text)


@given(st.text(alphabet=r"0129d\[]-{},()|?*+#.:^ digts", max_size=40), st.text("0123456789*#", max_size=MAX_DIGITS))
def test_any_accepted_expression_answers_at_once(text: str, typed: str) -> None:
    try:
        shape = parse_shape(text)
    except ValueError:
        return
    began = time.process_time()
    re.fullmatch(shape.regex, typed)
    assert time.process_time() - began < 1


def test_the_worst_accepted_expression_answers_at_once() -> None:
    for text in (r"\d*\d*\d*#", "(1|.)" * 18 + "#", r"\d*\d*" + "(1|.)" * 6 + "#"):
        worst = parse_shape(text)
        began = time.process_time()
        assert re.fullmatch(worst.regex, "1" * MAX_DIGITS) is None
        assert time.process_time() - began < 1
