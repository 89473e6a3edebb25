"""What Tidegate concludes about a rollout, one situation after the other."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    REJECTED,
    SUCCEEDED,
    TIMED_OUT,
    TIMEOUT_MINUTES,
    Starts,
    codes,
    counts_of,
    job_counts_of,
    lasting,
    learned,
    next_situation,
    no,
    situation_of,
    with_counts,
    with_job,
    yes,
)
from tidegate.domain.cells import Cells
from tidegate.domain.cohorts import Tally
from tidegate.domain.course import Course
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.evidence import log_e_totals
from tidegate.domain.jobs import JobCounts, JobStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import LATE, UNPLACED
from tidegate.domain.pace import LEAK_MINUTES
from tidegate.domain.policy import (
    AdaptiveTimeout,
    Asking,
    Authorities,
    Authority,
    Completion,
    Fallback,
    Gate,
    JobDefaults,
    OnAbort,
    Policy,
    Rollback,
    Soak,
)
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import (
    ABORT_REASON_CODE,
    EVENTS_REMEDY,
    FENCE_REASON_CODE,
    IDLE_REVIEW_MINUTES,
    first_settings,
    review,
)
from tidegate.domain.rollout import AbortRequest, Counts, Ending, Hold, HoldKind, Tripwires
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
    refusals,
)
from tidegate.domain.situation import REVIEW_MINUTES, Readiness, Situation
from tidegate.domain.standing import AlarmReading, AlarmState, Standing
from tidegate.domain.weigh import weigh

#: A release of which nothing bad is known, on its way.
GOING_WELL: Starts = {SUCCEEDED: 60, IN_PROGRESS: 5}
#: One that is established to be acceptable.
CLEAN: Starts = {SUCCEEDED: 2000}
#: One that must be stopped.
BAD: Starts = {FAILED: 8, SUCCEEDED: 2}

HOLD = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short of people", since=NOW - 60)
ABORT_REQUEST = AbortRequest(by="on-call", reason="wrong image", at=NOW - 1)

#: Minutes from the job's creation to NOW.
AGE = 60
#: One of two cohorts fails; the counts that they sum up to.
ONE_COHORT_FAILS = {"revision": {"old": Tally(20, 8), "new": Tally(980, 0)}}
ONE_IN_50: Starts = {FAILED: 8, SUCCEEDED: 992}


def decide(situation: Situation, policy: Policy = POLICY) -> Decision:
    """Review a situation now."""
    return review(policy, situation, NOW)


def assert_leaves_settings(decision: Decision) -> None:
    """Check that a decision has AWS change nothing."""
    assert not decision.settings
    assert decision.tripwires == Tripwires()


# What is over


def test_a_deleted_job_ends_the_rollout() -> None:
    """Somebody deleted the job: there is nothing left to steer."""
    decision = decide(replace(situation_of(GOING_WELL), job=None))

    assert (decision.verdict, decision.ending) == (Verdict.ENDED, Ending.DELETED_OUTSIDE)
    assert codes(decision) == [ReasonCode.JOB_DELETED_OUTSIDE]
    assert decision.replaces == JobSettings()
    assert_leaves_settings(decision)


def test_a_job_being_deleted_ends_the_rollout() -> None:
    """AWS takes a while to delete; the rollout does not wait for it."""
    decision = decide(with_job(situation_of(GOING_WELL), status=JobStatus.DELETION_IN_PROGRESS))

    assert (decision.verdict, decision.ending) == (Verdict.ENDED, Ending.DELETED_OUTSIDE)


def test_a_completed_job_completes_the_rollout() -> None:
    """All executions have ended: the rollout says how many went which way."""
    decision = decide(
        with_job(situation_of({SUCCEEDED: 97, FAILED: 3}), status=JobStatus.COMPLETED)
    )

    assert (decision.verdict, decision.ending) == (Verdict.COMPLETE, Ending.COMPLETED)
    assert decision.summary == "the job is COMPLETED: 97 succeeded, 3 harmed"
    assert_leaves_settings(decision)


@pytest.mark.parametrize(
    ("reason_code", "comment", "ending", "summary"),
    [
        (
            ABORT_REASON_CODE,
            "Tidegate, decision 4",
            Ending.ABORTED,
            (
                "the job is CANCELED by Tidegate, decision 4; 8 harmed of a budget of 50 beyond "
                "2.00% of 10 started; 0 still in flight"
            ),
        ),
        (
            FENCE_REASON_CODE,
            "8 of 10 FAILED",
            Ending.FENCED,
            "AWS stopped the job by its abort criteria: 8 of 10 FAILED",
        ),
        (
            "WRONG_IMAGE",
            "called back",
            Ending.CANCELED_OUTSIDE,
            "somebody else canceled the job: called back",
        ),
        (
            None,
            None,
            Ending.CANCELED_OUTSIDE,
            "somebody else canceled the job: no comment was left",
        ),
    ],
    ids=["by Tidegate", "by the fence", "by somebody else", "by somebody who says nothing"],
)
def test_a_canceled_job_ends_the_rollout_with_who_canceled_it(
    reason_code: str | None, comment: str | None, ending: Ending, summary: str
) -> None:
    """The job's reason code tells who stopped it: Tidegate, its fence, or somebody else."""
    decision = decide(
        with_job(
            situation_of(BAD), status=JobStatus.CANCELED, reason_code=reason_code, comment=comment
        )
    )

    assert (decision.verdict, decision.ending) == (Verdict.ENDED, ending)
    assert decision.summary == summary
    assert_leaves_settings(decision)


