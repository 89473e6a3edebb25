"""Beyond pace: jobs that have not begun, rollouts that are complete, and releases undone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.domain.examples import (
    CANCELED,
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    QUEUED,
    SUCCEEDED,
    TIMEOUT_MINUTES,
    Starts,
    codes,
    next_situation,
    situation_of,
    with_job,
)
from tidegate.domain.course import Course
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.jobs import JobCounts, JobStatus
from tidegate.domain.policy import Completion, OnAbort, Policy, Rollback, Soak, Stragglers
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import (
    ABORT_REASON_CODE,
    COMPLETE_REASON_CODE,
    FENCE_REASON_CODE,
    GUARD_REVIEW_MINUTES,
    IDLE_REVIEW_MINUTES,
    SCHEDULED_REVIEW_MINUTES,
    SOAKS_MAX,
    review,
)
from tidegate.domain.rollout import AbortRequest, Ending, Hold, HoldKind, Tripwires
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.situation import REVIEW_MINUTES, Readiness, Situation

MINUTE = 60.0
HOLD = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short of people", since=NOW - 60)


def decide(situation: Situation, policy: Policy = POLICY, now: float = NOW) -> Decision:
    """Review a situation."""
    return review(policy, situation, now)


# Jobs that have not begun


def scheduled(starts_at: float | None) -> Situation:
    """Return the situation of a job that waits for its time."""
    return with_job(situation_of(), status=JobStatus.SCHEDULED, starts_at=starts_at)


@pytest.mark.parametrize(
    ("starts_at", "seconds"),
    [
        (NOW + 24 * 3600, SCHEDULED_REVIEW_MINUTES * 60),
        (NOW + 90.5, 90),
        (NOW + 0.5, 1),
        (NOW, 6),
        (NOW - 60, 6),
        (None, 48),
    ],
)
def test_a_scheduled_job_is_looked_at_as_it_starts(starts_at: float | None, seconds: int) -> None:
    """Until the first settings are in, AWS goes at the job's own rate."""
    decision = decide(scheduled(starts_at))

    assert decision.verdict is Verdict.HOLD
    assert decision.wait_seconds == seconds
    assert codes(decision) == [ReasonCode.JOB_SCHEDULED]
    assert not decision.settings


# Completion


LAST: Starts = {SUCCEEDED: 95, FAILED: 1}
#: 96 of 100 devices have an outcome.
NEARLY = with_job(situation_of(LAST, {IN_PROGRESS: 1}, queued=3), is_concurrent=False)


def completing(at: float, *, cancels: bool = False, grace_minutes: float = 0) -> Policy:
    """Return the example's policy with a share that completes a rollout."""
    stragglers = Stragglers.CANCEL if cancels else Stragglers.LEAVE
    return replace(POLICY, complete=Completion(at, stragglers, grace_minutes))


@pytest.mark.parametrize(("at", "is_complete"), [(0.96, True), (0.97, False), (1.0, False)])
def test_a_share_of_outcomes_completes_a_rollout(at: float, *, is_complete: bool) -> None:
    """Devices that are offline for months do not keep it open; failed ones have an outcome."""
    decision = decide(NEARLY, completing(at))

    assert (decision.verdict is Verdict.COMPLETE) is is_complete
    assert decision.ending is (Ending.COMPLETED if is_complete else None)


def test_a_share_is_reached_as_people_reckon() -> None:
    """55 of 100 are 55 %, however floats multiply."""
    situation = with_job(situation_of({SUCCEEDED: 55}, queued=45), is_concurrent=False)
    fewer = with_job(situation_of({SUCCEEDED: 54}, queued=46), is_concurrent=False)

    assert decide(situation, completing(0.55)).verdict is Verdict.COMPLETE
    assert decide(fewer, completing(0.55)).tripwires.succeeded == 55


def test_stragglers_are_left_or_canceled() -> None:
    """Either way the end says how many devices have an outcome."""
    left = decide(NEARLY, completing(0.9))
    canceled = decide(NEARLY, completing(0.9, cancels=True))

    assert left.summary == "complete: 96 of 100 devices have an outcome; stragglers: leave"
    assert canceled.summary == "complete: 96 of 100 devices have an outcome; stragglers: cancel"
    assert (left.cancels_stragglers, canceled.cancels_stragglers) == (False, True)
    assert not left.settings
    assert left.tripwires == Tripwires()


