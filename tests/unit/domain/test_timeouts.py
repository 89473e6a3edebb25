"""The time-out that devices' own durations suggest, and how it comes into force."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    NOW,
    POLICY,
    SUCCEEDED,
    codes,
    lasting,
    next_situation,
    situation_of,
    with_job,
)
from tidegate.domain.course import Course
from tidegate.domain.durations import Durations
from tidegate.domain.policy import AdaptiveTimeout, JobDefaults, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import review
from tidegate.domain.settings import JobSettings
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.timeouts import Suggested, suggested

WITHIN = AdaptiveTimeout(at_least=10, at_most=600)
SETTING = replace(POLICY, timeout=AdaptiveTimeout(sets=True, at_least=10))


def minutes_of(
    durations: Durations,
    *,
    standing: int | None = None,
    within: AdaptiveTimeout = WITHIN,
) -> int | None:
    """Return the suggested time-out, None if there is none."""
    found = suggested(durations, within, standing_minutes=standing)
    return found.minutes if found else None


@pytest.mark.parametrize(("age", "minutes"), [(1, 10), (10, 15), (11, 20), (41, 65), (81, 125)])
def test_half_as_long_again_as_nearly_all_need(age: int, minutes: int) -> None:
    """Rounded up to five minutes."""
    assert minutes_of(lasting(age)) == minutes


@pytest.mark.parametrize(
    "durations",
    [Durations(), lasting(5, devices=499), lasting(90), lasting(5, never=0.002)],
)
def test_nothing_is_guessed_where_too_little_is_known(durations: Durations) -> None:
    """Nor where devices are in progress for longer than all ages that are told apart."""
    assert minutes_of(durations) is None


def test_one_in_a_thousand_may_be_left() -> None:
    """More than that is not nearly all."""
    assert minutes_of(lasting(21, never=0.001)) == 35


def test_the_policy_says_between_what() -> None:
    """Whatever the devices do."""
    within = AdaptiveTimeout(at_least=30, at_most=60)

    assert minutes_of(lasting(2), within=within) == 30
    assert minutes_of(lasting(39), within=within) == 60


def test_slow_devices_are_not_cut_off_at_what_the_policy_allows() -> None:
    """A time-out is raised to its limit where they need more, and never lowered or set to it."""
    within = AdaptiveTimeout(at_least=30, at_most=120)

    assert minutes_of(lasting(81), within=within, standing=None) is None
    assert minutes_of(lasting(81), within=within, standing=600) is None
    assert minutes_of(lasting(81), within=within, standing=90) == 120
    assert minutes_of(lasting(20, at_work=200.5), within=within, standing=600) is None


def test_what_devices_in_progress_need_is_not_cut_off() -> None:
    """They may be of a slow kind that is not done yet."""
    assert minutes_of(lasting(20, at_work=200.5)) == 205


def test_a_fifth_is_the_least_change() -> None:
    """Each one is an UpdateJob, and means nothing to devices if it is small."""
    durations = lasting(33)  # 50 minutes

    assert minutes_of(durations, standing=60) is None
    assert minutes_of(durations, standing=63) == 50
    assert minutes_of(durations, standing=42) is None
    assert minutes_of(durations, standing=41) == 50


def test_a_time_out_does_not_prove_itself_right() -> None:
    """Where silent devices end by it, all are done by its age: that suggests no longer one."""
    assert minutes_of(lasting(60), standing=60) is None
    assert minutes_of(lasting(60), standing=None) == 90


# In a review


def knowing() -> Situation:
    """Return what is known of a release whose devices are all done, and how long they took."""
    return replace(situation_of({SUCCEEDED: 900, FAILED: 1}), durations=lasting(21))


def test_it_is_proposed_and_left_as_it_is() -> None:
    """Unless the policy has it set."""
    decision = review(replace(POLICY, timeout=WITHIN), knowing(), NOW)
    told = next(each for each in decision.reasons if each.code is ReasonCode.TIMEOUT_PROPOSED)

    assert told.values == {"finished": 21, "minutes": 35, "standing": 60}
    assert decision.settings.timeout_minutes is None
    assert decision.course == Course()


def test_it_is_set_once_and_stays() -> None:
    """The next reviews want the same, and say nothing more of it."""
    first = review(SETTING, knowing(), NOW)
    later = next_situation(first, knowing())
    second = review(SETTING, later, NOW + 60)

    assert ReasonCode.TIMEOUT_SET in codes(first)
    assert first.settings.timeout_minutes == second.settings.timeout_minutes == 35
    assert later.job
    assert later.job.settings.changes_to(second.settings).timeout_minutes is None
    assert ReasonCode.TIMEOUT_SET not in codes(second)


def test_until_it_is_known_the_policys_own_holds() -> None:
    """And again if nothing is to be set any more."""
    policy = replace(SETTING, job=JobDefaults(timeout_minutes=90))
    unknown = replace(knowing(), durations=Durations())
    was_set = replace(unknown, course=Course(timeout_minutes=35))

    assert review(policy, unknown, NOW).settings.timeout_minutes == 90
    assert review(policy, was_set, NOW).settings.timeout_minutes == 35
    plain = replace(policy, timeout=None)
    assert review(plain, was_set, NOW).settings.timeout_minutes == 90


@pytest.mark.parametrize("policy", [SETTING, replace(POLICY, timeout=WITHIN)])
def test_it_is_not_guessed_without_the_order_of_starts(policy: Policy) -> None:
    """How long devices are at work is not known then."""
    decision = review(policy, replace(knowing(), readiness=Readiness.UNPLACED), NOW)

    assert not {ReasonCode.TIMEOUT_SET, ReasonCode.TIMEOUT_PROPOSED} & set(codes(decision))
    assert decision.settings.timeout_minutes is None


def test_a_job_without_a_time_out_is_told_so() -> None:
    """There is nothing in whose place it would be."""
    bare = with_job(knowing(), settings=JobSettings())
    decision = review(SETTING, bare, NOW)
    told = next(each for each in decision.reasons if each.code is ReasonCode.TIMEOUT_SET)

    assert told.values["standing"] == "none"


def test_a_suggestion_says_what_it_rests_on() -> None:
    """People compare it with what they know of their devices."""
    found = suggested(lasting(21), WITHIN, standing_minutes=None)

    assert found == Suggested(finished_minutes=21, minutes=35)