@pytest.mark.parametrize(
    "status", [JobStatus.CANCELED, JobStatus.COMPLETED, JobStatus.DELETION_IN_PROGRESS]
)
def test_what_is_over_is_not_aborted_any_more(status: JobStatus) -> None:
    """A request to abort that comes too late, or bad evidence, changes nothing about an end."""
    situation = replace(situation_of(BAD), abort_request=ABORT_REQUEST, holds=(HOLD,))

    assert decide(with_job(situation, status=status)).ending is not None


# What must stop


def test_evidence_above_the_tolerated_rate_aborts() -> None:
    """8 of 10 devices failing contradict 2 %, and the decision says by how much."""
    decision = decide(situation_of(BAD))

    assert decision.verdict is Verdict.ABORT
    assert codes(decision) == [ReasonCode.EVIDENCE_ABOVE_TOLERATED]
    assert decision.evidence.log_e >= decision.evidence.abort_at
    assert decision.summary.startswith("8 of 10 started devices harmed: evidence 2")
    assert_leaves_settings(decision)


def test_an_operator_who_asks_to_abort_is_obeyed_whatever_the_evidence() -> None:
    """A release without a single failure is stopped if somebody says so."""
    decision = decide(replace(situation_of(CLEAN), abort_request=ABORT_REQUEST))

    assert decision.verdict is Verdict.ABORT
    assert [each.text for each in decision.reasons] == ["on-call asked to abort: wrong image"]


def test_an_abort_once_decided_is_never_taken_back() -> None:
    """Devices that succeed after the abort was decided do not revive the release."""
    decision = decide(replace(situation_of(CLEAN), aborting=True))

    assert decision.verdict is Verdict.ABORT
    assert decision.summary == "the abort decided before stands; AWS still shows IN_PROGRESS"


def test_all_reasons_to_abort_are_given() -> None:
    """People see each of them: the request, the evidence, and that it was decided before."""
    decision = decide(replace(situation_of(BAD), abort_request=ABORT_REQUEST, aborting=True))

    assert codes(decision) == [
        ReasonCode.ABORT_REQUESTED,
        ReasonCode.EVIDENCE_ABOVE_TOLERATED,
        ReasonCode.ABORT_IN_PROGRESS,
    ]


def test_a_hold_does_not_keep_a_bad_release_from_being_stopped() -> None:
    """Holding is for doubt; what is known to be bad is stopped, incomplete evidence or not."""
    situation = replace(situation_of({FAILED: 20}), holds=(HOLD,), readiness=Readiness.INCOMPLETE)

    assert decide(situation).verdict is Verdict.ABORT


def test_a_scheduled_job_can_be_aborted() -> None:
    """CancelJob works before a job runs, other than UpdateJob."""
    situation = replace(situation_of(), abort_request=ABORT_REQUEST)

    assert decide(with_job(situation, status=JobStatus.SCHEDULED)).verdict is Verdict.ABORT


# What must wait


def test_a_scheduled_job_is_left_alone() -> None:
    """AWS takes no settings before the job runs; holds are told all the same."""
    situation = with_job(replace(situation_of(), holds=(HOLD,)), status=JobStatus.SCHEDULED)
    decision = decide(situation)

    assert decision.verdict is Verdict.HOLD
    assert codes(decision) == [ReasonCode.JOB_SCHEDULED, ReasonCode.HELD]
    assert_leaves_settings(decision)