def test_a_job_whose_stragglers_were_canceled_is_complete() -> None:
    """Tidegate's own reason code tells it from a release that was stopped."""
    over = with_job(NEARLY, status=JobStatus.CANCELED, reason_code=COMPLETE_REASON_CODE)
    decision = decide(over, completing(0.9, cancels=True))

    assert (decision.verdict, decision.ending) == (Verdict.COMPLETE, Ending.COMPLETED)
    assert not decision.cancels_stragglers


def test_stragglers_have_the_grace_that_the_policy_grants() -> None:
    """From when the share was reached on, whatever comes in meanwhile."""
    policy = completing(0.9, grace_minutes=30)
    first = decide(NEARLY, policy)
    second = decide(next_situation(first, NEARLY), policy, NOW + 29 * MINUTE)
    third = decide(next_situation(second, NEARLY), policy, NOW + 30 * MINUTE)

    assert first.verdict is Verdict.PROCEED
    assert first.summary == (
        "96 of 100 devices have an outcome, the 90.00% that complete the rollout: the others have "
        "time until 2023-11-14T22:43:20Z"
    )
    assert first.settings.abort
    assert first.tripwires.succeeded is None
    assert (first.wait_seconds, second.wait_seconds) == (IDLE_REVIEW_MINUTES * 60, 61)
    assert third.verdict is Verdict.COMPLETE


def test_nobody_has_to_wait_for_grace_without_stragglers() -> None:
    """Where AWS shows a finished job as running still, the rollout is complete all the same."""
    done = with_job(situation_of(LAST), is_concurrent=False)

    assert decide(done, completing(0.9, grace_minutes=30)).verdict is Verdict.COMPLETE


def test_a_share_is_not_reached_before_all_are_notified() -> None:
    """All outcomes of few devices are no outcome of the others."""
    assert decide(situation_of({SUCCEEDED: 60}), completing(0.5)).verdict is not Verdict.COMPLETE


def test_outcomes_that_reach_the_share_wake_a_review() -> None:
    """Further ones do not: nothing depends on them."""
    assert decide(NEARLY, completing(0.98)).tripwires.succeeded == 97
    assert decide(NEARLY).tripwires.succeeded is None


def test_a_release_that_turns_bad_is_stopped_rather_than_completed() -> None:
    """Evidence comes first, and an operator's abort as well."""
    bad = with_job(situation_of({FAILED: 30, SUCCEEDED: 65}, queued=5), is_concurrent=False)
    asked = replace(NEARLY, abort_request=AbortRequest("on-call", "wrong image", NOW))

    assert decide(bad, completing(0.9)).verdict is Verdict.ABORT
    assert decide(asked, completing(0.9)).verdict is Verdict.ABORT


def test_a_rollout_that_is_held_is_not_completed() -> None:
    """Whoever holds it may have found what outcomes do not show."""
    assert decide(replace(NEARLY, holds=(HOLD,)), completing(0.9)).verdict is Verdict.HOLD


# CONTINUOUS jobs


def joining(*buckets: Starts, queued: int = 0) -> Situation:
    """Return the situation of a CONTINUOUS job that has notified all its devices."""
    situation = situation_of(*buckets, queued=queued, rate_per_minute=100)
    return with_job(situation, is_concurrent=False, is_continuous=True)


@pytest.mark.parametrize(
    ("situation", "policy"),
    [
        (joining(LAST), POLICY),
        (joining(LAST, queued=4), completing(0.9)),
        (joining(LAST, queued=4), completing(0.9, cancels=True)),
    ],
)
def test_a_continuous_job_is_guarded_once_its_initial_rollout_is_done(
    situation: Situation, policy: Policy
) -> None:
    """It never ends by itself; canceling it would keep it from devices that join later."""
    first = decide(situation, policy)
    second = decide(next_situation(first, situation), policy, NOW + 900)

    assert (first.starts_guarding, second.starts_guarding) == (True, False)
    for decision in (first, second):
        assert decision.verdict is Verdict.PROCEED
        assert decision.awaits is Awaits.JOINERS
        assert codes(decision)[0] is ReasonCode.GUARDING
        assert decision.course.is_guarding
        assert decision.settings.abort
        assert decision.settings.rate_per_minute <= 100
        assert decision.tripwires.harmed is not None
        assert decision.wait_seconds == GUARD_REVIEW_MINUTES * 60


