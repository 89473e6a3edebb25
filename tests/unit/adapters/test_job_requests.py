"""Texts, tags and names as AWS IoT Jobs takes them."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.job_requests import (
    COMMENT_LENGTH_MAX,
    GROUP_DESCRIPTION_LENGTH_MAX,
    REASON_CODE_LENGTH_MAX,
    comment_of,
    group_description_of,
    group_of,
    reason_code_of,
    thing_of,
)


@given(st.text(max_size=50).flatmap(lambda text: st.sampled_from([text, text * 60])))
def test_any_text_makes_a_comment(text: str) -> None:
    """No comment is refused: none too long, none with control characters, none broken in lines."""
    comment = comment_of(text)

    assert len(comment) <= COMMENT_LENGTH_MAX
    assert not any(unicodedata.category(each).startswith("C") for each in comment)
    assert comment_of(comment) == comment


@given(st.text(max_size=200))
def test_any_text_makes_a_reason_code(text: str) -> None:
    """No reason code is refused: capitals, digits and underscores only."""
    assert re.fullmatch(rf"[A-Z0-9_]{{0,{REASON_CODE_LENGTH_MAX}}}", reason_code_of(text))


@given(st.text(max_size=50).flatmap(lambda text: st.sampled_from([text, text * 60])))
def test_any_text_describes_a_group(text: str) -> None:
    """No description is refused: ASCII that shows, with single blanks, and none too long."""
    description = group_description_of(text)

    assert re.fullmatch(rf"[!-~ ]{{0,{GROUP_DESCRIPTION_LENGTH_MAX}}}", description)
    assert group_description_of(description) == description


def test_a_group_keeps_its_description() -> None:
    """What is not ASCII is near it, a cut is seen, and what fits is not touched."""
    assert group_description_of("undoes release 'a' (3 %)") == "undoes release 'a' (3 %)"
    assert group_description_of("évidence of 漢") == "evidence of ?"
    assert group_description_of("b" * 3000).endswith("bbb...")
    # An ellipsis becomes three dots: a text may grow beyond the limit.
    assert len(group_description_of("…" * 2028)) == GROUP_DESCRIPTION_LENGTH_MAX


def test_good_texts_stay() -> None:
    """What fits is not touched."""
    assert comment_of("3 of 10 harmed: évidence 5.1") == "3 of 10 harmed: évidence 5.1"
    assert reason_code_of("HARM_BUDGET_2") == "HARM_BUDGET_2"


@pytest.mark.parametrize(
    ("arn", "thing", "group"),
    [
        ("arn:aws:iot:r:1:thing/a", "a", None),
        ("arn:aws:iot:r:1:thing/a:thing/b", "a:thing/b", None),
        ("arn:aws:iot:r:1:thinggroup/g", None, "g"),
        ("arn:aws:iot:r:1:package/p", None, None),
        ("", None, None),
    ],
)
def test_arns_name_things_or_groups(arn: str, thing: str | None, group: str | None) -> None:
    """A name is all that follows its kind, colons included."""
    assert (thing_of(arn), group_of(arn)) == (thing, group)