def test_a_hold_slows_to_the_lowest_rate_and_says_that_it_leaks() -> None:
    """AWS has no pause: one device a minute goes on, and the decision says so."""
    decision = decide(replace(situation_of(CLEAN, rate_per_minute=1000), holds=(HOLD,)))

    assert decision.verdict is Verdict.HOLD
    assert decision.settings.rollout == RolloutRate(1)
    assert decision.settings.abort
    assert decision.summary == (
        "operator hold by on-call since 2023-11-14T22:12:20Z: support is short of people"
    )
    assert ReasonCode.HOLD_LEAKS in codes(decision)


def test_holds_stack() -> None:
    """Whoever looks at a rollout sees everybody who wants it to wait, the oldest first."""
    holds = (HOLD, replace(HOLD, by="plant-7", reason="plant is down", since=NOW - 90))
    decision = decide(replace(situation_of(GOING_WELL), holds=holds))

    assert [each.text for each in decision.reasons][:2] == [
        "operator hold by plant-7 since 2023-11-14T22:11:50Z: plant is down",
        "operator hold by on-call since 2023-11-14T22:12:20Z: support is short of people",
    ]
    assert decision.holds == (holds[1], holds[0])
    assert decision.awaits is Awaits.RELEASE


def test_incomplete_evidence_holds() -> None:
    """Where AWS counts outcomes that the ledger does not know, nothing goes on."""
    situation = with_job(
        replace(situation_of(CLEAN), readiness=Readiness.INCOMPLETE),
        counts=JobCounts(succeeded=2000, failed=7),
    )
    decision = decide(situation)

    assert decision.verdict is Verdict.HOLD
    assert decision.settings.rate_per_minute == 1
    assert decision.summary == (
        "the ledger knows 2000 outcomes of the 2007 that AWS counts: not going on"
    )


def test_an_exposure_at_the_cap_waits_for_outcomes() -> None:
    """Ten devices out and nothing back: the eleventh would risk more than is known to be safe."""
    decision = decide(situation_of({IN_PROGRESS: 10}))

    assert decision.verdict is Verdict.HOLD
    assert decision.settings.rate_per_minute == 1
    assert decision.summary == (
        "10 devices exposed reach the cap of 10: failure rate may be 100.00%, budget 50 harmed "
        "beyond 2.00%; waiting for outcomes"
    )
    assert decision.tripwires.succeeded == 1


def test_queued_devices_count_as_exposed() -> None:
    """A device that was notified may take the release up at any time."""
    decision = decide(situation_of(queued=10))

    assert decision.verdict is Verdict.HOLD
    assert codes(decision)[0] is ReasonCode.EXPOSURE_AT_CAP


def test_a_small_budget_is_a_low_cap() -> None:
    """While nothing is known every device may fail, so the budget alone limits the first ones."""
    budget = 2 * 5
    decision = decide(situation_of(budget=budget))

    assert decision.settings.rate_per_minute == 5, "the rest may leak in a hold"
    assert decide(situation_of({IN_PROGRESS: 5}, budget=budget)).verdict is Verdict.HOLD


def test_a_budget_of_one_device_lets_nobody_out() -> None:
    """What AWS's lowest rate may harm until outcomes are in leaves nothing to begin with."""
    decision = decide(situation_of(budget=1))

    assert decision.verdict is Verdict.HOLD
    assert decision.tripwires.succeeded == 1


# What may go on


def test_a_rollout_begins_at_the_rate_that_its_owner_chose() -> None:
    """Nothing is known yet: the first devices go out slowly, and fenced."""
    decision = decide(situation_of(rate_per_minute=1000))

    assert decision.verdict is Verdict.PROCEED
    assert decision.settings.rate_per_minute == 10
    assert decision.settings.abort
    assert decision.summary == "nothing is known yet: starting at 10 per minute"
    assert decision.replaces.rate_per_minute == 1000


def test_each_success_makes_room_for_more() -> None:
    """Below the cap the rate is what is missing to it: one minute's batch reaches it."""
    decision = decide(situation_of(GOING_WELL))
    cap = decision.reasons[0].values["cap"]

    assert decision.verdict is Verdict.PROCEED
    assert decision.reasons[0].code is ReasonCode.EXPOSURE_BELOW_CAP
    assert isinstance(cap, int)
    assert decision.settings.rate_per_minute == cap - 65 > 10