def test_a_continuous_job_with_devices_under_way_is_not_done() -> None:
    """Their outcomes are awaited as in any job."""
    decision = decide(joining(LAST, {IN_PROGRESS: 1}))

    assert codes(decision)[0] is ReasonCode.ALL_NOTIFIED
    assert not decision.course.is_guarding


def test_a_release_that_is_bad_for_late_joiners_is_stopped() -> None:
    """That is what the guard is for."""
    guarded = replace(joining({FAILED: 30, SUCCEEDED: 50}), course=Course(is_guarding=True))

    assert decide(guarded).verdict is Verdict.ABORT


# Rollback


BACK = OnAbort(rollback=Rollback(("document", "{}")))
UNDOING = replace(POLICY, on_abort=BACK)


def stopped(*buckets: Starts, reason_code: str = ABORT_REASON_CODE) -> Situation:
    """Return the situation of a job that was canceled."""
    return with_job(situation_of(*buckets), status=JobStatus.CANCELED, reason_code=reason_code)


@pytest.mark.parametrize("reason_code", [ABORT_REASON_CODE, FENCE_REASON_CODE])
def test_a_release_that_was_stopped_is_undone(reason_code: str) -> None:
    """By Tidegate or by its fence; the decision says for how many devices."""
    situation = stopped({SUCCEEDED: 20, FAILED: 30}, {IN_PROGRESS: 8}, reason_code=reason_code)
    decision = decide(situation, UNDOING)

    assert decision.verdict is Verdict.ROLL_BACK
    assert decision.awaits is Awaits.STRAGGLERS
    assert decision.summary == (
        "20 devices took the release that was stopped: rolling them back; 8 are still at work"
    )
    assert decision.course.rolled_back == 20
    assert decision.course.rollback_until == NOW + TIMEOUT_MINUTES * MINUTE
    assert decision.tripwires == Tripwires(succeeded=22)
    assert not decision.settings


def test_the_policy_says_whose_outcomes_are_undone() -> None:
    """Devices that failed may have taken some of it."""
    rollback = Rollback(("document", "{}"), statuses=frozenset({SUCCEEDED, FAILED, CANCELED}))
    policy = replace(POLICY, on_abort=OnAbort(rollback=rollback))
    decision = decide(stopped({SUCCEEDED: 20, FAILED: 30, CANCELED: 5}), policy)

    assert decision.course.rolled_back == 55


def test_a_rollback_ends_with_a_pass_for_all_devices() -> None:
    """Not before the last one at work is done, nor by a pass for fewer than took it by now."""
    working = stopped({SUCCEEDED: 20, FAILED: 30, IN_PROGRESS: 2})
    first = decide(working, UNDOING)
    second = decide(next_situation(first, working, is_rolled_back=True), UNDOING, NOW + 60)
    done = next_situation(second, stopped({SUCCEEDED: 21, FAILED: 31}), is_rolled_back=True)
    third = decide(done, UNDOING, NOW + 120)
    failed = decide(next_situation(third, done, is_rolled_back=False), UNDOING, NOW + 180)
    last = decide(next_situation(third, done, is_rolled_back=True), UNDOING, NOW + 180)

    assert first.verdict is second.verdict is third.verdict is failed.verdict is Verdict.ROLL_BACK
    assert [each.course.rolled_back for each in (first, second, third)] == [20, 20, 21]
    assert {each.course.rollback_until for each in (first, second, third)} == {
        NOW + TIMEOUT_MINUTES * MINUTE
    }
    assert third.tripwires == Tripwires()
    assert (last.verdict, last.ending) == (Verdict.ENDED, Ending.ABORTED)
    assert codes(last) == [ReasonCode.JOB_ABORTED, ReasonCode.ROLLED_BACK]
    assert last.attention is None


