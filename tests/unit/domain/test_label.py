"""The label in the job's description: what AWS's console shows of a rollout."""

import unicodedata
from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    IN_PROGRESS,
    NOW,
    POLICY,
    SUCCEEDED,
    next_situation,
    situation_of,
    with_job,
)
from tidegate.domain.course import Course
from tidegate.domain.label import MARK, labelled_at_end, labelled_at_launch, own_description
from tidegate.domain.policy import Asking, Authorities, Authority, Gate, JobDefaults, Policy
from tidegate.domain.review import review
from tidegate.domain.rollout import Hold, HoldKind
from tidegate.domain.settings import TEXT_LENGTH_MAX, JobSettings, RolloutRate, refusals
from tidegate.domain.situation import Situation

GOING = situation_of({SUCCEEDED: 60, IN_PROGRESS: 5})
ROLLING = "Tidegate: rolling out under policy firmware"
AT_END = "rollout completed, stragglers go on without it"
HOLD = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short of people", since=NOW - 60)
GATE = Gate("canary", after_devices=50, bake_minutes=30, answer=Asking())


def described(situation: Situation, description: str | None) -> Situation:
    """Return the situation of a job with a description."""
    return with_job(situation, settings=JobSettings(RolloutRate(10), description=description))


def label(situation: Situation, policy: Policy = POLICY) -> str:
    """Return the description that a review gives the job."""
    description = review(policy, situation, NOW).settings.description
    assert description is not None
    return description


@pytest.mark.parametrize(
    ("situation", "policy", "text"),
    [
        (GOING, POLICY, "rolling out under policy firmware"),
        (
            replace(GOING, holds=(HOLD,)),
            POLICY,
            "held by operator on-call: support is short of people",
        ),
        (situation_of({IN_PROGRESS: 10}), POLICY, "held by the evidence (EXPOSURE_AT_CAP)"),
        (GOING, replace(POLICY, gates=(GATE,)), "at gate canary, waiting for bake, answer"),
        (
            with_job(GOING, is_concurrent=False),
            POLICY,
            "all devices notified, waiting for outcomes",
        ),
        (
            with_job(
                replace(GOING, course=Course(is_guarding=True)),
                is_concurrent=False,
                is_continuous=True,
            ),
            POLICY,
            "initial rollout done, guarding devices that join late",
        ),
    ],
)
def test_a_label_says_what_a_rollout_does_and_for_what_it_waits(
    situation: Situation, policy: Policy, text: str
) -> None:
    """Whoever looks at the job in the console need not know where else to look."""
    assert label(situation, policy) == f"Tidegate: {text}"


def test_a_label_does_not_change_with_the_figures() -> None:
    """A description is sent to AWS when it changes: that is when the rollout does something new."""
    first = review(POLICY, GOING, NOW)
    more = situation_of({SUCCEEDED: 90, IN_PROGRESS: 5})

    assert label(more) == first.settings.description
    assert label(next_situation(first, more)) == first.settings.description


def test_a_label_names_a_few_holds() -> None:
    """The oldest; the decision has them all."""
    holds = [replace(HOLD, by=f"desk-{number}", since=NOW - number) for number in range(5)]

    assert label(replace(GOING, holds=holds)) == "Tidegate: held by " + "; ".join(
        f"operator desk-{number}: support is short of people" for number in (4, 3, 2)
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Tidegate: all devices notified", f"Tidegate: {AT_END}"),
        ("firmware 7 | Tidegate: all devices notified", f"firmware 7 | Tidegate: {AT_END}"),
        ("firmware 7", None),
        (None, None),
    ],
)
def test_a_job_that_goes_on_alone_says_so_where_it_said_anything(
    before: str | None, after: str | None
) -> None:
    """Else its label would wait for outcomes for ever; one that was only observed has none."""
    assert labelled_at_end(before) == after


# The owner's own description