def test_a_release_established_as_acceptable_goes_at_full_rate() -> None:
    """2,000 successes and no failure: nothing is left to find out, the brake comes off."""
    decision = decide(situation_of(CLEAN))

    assert decision.verdict is Verdict.PROCEED
    assert decision.settings.rate_per_minute == POLICY.pace.max_per_minute
    assert decision.reasons[0].code is ReasonCode.RATE_ACCEPTABLE
    assert decision.tripwires.succeeded is None


def test_the_bound_established_before_still_holds() -> None:
    """The bound is kept with the rollout: it never rises, whatever is in flight now."""
    decision = decide(replace(situation_of({IN_PROGRESS: 500}), upper_bound=0.01))

    assert decision.evidence.upper_bound == 0.01
    assert decision.settings.rate_per_minute == POLICY.pace.max_per_minute


@pytest.mark.parametrize("standing", [1, 40])
def test_the_rate_is_not_raised_once_all_are_notified(standing: int) -> None:
    """Nobody is left to notify: a higher rate could only matter to devices added later."""
    situation = situation_of(CLEAN, {IN_PROGRESS: 3}, rate_per_minute=standing)
    decision = decide(with_job(situation, is_concurrent=False))

    assert decision.verdict is Verdict.PROCEED
    assert decision.settings.rate_per_minute == standing
    assert decision.summary == "all 2003 targets are notified; 3 still in flight"


def test_the_fence_stands_while_the_last_devices_run() -> None:
    """Devices that have the job may still fail, and those that are offline still start it."""
    situation = with_job(situation_of(GOING_WELL, queued=20), is_concurrent=False)

    assert decide(situation).settings.abort
    assert decide(situation).tripwires.harmed is not None


def test_a_job_that_has_not_begun_is_not_taken_for_one_that_has_notified_all() -> None:
    """AWS shows isConcurrent false before it begins, too."""
    decision = decide(with_job(situation_of(), is_concurrent=False))

    assert codes(decision)[0] is ReasonCode.FIRST_SETTINGS


# What is installed


def test_a_policy_without_wishes_changes_pace_and_fence_only() -> None:
    """
    Timeout, signing and retries stay as whoever made the job set them.

    The description says what Tidegate does.
    """
    assert decide(situation_of(GOING_WELL)).settings.to_request().keys() == {
        "jobExecutionsRolloutConfig",
        "abortConfig",
        "description",
    }


def test_the_policys_own_settings_are_installed_with_every_decision() -> None:
    """What the policy says about the job holds from the first decision on."""
    job = JobDefaults(
        timeout_minutes=45, description="firmware 7", presigned_url=PresignedUrl(None, 600)
    )
    settings = decide(situation_of(GOING_WELL), replace(POLICY, job=job)).settings

    assert settings.timeout_minutes == 45
    assert settings.description == "firmware 7 | Tidegate: rolling out under policy firmware"
    assert settings.presigned_url == PresignedUrl(None, 600)


def test_retries_are_dropped_to_0_with_the_jobs_own_failure_types() -> None:
    """AWS takes 0 only, for exactly the failure types that the job was created with."""
    policy = replace(POLICY, job=JobDefaults(drop_retries=True))
    situation = situation_of(GOING_WELL)
    standing = JobSettings(rollout=RolloutRate(10), retries=(RetryCriterion(FailureType.ALL, 3),))

    assert decide(with_job(situation, settings=standing), policy).settings.retries == (
        RetryCriterion(FailureType.ALL, 0),
    )
    assert decide(situation, policy).settings.retries is None
    assert decide(with_job(situation, settings=standing)).settings.retries is None


def test_growth_by_aws_itself_stays_below_what_the_evidence_allows() -> None:
    """The policy's own growth is installed where there is room for it, and never on a hold."""
    growth = ExponentialRate(10, 1.5, succeeded_things=50)
    policy = replace(POLICY, pace=replace(POLICY.pace, exponential=growth))

    free = decide(situation_of(CLEAN), policy).settings.rollout
    begun = decide(situation_of(), policy).settings.rollout
    held = decide(replace(situation_of(CLEAN), holds=(HOLD,)), policy).settings.rollout

    assert free == RolloutRate(1000, growth)
    assert begun == RolloutRate(10)
    assert held == RolloutRate(1)


def test_failed_attempts_raise_the_fence() -> None:
    """A device that may try three times may add three failures to AWS's count."""
    once = situation_of(GOING_WELL)
    retries = (RetryCriterion(FailureType.FAILED, 2),)
    standing = JobSettings(RolloutRate(100), timeout_minutes=TIMEOUT_MINUTES, retries=retries)
    thrice = with_job(once, settings=standing)

    def criteria(situation: Situation) -> tuple[AbortCriterion, ...]:
        return decide(situation).settings.abort or ()

    for one, other in zip(criteria(once), criteria(thrice), strict=True):
        assert other.failure_type is one.failure_type
        assert other.min_executed_things > one.min_executed_things