def test_a_rollback_is_given_up_when_the_time_out_has_passed() -> None:
    """AWS takes devices for lost by then; people are told to look."""
    working = stopped({SUCCEEDED: 20, FAILED: 30, IN_PROGRESS: 2})
    first = decide(working, UNDOING)
    until = first.course.rollback_until
    assert until is not None
    waiting = next_situation(first, working, is_rolled_back=True)
    last = decide(waiting, UNDOING, until)

    assert decide(waiting, UNDOING, until - 1).verdict is Verdict.ROLL_BACK
    assert (last.verdict, last.ending) == (Verdict.ENDED, Ending.ABORTED)
    assert codes(last) == [ReasonCode.JOB_ABORTED, ReasonCode.NOT_ROLLED_BACK]
    assert last.attention is not None
    assert last.attention.subject == "rollback"
    assert "2 still at work" in last.attention.problem


def test_a_rollback_of_many_devices_is_not_given_up_before_its_passes_are_done() -> None:
    """They may take longer than any device; stragglers are waited for from the last one on."""
    working = stopped({SUCCEEDED: 20, FAILED: 30, IN_PROGRESS: 2})
    first = decide(working, UNDOING)
    until = first.course.rollback_until
    assert until is not None
    more = decide(next_situation(first, working, is_rolling_back=True), UNDOING, until + 60)
    later = decide(next_situation(more, working, is_rolled_back=True), UNDOING, until + 120)

    assert more.verdict is later.verdict is Verdict.ROLL_BACK
    assert later.course.rollback_until == until + 60 + TIMEOUT_MINUTES * MINUTE


def test_nobody_is_rolled_back_where_nobody_took_it() -> None:
    """The rollout ends at once."""
    decision = decide(stopped({FAILED: 30}), UNDOING)

    assert decision.verdict is Verdict.ENDED
    assert codes(decision) == [ReasonCode.JOB_ABORTED, ReasonCode.ROLLED_BACK]


@pytest.mark.parametrize(
    "situation",
    [
        replace(stopped({FAILED: 30}), readiness=Readiness.STALE),
        replace(stopped({FAILED: 30}), readiness=Readiness.INCOMPLETE),
        with_job(stopped({FAILED: 30}), counts=JobCounts(failed=30, succeeded=20)),
    ],
)
def test_what_is_not_read_yet_ends_no_rollback(situation: Situation) -> None:
    """Devices may have taken the release that the ledger does not know of."""
    known = replace(situation, is_rolled_back=True, course=Course(rolled_back=1))

    assert decide(situation, UNDOING).verdict is Verdict.ROLL_BACK
    assert decide(known, UNDOING).verdict is Verdict.ROLL_BACK


def test_a_rollback_is_not_rolled_back() -> None:
    """It would bring the bad release back."""
    decision = decide(replace(stopped({SUCCEEDED: 20}), rolls_back=True), UNDOING)

    assert (decision.verdict, decision.ending) == (Verdict.ENDED, Ending.ABORTED)


@pytest.mark.parametrize(
    ("situation", "ending"),
    [
        (stopped({SUCCEEDED: 20}, reason_code="WRONG_IMAGE"), Ending.CANCELED_OUTSIDE),
        (stopped({SUCCEEDED: 20}, reason_code=COMPLETE_REASON_CODE), Ending.COMPLETED),
        (with_job(situation_of({SUCCEEDED: 20}), status=JobStatus.COMPLETED), Ending.COMPLETED),
        (replace(situation_of({SUCCEEDED: 20}), job=None), Ending.DELETED_OUTSIDE),
    ],
)
def test_only_what_evidence_or_people_stopped_is_undone(
    situation: Situation, ending: Ending
) -> None:
    """Whoever canceled or deleted the job by hand did not ask for it."""
    assert decide(situation, UNDOING).ending is ending


CANCELED_BY_HAND = stopped({SUCCEEDED: 20}, reason_code="WRONG_IMAGE")


def test_whoever_canceled_the_job_is_told_that_nothing_is_undone() -> None:
    """The policy has a rollback, so people may wait for it."""
    told = decide(CANCELED_BY_HAND, UNDOING).attention

    assert told is not None
    assert "20 devices have the release" in told.problem
    assert "Abort Rollout" in told.remedy


