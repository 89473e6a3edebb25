"""Why devices failed, in words that can be counted."""

import pytest

from tidegate.domain.cells import Cells
from tidegate.domain.failures import (
    OTHER,
    REASONS_MAX,
    FailureReason,
    bounded,
    failure_reasons,
    reason_of,
    top,
)
from tidegate.domain.outcomes import UNJOINED
from tidegate.domain.policy import Failures

FAILURES = Failures(keys=("reason", "error", "message"), never_stored=("error",))


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"message": "flash is full", "reason": "no space"}, "no space"),
        ({"message": "flash is full", "reason": " \n"}, "flash is full"),
        ({"error": "owner is at home"}, ""),
        ({"error": "owner is at home", "message": "aborted"}, "aborted"),
        ({"other": "x"}, ""),
        ({}, ""),
    ],
)
def test_the_first_key_that_says_something_counts(details: dict[str, str], reason: str) -> None:
    """Never one whose values are not to be stored."""
    assert reason_of(details, FAILURES) == reason


def test_one_that_was_ended_for_its_silence_counts_as_silent() -> None:
    """However long it was silent, and whatever it said last."""
    ended = {"message": "downloading", "tidegate:reason": "no sign of life for 47 minutes"}

    assert reason_of(ended, FAILURES) == "no sign of life"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("checksum of part 7123 is 99887766", "checksum of part # is #"),
        ("exit code 127", "exit code 127"),
        ("line one\nline\ttwo \x00", "line one line two"),
        ("a" * 200, "a" * 80),
        ("b" * 79 + " c", "b" * 79),
    ],
)
def test_like_reasons_are_made_alike(text: str, reason: str) -> None:
    """Serial numbers and line breaks are left out, and long ones are cut."""
    assert reason_of({"reason": text}, FAILURES) == reason


def test_there_are_only_so_many_reasons() -> None:
    """Those known go on being counted; new ones beyond are counted together."""
    known = [f"reason {letter}{digit}" for letter in "abcde" for digit in range(10)]
    assert len(known) == REASONS_MAX

    assert bounded("new", known[:-1]) == "new"
    assert bounded("new", known) == OTHER
    assert bounded("new", [*known[:-1], OTHER]) == "new"
    assert bounded(known[3], [*known, OTHER]) == known[3]
    assert bounded("", known) == ""


def test_the_most_frequent_reasons_come_first() -> None:
    """Whatever cells the devices are of; counters that are back at nothing tell nothing."""
    reasons = {("full", 2): 3, ("hot", 2): 4, ("full", 3): 2, ("gone", 3): 0, ("cold", 1): 4}

    assert top(reasons, 3) == (("full", 5), ("cold", 4), ("hot", 4))
    assert top(reasons, 9)[-1] == ("hot", 4)
    assert top({}, 3) == ()


def test_reasons_name_the_cohorts_of_those_who_gave_them() -> None:
    """One cohort for each key, most devices first; devices not yet joined are a cohort too."""
    cells = Cells(("revision", "site"), {2: ("A", "x"), 3: ("B", "x")})

    (full, hot) = failure_reasons({("full", 2): 3, ("full", 3): 4, ("hot", UNJOINED): 1}, cells)

    assert (full.text, full.devices) == ("full", 7)
    assert full.cohorts == (("site=x", 7), ("revision=B", 4), ("revision=A", 3))
    assert hot.cohorts == (("revision=(unknown)", 1), ("site=(unknown)", 1))
    assert failure_reasons({("full", 0): 3}, Cells()) == (FailureReason("full", 3),)