# What is counted


def test_rejections_count_as_the_policy_says() -> None:
    """Where a rejection is no harm, it clears a device without being a success."""
    situation = situation_of({SUCCEEDED: 50, REJECTED: 5, TIMED_OUT: 1, IN_PROGRESS: 4})
    strict = replace(POLICY.harm, statuses=POLICY.harm.statuses | {REJECTED})

    lenient = weigh(POLICY, situation, NOW).evidence
    severe = weigh(replace(POLICY, harm=strict), situation, NOW).evidence

    assert (lenient.harmed, lenient.cleared, lenient.succeeded) == (1, 55, 50)
    assert (severe.harmed, severe.cleared, severe.succeeded) == (6, 50, 50)
    assert lenient.in_flight == severe.in_flight == 4


def test_rejections_at_once_do_not_stop_what_the_slow_starters_would_clear() -> None:
    """
    Devices reject as soon as they hear of the job, and start it when they get round to it.

    20 rejections among 50 devices heard of are many; among 1,000 that were notified they are the
    2 % that is tolerated. 200 are not.
    """
    strict = replace(POLICY, harm=replace(POLICY.harm, statuses=POLICY.harm.statuses | {REJECTED}))
    few = situation_of({REJECTED: 20, IN_PROGRESS: 30}, queued=950)
    many = situation_of({REJECTED: 200, IN_PROGRESS: 30}, queued=770)

    for readiness in (Readiness.COMPLETE, Readiness.UNPLACED):
        assert decide(replace(few, readiness=readiness), strict).verdict is not Verdict.ABORT
        assert decide(replace(many, readiness=readiness), strict).verdict is Verdict.ABORT


def test_failures_of_the_started_stop_a_release_where_rejections_count_too() -> None:
    """However many devices are still to start, those that did speak for themselves."""
    strict = replace(POLICY, harm=replace(POLICY.harm, statuses=POLICY.harm.statuses | {REJECTED}))
    situation = situation_of({SUCCEEDED: 80, REJECTED: 5}, {FAILED: 10}, queued=5000)

    assert decide(situation, strict).verdict is Verdict.ABORT


def test_devices_that_only_aws_knows_of_are_in_flight() -> None:
    """What DescribeJob counts as started and no list has shown yet has had no outcome yet."""
    situation = with_job(
        situation_of({SUCCEEDED: 50}), counts=JobCounts(succeeded=50, in_progress=30, queued=20)
    )
    evidence = weigh(POLICY, situation, NOW).evidence

    assert (evidence.exposed, evidence.started, evidence.in_flight) == (100, 80, 30)


def test_unplaced_outcomes_are_weighed_by_totals_and_said_so() -> None:
    """Without the order of starts the evidence is weaker, valid still, and the decision says so."""
    counts = Counts({(0, SUCCEEDED): 60, (UNPLACED, SUCCEEDED): 3, (UNPLACED, FAILED): 1})
    situation = with_job(
        replace(situation_of(), counts=counts, readiness=Readiness.UNPLACED),
        counts=job_counts_of(counts),
    )
    decision = decide(situation)

    assert decision.evidence.counters_only
    assert decision.evidence.unplaced == 4
    assert ReasonCode.COUNTERS_ONLY in codes(decision)


def test_where_nobody_reports_a_start_all_who_were_notified_are_in_flight() -> None:
    """Evidence from those who have ended alone would be evidence in order of arrival."""
    situation = replace(
        situation_of({SUCCEEDED: 500, FAILED: 20}, queued=480), readiness=Readiness.UNSTARTED
    )
    decision = decide(situation)
    evidence = weigh(POLICY, situation, NOW).evidence
    among_the_ended = weigh(POLICY, replace(situation, readiness=Readiness.UNPLACED), NOW).evidence

    assert evidence.log_e == pytest.approx(log_e_totals(20, 1000, POLICY.harm.tolerated_rate))
    assert evidence.log_e < among_the_ended.log_e
    assert evidence.upper_bound > among_the_ended.upper_bound
    assert ReasonCode.STARTS_UNREPORTED in codes(decision)