@pytest.mark.parametrize(
    ("situation", "policy"),
    [
        (CANCELED_BY_HAND, POLICY),
        (replace(CANCELED_BY_HAND, rolls_back=True), UNDOING),
        (stopped({IN_PROGRESS: 20}, reason_code="WRONG_IMAGE"), UNDOING),
    ],
)
def test_nothing_is_said_where_nobody_can_expect_a_rollback(
    situation: Situation, policy: Policy
) -> None:
    """None is asked for, or none could be, or no device has the release."""
    assert decide(situation, policy).attention is None


@pytest.mark.parametrize(
    "changes",
    [{"aborting": True}, {"abort_request": AbortRequest("on-call", "wrong image", NOW)}],
)
def test_an_abort_that_somebody_overtook_by_hand_is_undone(changes: Mapping[str, Any]) -> None:
    """Decided or asked for, it is an abort, whoever was the first to cancel the job."""
    decision = decide(replace(CANCELED_BY_HAND, **changes), UNDOING)

    assert decision.verdict is Verdict.ROLL_BACK


def test_an_abort_stops_devices_at_work_where_the_policy_says_so() -> None:
    """Else they finish what they began."""
    asked = replace(
        situation_of({SUCCEEDED: 20}), abort_request=AbortRequest("on-call", "wrong image", NOW)
    )

    assert not decide(asked).forces
    assert decide(asked, replace(POLICY, on_abort=OnAbort(force=True))).forces


# Sharing


def test_many_rollouts_share_what_aws_lets_them_look_and_notify() -> None:
    """Reviews come less often, and the rate is that part of what leads up to the cap."""
    alone = situation_of({SUCCEEDED: 60, IN_PROGRESS: 5})
    shared = replace(alone, review_minutes=4 * REVIEW_MINUTES)
    one, many = decide(alone), decide(shared)

    assert many.settings.rate_per_minute == one.settings.rate_per_minute // 4
    assert many.wait_seconds == int(60 * 4 * REVIEW_MINUTES)
    assert ReasonCode.REVIEWS_SHARED in codes(many)
    assert ReasonCode.REVIEWS_SHARED not in codes(one)


@pytest.mark.parametrize(("minutes", "batches"), [(0.8, 1), (1.0, 2), (1.6, 2), (2.0, 3)])
def test_every_batch_that_may_fall_between_two_reviews_is_reckoned_with(
    minutes: float, batches: int
) -> None:
    """With the same margin as a review alone keeps to AWS's next minute."""
    situation = replace(situation_of({SUCCEEDED: 60, IN_PROGRESS: 5}), review_minutes=minutes)
    decision = decide(situation)
    room = decision.reasons[0].values["cap"]
    assert isinstance(room, int)

    assert decision.settings.rate_per_minute == (room - 65) // batches


def test_a_shared_review_goes_on_with_the_least() -> None:
    """Room for fewer devices than there are minutes is room still: AWS has no lower rate."""
    room = decide(situation_of({SUCCEEDED: 60, IN_PROGRESS: 5})).settings.rate_per_minute
    situation = situation_of({SUCCEEDED: 60, IN_PROGRESS: 5}, queued=room - 5)
    decision = decide(replace(situation, review_minutes=20))

    assert decide(situation).settings.rate_per_minute == 5
    assert decision.verdict is Verdict.PROCEED
    assert decision.settings.rollout == RolloutRate(1)


def test_an_acceptable_release_goes_as_fast_however_seldom_it_is_looked_at() -> None:
    """Nothing caps its exposure; its fence stands."""
    situation = replace(situation_of({SUCCEEDED: 2000}), review_minutes=4.0)

    assert decide(situation).settings.rate_per_minute == POLICY.pace.max_per_minute


def test_idle_reviews_are_not_made_more_often_by_sharing() -> None:
    """They come seldom as it is; where many share, they come no more often than others."""
    idle = with_job(situation_of({SUCCEEDED: 60}, queued=9), is_concurrent=False)

    assert decide(replace(idle, review_minutes=2.0)).wait_seconds == IDLE_REVIEW_MINUTES * 60
    assert decide(replace(idle, review_minutes=9.0)).wait_seconds == 9 * 60