@pytest.mark.parametrize(
    "own", ["firmware 7", "a | b", "Tidegate", "see Tidegate: it rolls", "| Tidegate:", "ü" * 40]
)
def test_the_owners_own_description_stays_in_front(own: str) -> None:
    """Review after review, the label alone is replaced."""
    first = label(described(GOING, own))
    held = label(described(replace(GOING, holds=(HOLD,)), first))
    again = label(described(GOING, held))

    assert first == again == f"{own} | {ROLLING}"
    assert held == f"{own} | Tidegate: held by operator on-call: support is short of people"
    assert own_description(held) == own


@pytest.mark.parametrize("own", ["Tidegate: our pumps", "pumps | Tidegate: the pilot"])
def test_a_policys_description_is_its_owners_whatever_it_looks_like(own: str) -> None:
    """Only what stands in AWS can have a label behind it."""
    policy = replace(POLICY, job=JobDefaults(description=own))
    first = label(described(GOING, "whatever was there"), policy)

    assert first == f"{own} | {ROLLING}"
    assert label(described(GOING, first), policy) == first


@pytest.mark.parametrize("length", [1500, 1900, TEXT_LENGTH_MAX - 43, TEXT_LENGTH_MAX - 42, 2028])
def test_a_long_description_is_never_cut(length: int) -> None:
    """It stands nowhere else: the label is cut, or left out."""
    own = "x" * length
    first = label(described(GOING, own))
    long = replace(HOLD, reason="y" * 1000)
    held = label(described(replace(GOING, holds=(long,)), first))

    assert first.startswith(own)
    assert held.startswith(own)
    assert max(len(first), len(held)) <= TEXT_LENGTH_MAX
    assert own_description(held) == own_description(first) == own
    assert label(described(GOING, held)) == first
    assert (MARK in first) is (length <= TEXT_LENGTH_MAX - 43)


def test_what_people_write_does_not_divide_the_description() -> None:
    """A reason that looks like a label would be taken for one, and the text would grow for ever."""
    hold = replace(HOLD, reason="see | Tidegate: the runbook | \x00| Tidegate: again")
    first = label(described(replace(GOING, holds=(hold,)), "firmware 7"))
    second = label(described(replace(GOING, holds=(hold,)), first))

    assert first == second
    assert own_description(first) == "firmware 7"


def test_a_label_is_what_aws_takes() -> None:
    """No line breaks or other control characters, nor more text than fits."""
    hold = replace(HOLD, by="desk\n1\u200b", reason="two\r\nlines\ud800 " * 300)
    settings = review(POLICY, replace(GOING, holds=(hold,)), NOW).settings

    assert refusals(settings, JobSettings()) == ()
    assert settings.description is not None
    assert len(settings.description) <= 400
    assert not any(unicodedata.category(each).startswith("C") for each in settings.description)


def test_no_label_is_written_without_the_authority_to_change_anything() -> None:
    """Who may only observe leaves the description as it is."""
    authority = Authorities(speed_up=Authority.OBSERVE, slow_down=Authority.OBSERVE)
    policy = replace(POLICY, authority=authority)

    assert review(policy, described(GOING, "firmware 7"), NOW).settings.description is None


def test_a_raise_that_is_withheld_leaves_the_description() -> None:
    """It would tell of what is not done."""
    policy = replace(POLICY, authority=Authorities(speed_up=Authority.OBSERVE))

    assert label(described(GOING, "firmware 7"), policy) == "firmware 7"


@pytest.mark.parametrize(
    ("of_policy", "of_launch", "expected"),
    [
        (None, None, ROLLING),
        (None, "pumps", f"pumps | {ROLLING}"),
        ("firmware 7", "pumps", f"firmware 7 | {ROLLING}"),
    ],
)
def test_a_job_is_labelled_from_its_creation_on(
    of_policy: str | None, of_launch: str | None, expected: str
) -> None:
    """Then the first review has nothing to change about it."""
    policy = replace(POLICY, job=JobDefaults(description=of_policy))
    launched = labelled_at_launch(policy, of_launch)

    assert launched == expected
    assert label(described(GOING, launched), policy) == launched