def test_totals_are_weaker_evidence_than_the_order_of_starts() -> None:
    """The same outcomes, known with their starts, stop a release sooner and free it sooner."""
    placed = situation_of({SUCCEEDED: 500, FAILED: 2}, {FAILED: 3, IN_PROGRESS: 40})
    totals = replace(placed, readiness=Readiness.UNPLACED)

    by_totals, by_start = (weigh(POLICY, each, NOW).evidence for each in (totals, placed))
    assert by_totals.log_e <= by_start.log_e
    assert by_totals.upper_bound >= by_start.upper_bound


def test_switched_off_events_are_brought_to_attention() -> None:
    """Outcomes are still read from lists, so it goes on; but people should know."""
    decision = decide(replace(situation_of(GOING_WELL), events_enabled=False))

    assert decision.verdict is Verdict.PROCEED
    assert decision.attention
    assert decision.attention.subject == "events"
    assert "switched off" in decision.attention.problem
    assert decision.attention.remedy == EVENTS_REMEDY
    assert ReasonCode.EVENTS_OFF in codes(decision)
    assert decide(situation_of(GOING_WELL)).attention is None


# When to look again


def test_the_next_review_comes_before_the_next_batch_but_one() -> None:
    """AWS notifies once a minute: reviews come a little more often while exposure can grow."""
    growing = decide(situation_of(GOING_WELL))
    idle = decide(with_job(situation_of(GOING_WELL), is_concurrent=False))

    assert REVIEW_MINUTES < 1
    assert growing.wait_seconds == int(60 * REVIEW_MINUTES)
    assert growing.review_by == NOW + growing.wait_seconds
    assert idle.wait_seconds == int(60 * IDLE_REVIEW_MINUTES)


def test_waits_are_whole_seconds_and_never_none() -> None:
    """Step Functions takes whole seconds of at least one, however short AWS's minute is made."""
    assert decide(replace(situation_of(), minute_seconds=0.5)).wait_seconds == 1
    assert decide(replace(situation_of(), minute_seconds=10.9)).wait_seconds == 8


def test_a_decision_carries_what_it_was_made_of() -> None:
    """Revision, signals and time are those of the situation, so a stale decision can be told."""
    decision = decide(replace(situation_of(), revision=7, signals=3))

    assert (decision.revision, decision.signals, decision.at) == (7, 3, NOW)


# A job that Tidegate creates


def test_the_first_settings_are_slow_and_fenced() -> None:
    """No minute runs at AWS's default rate, and none without abort criteria."""
    settings = first_settings(POLICY)

    assert settings.rate_per_minute == 10
    assert settings.abort
    assert refusals(settings, JobSettings()) == ()


@pytest.mark.parametrize(
    ("budget_devices", "budget_share", "rate"),
    [
        (LEAK_MINUTES + 50, None, 40),
        (2 * LEAK_MINUTES, None, LEAK_MINUTES),
        (10, None, 5),
        (1, None, 1),
        (None, 0.005, 1),
    ],
)
def test_the_first_settings_keep_within_the_budget(
    budget_devices: int | None, budget_share: float | None, rate: int
) -> None:
    """All of the first batch may fail: it is no larger than the budget, whatever the start rate."""
    policy = replace(
        POLICY,
        harm=replace(POLICY.harm, budget_devices=budget_devices, budget_share=budget_share),
        pace=replace(POLICY.pace, start_per_minute=40),
    )

    assert first_settings(policy).rate_per_minute == rate


def test_the_first_settings_agree_with_the_first_review() -> None:
    """A job made with the policy's first settings is not changed by the review that follows."""
    budget = 2 * 5
    policy = replace(
        POLICY,
        harm=replace(POLICY.harm, budget_devices=budget),
        job=JobDefaults(timeout_minutes=TIMEOUT_MINUTES),
    )
    created = first_settings(policy)
    situation = with_job(situation_of(budget=budget), settings=created)

    assert not created.changes_to(decide(situation, policy).settings)


def strained() -> Iterable[Situation]:
    """Yield situations in which some of the devices fare worse than the rest."""
    one_fails = replace(situation_of(ONE_IN_50), tallies=ONE_COHORT_FAILS)
    yield one_fails
    yield replace(one_fails, can_quarantine=True)
    yield with_counts(situation_of(), {(LATE, FAILED): 8, (LATE, SUCCEEDED): 2})
    yield replace(
        situation_of(*[{}] * (AGE - 10), {IN_PROGRESS: 100}),
        upper_bound=POLICY.harm.acceptable_rate,
        memory=Memory(delays=learned(cleared_after=3)),
    )