def test_queued_devices_are_stragglers_too() -> None:
    """What AWS counts as unfinished is what the end speaks of, ledger or not."""
    situation = with_job(situation_of({SUCCEEDED: 99, QUEUED: 1}), is_concurrent=False)

    assert decide(situation, completing(0.99)).summary.startswith("complete: 99 of 100")


def test_a_rollback_that_devices_join_ends_once_all_have_and_are_done() -> None:
    """A CONTINUOUS job has no end: it is canceled when nobody can join and nobody is left."""
    undoing = with_job(
        replace(situation_of({SUCCEEDED: 10}), rolls_back=True),
        is_concurrent=False,
        is_continuous=True,
    )
    waiting = decide(undoing)
    assert (waiting.verdict, waiting.starts_guarding) == (Verdict.PROCEED, False)

    end = decide(replace(undoing, has_all_to_undo=True))
    assert (end.verdict, end.ending, end.cancels_stragglers) == (
        Verdict.COMPLETE,
        Ending.COMPLETED,
        True,
    )


# a soak beyond the job's end


SOAKED = replace(POLICY, soak=Soak(60))


def completed(*buckets: Starts) -> Situation:
    """Return the situation of a job that AWS is done with."""
    return with_job(situation_of(*buckets), status=JobStatus.COMPLETED, is_concurrent=False)


def test_a_rollout_waits_for_devices_that_soak_when_its_job_is_complete() -> None:
    """AWS counts a success at once; Tidegate when the device is still there."""
    first = decide(completed({IN_PROGRESS: 5, SUCCEEDED: 95}), SOAKED)
    assert (first.verdict, first.ending) == (Verdict.HOLD, None)
    assert first.settings == JobSettings()
    assert codes(first)[0] is ReasonCode.SOAKING

    settled = next_situation(first, completed({SUCCEEDED: 100}))
    assert decide(settled, SOAKED, NOW + 3600).ending is Ending.COMPLETED


def test_devices_that_never_settle_are_not_waited_for_without_end() -> None:
    """Some are switched off for good: after a few soaks the rollout ends all the same."""
    first = decide(completed({IN_PROGRESS: 5, SUCCEEDED: 95}), SOAKED)
    still = next_situation(first, completed({IN_PROGRESS: 5, SUCCEEDED: 95}))

    assert decide(still, SOAKED, NOW + SOAKS_MAX * 3600 - 1).ending is None
    assert decide(still, SOAKED, NOW + SOAKS_MAX * 3600).ending is Ending.COMPLETED


def test_a_release_that_turns_out_bad_after_its_job_is_told_and_undone() -> None:
    """Devices that took it went dark when AWS had finished: people hear, and it is rolled back."""
    bad = completed({FAILED: 30, SUCCEEDED: 10})
    told = decide(bad, SOAKED)
    assert told.ending is Ending.COMPLETED
    assert told.attention is not None
    assert told.attention.subject == "bad after all"

    undoing = replace(SOAKED, on_abort=OnAbort(rollback=Rollback(("document", "{}"))))
    assert decide(bad, undoing).verdict is Verdict.ROLL_BACK


def test_a_stop_that_is_asked_for_while_devices_soak_undoes_the_release() -> None:
    """AWS cannot cancel the job any more: the soak is over, and what follows an abort follows."""
    request = AbortRequest(by="on-call", reason="wrong image", at=NOW - 1)
    asked = replace(completed({IN_PROGRESS: 5, SUCCEEDED: 95}), abort_request=request)

    undoing = replace(SOAKED, on_abort=OnAbort(rollback=Rollback(("document", "{}"))))
    rolled = decide(asked, undoing)
    assert rolled.verdict is Verdict.ROLL_BACK
    assert ReasonCode.ABORT_REQUESTED in codes(rolled)

    told = decide(asked, SOAKED)
    assert (told.verdict, told.ending) == (Verdict.COMPLETE, Ending.COMPLETED)
    assert told.attention is not None
    assert told.attention.problem == "on-call asked to abort: wrong image"