def operated() -> Iterable[tuple[Policy, Situation]]:
    """Yield situations in which people and other systems have their say."""
    going, asking = situation_of(CLEAN), Asking(within_minutes=60, refused=Fallback.HOLD)
    gate = Gate("canary", 50, bake_minutes=30, alarms=("errors",), answer=asking)
    at_gate = replace(POLICY, gates=(gate, Gate("half", 3000, approval=asking)))
    asked = decide(going, at_gate).course
    late = replace(asked.questions[0], due_at=NOW)
    well = Standing(alarms={"errors": AlarmReading(AlarmState.OK, NOW)})
    yield at_gate, going
    yield at_gate, replace(going, course=replace(asked, questions=(late,)))
    yield at_gate, replace(going, course=asked, answers=(no("canary-answer"),))
    yield (
        at_gate,
        replace(
            going,
            course=replace(asked, gate_reached_at=NOW - 3600),
            answers=(yes("canary-answer"),),
            standing=well,
        ),
    )
    slow = situation_of(CLEAN, rate_per_minute=10)
    approve = replace(
        POLICY,
        authority=Authorities(speed_up=Authority.APPROVE),
        approval=replace(asking, unanswered=Fallback.PASS),
    )
    first = decide(slow, approve)
    waiting = next_situation(first, slow)
    proposal = first.course.proposal
    assert proposal
    overdue = replace(proposal, question=replace(proposal.question, due_at=NOW))
    yield approve, slow
    yield approve, replace(waiting, answers=(yes("decision-1"),))
    yield approve, replace(waiting, answers=(no("decision-1"),))
    yield approve, replace(waiting, course=replace(waiting.course, proposal=overdue))


def outlived() -> Iterable[tuple[Policy, Situation]]:
    """Yield situations beyond the notification of all devices."""
    out = with_job(situation_of(GOING_WELL), is_concurrent=False)
    grace = replace(POLICY, complete=Completion(0.9, grace_minutes=5))
    yield grace, out
    yield replace(POLICY, gates=(Gate("canary", 1, bake_minutes=30),)), out
    yield replace(POLICY, complete=Completion(0.9)), out
    yield POLICY, with_job(replace(out, course=Course(is_guarding=True)), is_continuous=True)
    undoing = replace(POLICY, on_abort=OnAbort(rollback=Rollback(("document", "{}"))))
    over = with_job(out, status=JobStatus.CANCELED, reason_code=ABORT_REASON_CODE)
    yield undoing, over
    yield undoing, replace(over, course=Course(rollback_until=NOW))
    asking = replace(undoing, authority=Authorities(roll_back=Authority.APPROVE))
    asked = next_situation(decide(over, asking), over)
    yield asking, replace(asked, answers=(no("decision-1"),))
    nobody = with_job(situation_of(BAD), status=JobStatus.CANCELED, reason_code=ABORT_REASON_CODE)
    yield (
        undoing,
        replace(
            with_counts(nobody, {(0, FAILED): 8}),
            job=replace(over.job, counts=JobCounts(failed=8)) if over.job else None,
        ),
    )


def told_by_devices() -> Iterable[tuple[Policy, Situation]]:
    """Yield situations in which devices say why they fail and how long they need."""
    failing = replace(situation_of(ONE_IN_50), reasons={("battery low", 2): 8})
    yield POLICY, failing
    apart = Memory(quarantined=("revision=old",))
    yield POLICY, replace(failing, memory=apart, cells=Cells(("revision",), {2: ("old",)}))
    soaking = situation_of({IN_PROGRESS: 10, SUCCEEDED: 20})
    yield replace(POLICY, soak=Soak(60)), with_job(soaking, status=JobStatus.COMPLETED)
    quick = replace(situation_of(CLEAN), durations=lasting(9))
    yield replace(POLICY, timeout=AdaptiveTimeout()), quick
    yield replace(POLICY, timeout=AdaptiveTimeout(sets=True)), quick


def test_every_code_is_given_in_some_situation() -> None:
    """No sentence is out of reach: each one is the answer to a situation of these."""
    going = situation_of(GOING_WELL)
    situations: Iterable[Situation] = (
        going,
        situation_of(BAD),
        situation_of(CLEAN),
        situation_of(),
        situation_of({IN_PROGRESS: 10}),
        situation_of({FAILED: 2, SUCCEEDED: 20}),
        replace(going, abort_request=ABORT_REQUEST, aborting=True),
        replace(going, holds=(HOLD,), readiness=Readiness.INCOMPLETE, events_enabled=False),
        replace(going, readiness=Readiness.UNSTARTED),
        replace(going, job=None),
        with_job(going, is_concurrent=False),
        with_job(going, status=JobStatus.SCHEDULED),
        with_job(going, status=JobStatus.COMPLETED),
        with_job(going, status=JobStatus.CANCELED, reason_code=ABORT_REASON_CODE),
        with_job(going, status=JobStatus.CANCELED, reason_code=FENCE_REASON_CODE),
        with_job(going, status=JobStatus.CANCELED),
        replace(going, readiness=Readiness.STALE),
        replace(going, review_minutes=3.0),
        replace(going, installed=JobSettings(RolloutRate(7))),
    )
    under = (
        *((POLICY, each) for each in (*situations, *strained())),
        *operated(),
        *outlived(),
        *told_by_devices(),
    )

    given = {code for policy, situation in under for code in codes(decide(situation, policy))}
    assert given == set(ReasonCode)


def test_settings_that_somebody_else_changed_are_put_back_and_told() -> None:
    """Whatever another tool installed, the evidence decides; its name in AWS's request is given."""
    situation = situation_of(GOING_WELL, rate_per_minute=900)
    installed = decide(situation).settings
    decision = decide(replace(situation, installed=installed))

    assert decision.settings.rollout == installed.rollout
    assert decision.attention is not None
    assert decision.attention.subject == "drift"
    assert decision.attention.problem == (
        "somebody else changed the job's jobExecutionsRolloutConfig, abortConfig; what the "
        "evidence allows is put back"
    )


def test_a_description_that_somebody_else_changed_is_no_drift() -> None:
    """It is theirs; only the label behind it is put back."""
    first = decide(situation_of(GOING_WELL))
    later = next_situation(first, situation_of(GOING_WELL), installed=first.settings)
    assert later.job
    renamed = replace(later.job.settings, description="pumps, north")
    decision = decide(with_job(later, settings=renamed))

    assert decision.attention is None
    assert decision.settings.description is not None
    assert decision.settings.description.startswith("pumps, north | Tidegate: ")


def test_a_cohort_comes_before_events_and_drift_in_what_people_should_look_at() -> None:
    """One thing at a time, the worst first."""
    situation = replace(
        situation_of(ONE_IN_50),
        tallies=ONE_COHORT_FAILS,
        events_enabled=False,
        installed=JobSettings(RolloutRate(7)),
    )
    subjects = [
        (decision.attention.subject if decision.attention else None)
        for decision in (
            decide(situation),
            decide(replace(situation, tallies={})),
            decide(replace(situation, tallies={}, events_enabled=True)),
        )
    ]

    assert subjects == ["suspect", "events", "drift"]


def test_no_outcome_counts_twice() -> None:
    """What the evidence calls started is harmed, cleared or in flight, and nothing else."""
    situation = situation_of({SUCCEEDED: 5, FAILED: 2}, {IN_PROGRESS: 3}, queued=4)
    evidence = weigh(POLICY, situation, NOW).evidence

    assert evidence.started == evidence.harmed + evidence.cleared + evidence.in_flight == 10
    assert evidence.exposed == 14
    assert counts_of({SUCCEEDED: 5}).of(SUCCEEDED) == 5


def test_past_the_page_budget_aws_s_own_counters_count() -> None:
    """What the ledger could not read, AWS has counted: it weighs, for and against the release."""
    situation = replace(situation_of({SUCCEEDED: 10}), readiness=Readiness.UNPLACED)
    better = decide(with_job(situation, counts=JobCounts(succeeded=5000)))
    worse = decide(with_job(situation, counts=JobCounts(succeeded=10, failed=100)))

    assert better.evidence.succeeded == 5000
    assert better.evidence.upper_bound < 0.02
    assert worse.verdict is Verdict.ABORT


def test_counters_of_attempts_do_not_count_as_things() -> None:
    """With retries AWS counts each attempt: what only its counters know stays in flight."""
    retrying = JobSettings(retries=(RetryCriterion(FailureType.ALL, 2),))
    situation = replace(situation_of({SUCCEEDED: 10}), readiness=Readiness.UNPLACED)
    decision = decide(
        with_job(situation, counts=JobCounts(succeeded=10, failed=100), settings=retrying)
    )

    assert decision.evidence.harmed == 0
    assert decision.evidence.in_flight == 100
    assert decision.verdict is Verdict.HOLD
