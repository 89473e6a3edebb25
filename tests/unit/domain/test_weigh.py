"""What the counts say: of prompt devices, late ones, cohorts, and of those that are left."""

import math
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
    lasting,
    learned,
    situation_of,
    with_counts,
)
from tidegate.domain.cohorts import Remedy, Tally, limit_of_each
from tidegate.domain.decision import Verdict
from tidegate.domain.evidence import (
    BOUND_SHIFTS,
    Bucket,
    Restarting,
    log_e_above,
    log_e_totals,
    pessimistic_upper_bound,
)
from tidegate.domain.jobs import ExecutionStatus, JobCounts
from tidegate.domain.memory import OPEN_BUCKETS, Folded, Memory
from tidegate.domain.outcomes import LATE, UNPLACED
from tidegate.domain.pace import doubt
from tidegate.domain.policy import Policy, Soak
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.weigh import (
    COHORTS_SHARE,
    EVIDENCE_SHARE,
    FENCE_SHARE,
    LATE_SHARE,
    OTHERS_SHARE,
    Weighed,
    weigh,
)

RISK = POLICY.harm.false_abort_risk
TOLERATED = POLICY.harm.tolerated_rate
#: A policy that counts rejections as harm too.
STRICT = replace(POLICY, harm=replace(POLICY.harm, statuses=POLICY.harm.statuses | {REJECTED}))


def weighed(situation: Situation, policy: Policy = POLICY) -> Weighed:
    """Weigh a situation now."""
    return weigh(policy, situation, NOW)


def prompt_and_late(
    prompt: tuple[int, int], late: tuple[int, int], *, bucket: int = 0
) -> Situation:
    """Return a situation with so many harmed of so many devices, prompt and late ones."""
    (harmed, started), (late_harmed, late_started) = prompt, late
    return with_counts(
        situation_of(),
        {
            (bucket, FAILED): harmed,
            (bucket, SUCCEEDED): started - harmed,
            (LATE + bucket, FAILED): late_harmed,
            (LATE + bucket, SUCCEEDED): late_started - late_harmed,
        },
    )


def test_the_shares_of_the_risk_are_the_whole() -> None:
    """Together the ways of stopping a release spend the policy's risk, no more."""
    shares = (EVIDENCE_SHARE, LATE_SHARE, COHORTS_SHARE, OTHERS_SHARE, FENCE_SHARE)

    assert math.fsum(shares) == pytest.approx(1, abs=1e-12)
    assert all(share > 0 for share in shares)


def test_each_way_of_stopping_has_its_share() -> None:
    """The limits that the evidence must reach are those of the shares."""
    all_fine = replace(
        prompt_and_late((0, 50), (0, 50)),
        tallies={"revision": {"old": Tally(25, 25), "new": Tally(25, 0)}},
    )
    found = weighed(all_fine)

    assert found.evidence.abort_at == pytest.approx(-math.log(RISK * EVIDENCE_SHARE))
    assert found.late_limit == pytest.approx(-math.log(RISK * LATE_SHARE))
    (suspect,) = found.suspects
    assert suspect.limit == pytest.approx(limit_of_each(RISK * COHORTS_SHARE, 2))


# Prompt devices


def test_prompt_devices_are_weighed_in_order_of_start() -> None:
    """Empty buckets count as well: a restart has a weight at each, fixed in advance."""
    buckets = [{SUCCEEDED: 20, FAILED: 1}, {}, {}, {FAILED: 3, TIMED_OUT: 1, IN_PROGRESS: 5}]
    row = [Bucket(21, 1, 20), Bucket(0, 0, 0), Bucket(0, 0, 0), Bucket(9, 4, 0)]
    found = weighed(situation_of(*buckets))

    expected = Restarting().then(row, TOLERATED)
    assert found.restarting == expected
    assert found.evidence.log_e == expected.best
    assert found.buckets == row
    assert found.evidence.upper_bound == pessimistic_upper_bound(row, 0.05, shifts=BOUND_SHIFTS)
    assert found.bound_alpha == pytest.approx(0.05)


def test_outcomes_that_are_no_harm_clear_and_those_of_no_start_do_neither() -> None:
    """A rejection clears where it is no harm; where it is, it is weighed by notification."""
    counts = {(0, REJECTED): 4, (0, SUCCEEDED): 6, (0, FAILED): 1, (0, IN_PROGRESS): 2}
    situation = with_counts(situation_of(), counts)

    assert weighed(situation).buckets == [Bucket(13, 1, 10)]
    assert weighed(situation, STRICT).buckets == [Bucket(13, 1, 6)]


def test_devices_that_no_list_has_shown_yet_are_the_newest() -> None:
    """AWS counts them as started: in flight they hold the bound back, not the evidence."""
    situation = situation_of({SUCCEEDED: 50})
    assert situation.job
    job = replace(situation.job, counts=JobCounts(succeeded=50, in_progress=30))
    found = weighed(replace(situation, job=job))

    assert found.buckets == [Bucket(50, 0, 50), Bucket(30, 0, 0)]
    assert found.restarting == Restarting().then([Bucket(50, 0, 50)], TOLERATED)


def test_the_bound_sees_old_buckets_as_one() -> None:
    """Earlier reviews saw them singly, and their bound still stands."""
    row = [{SUCCEEDED: 10, FAILED: 1}] * (OPEN_BUCKETS + 5)
    found = weighed(situation_of(*row))

    assert found.buckets[0] == Bucket(55, 5, 50)
    assert found.buckets[1:] == [Bucket(11, 1, 10)] * OPEN_BUCKETS
    assert len(weighed(situation_of(*row[:OPEN_BUCKETS])).buckets) == OPEN_BUCKETS


def test_the_newest_evidence_is_doubt_the_best_is_a_stop() -> None:
    """Bad devices long ago stop a release if they could; doubt is about those of now."""
    bad, good = {FAILED: 2, SUCCEEDED: 8}, {SUCCEEDED: 300}
    at_first, later = weighed(situation_of(bad)), weighed(situation_of(bad, good))

    assert at_first.evidence.doubt > 0.2
    assert at_first.restarting
    assert at_first.evidence.doubt == doubt(at_first.restarting.current, at_first.evidence.abort_at)
    assert later.evidence.doubt < at_first.evidence.doubt
    assert later.evidence.log_e == at_first.evidence.log_e


# Late devices


def test_late_devices_are_held_against_a_rate_of_their_own() -> None:
    """One in ten of them may fail: that neither stops the release nor raises its bound."""
    found = weighed(prompt_and_late((0, 2000), (95, 1000)))

    assert found.evidence.log_e == 0
    assert found.evidence.doubt == 0
    assert found.evidence.upper_bound < TOLERATED
    assert (found.evidence.late_started, found.evidence.late_harmed) == (1000, 95)
    assert found.log_e_late == log_e_above(95, 1000, POLICY.harm.tolerated_late)
    assert found.evidence.harmed == 95
    assert found.evidence.started == 3000


def test_late_devices_that_fail_too_often_stop_the_release() -> None:
    """A release that bricks what was offline is found out by those alone."""
    decision = review(POLICY, prompt_and_late((0, 2000), (30, 40)), NOW)

    assert decision.verdict is Verdict.ABORT
    assert decision.summary.startswith("30 of 40 devices that started late harmed: evidence")


def test_late_devices_in_flight_have_the_benefit_of_the_doubt() -> None:
    """They count as started, and as successes until something else is known."""
    counts = {(LATE, FAILED): 4, (LATE + 7, IN_PROGRESS): 20, (LATE + 9, REJECTED): 6}
    found = weighed(with_counts(situation_of(), counts))

    assert found.log_e_late == log_e_above(4, 30, POLICY.harm.tolerated_late)
    assert found.restarting == Restarting()
    assert found.buckets == []


@pytest.mark.parametrize("readiness", [Readiness.COMPLETE, Readiness.UNPLACED])
def test_late_harm_does_not_count_against_the_others_by_another_order(
    readiness: Readiness,
) -> None:
    """In order of notification and in totals, too, it has a tolerated rate of its own."""
    situation = replace(prompt_and_late((30, 2000), (95, 1000)), readiness=readiness)

    assert weighed(situation, STRICT).evidence.log_e < 1
    assert weighed(situation).evidence.log_e < 1
    more = replace(prompt_and_late((90, 2000), (95, 1000)), readiness=Readiness.UNPLACED)
    assert weighed(more).evidence.log_e == log_e_totals(90, 3000, TOLERATED) > 0
    assert weighed(more, STRICT).evidence.log_e == log_e_totals(90, 3000, TOLERATED)


# Cohorts


def with_cohorts(
    old: tuple[int, int], new: tuple[int, int], *, can_quarantine: bool = True
) -> Situation:
    """Return a situation with so many harmed of so many devices in each of two cohorts."""
    harmed, started = old[0] + new[0], old[1] + new[1]
    return replace(
        situation_of({FAILED: harmed, SUCCEEDED: started - harmed}),
        tallies={"revision": {"old": Tally(old[1], old[0]), "new": Tally(new[1], new[0])}},
        can_quarantine=can_quarantine,
    )


def apart_after(situation: Situation, old: tuple[int, int]) -> Situation:
    """Return the situation after the old cohort was set apart."""
    harmed, started = old
    apart = Counts({(0, FAILED): harmed, (0, SUCCEEDED): started - harmed})
    return replace(situation, memory=Memory(quarantined=("old",)), apart=apart)


def test_a_cohort_that_fails_alone_is_set_apart_and_the_others_go_on() -> None:
    """The whole would be stopped; without the cohort there is nothing against the release."""
    situation = with_cohorts((20, 20), (0, 900))
    decision = review(POLICY, situation, NOW)

    assert log_e_above(20, 920, TOLERATED) < decision.suspects[0].log_e
    assert decision.verdict is not Verdict.ABORT
    assert [(each.cohort, each.remedy) for each in decision.suspects] == [
        ("old", Remedy.QUARANTINE)
    ]
    assert decision.memory.quarantined == ("old",)
    told = "set apart, so what waits for their devices is canceled: old"
    assert told in {each.text for each in decision.reasons}


def test_a_cohort_that_cannot_be_left_out_holds_the_rollout_for_people() -> None:
    """AWS has no way to leave it out of this job: it is brought to their attention."""
    decision = review(POLICY, with_cohorts((9, 12), (0, 2000), can_quarantine=False), NOW)

    assert decision.verdict is Verdict.HOLD
    assert decision.suspects[0].remedy is Remedy.HOLD
    assert decision.attention is not None
    assert decision.attention.subject == "suspect"
    assert decision.attention.problem.startswith("cohort old: 9 of 12 started devices harmed")
    assert decision.summary == decision.attention.problem
    assert decision.memory.quarantined == ()


def test_nobody_is_asked_about_devices_that_are_yet_to_be_joined() -> None:
    """Failures of which nobody knows yet what they are hold; people are told if it stays so."""
    cohorts = {"line=(unknown)": Tally(12, 9), "line=a": Tally(2000, 0)}
    waiting = replace(with_cohorts((9, 12), (0, 2000)), tallies={"line": cohorts}, unsettled=True)
    decision = review(POLICY, waiting, NOW)
    settled = review(POLICY, replace(waiting, unsettled=False), NOW)

    assert decision.verdict is settled.verdict is Verdict.HOLD
    assert decision.attention is None
    assert settled.attention is not None
    assert settled.attention.subject == "suspect"


@pytest.mark.parametrize("can_quarantine", [True, False])
def test_a_release_that_is_bad_for_all_cohorts_is_stopped(*, can_quarantine: bool) -> None:
    """However many failures each of them has, if the others fail too there is nobody to spare."""
    situation = with_cohorts((20, 30), (40, 300), can_quarantine=can_quarantine)
    decision = review(POLICY, situation, NOW)

    assert decision.verdict is Verdict.ABORT
    assert {each.remedy for each in decision.suspects} == {Remedy.ABORT}
    assert any(each.text.startswith("cohort old: 20 of 30") for each in decision.reasons)


def test_those_left_are_weighed_by_themselves() -> None:
    """The cohort set apart is in no figure that decides; it is in those that are stated."""
    found = weighed(apart_after(with_cohorts((20, 20), (3, 900)), (20, 20)))

    assert found.restarting == Restarting().then([Bucket(900, 3, 897)], TOLERATED)
    assert found.evidence.log_e == found.restarting.best
    assert found.evidence.abort_at == pytest.approx(limit_of_each(RISK * OTHERS_SHARE, 2))
    assert found.buckets == [Bucket(900, 3, 897)]
    assert (found.evidence.harmed, found.evidence.started) == (23, 920)


def test_the_bound_on_those_left_pays_for_their_choice() -> None:
    """Whom to leave out was chosen by what was seen: each choice takes part of the risk."""
    found = weighed(apart_after(with_cohorts((20, 20), (3, 900)), (20, 20)))

    assert found.bound_alpha == pytest.approx(0.05 / 4)
    assert found.evidence.upper_bound == pessimistic_upper_bound(
        [Bucket(900, 3, 897)], 0.05 / 4, shifts=BOUND_SHIFTS
    )


def test_the_first_look_at_those_left_is_by_totals() -> None:
    """Their order of start is known from the next review on, and so is a bound on their rate."""
    situation = replace(with_cohorts((20, 20), (3, 900)), upper_bound=0.3)
    found = weighed(situation)

    assert found.evidence.log_e == log_e_totals(3, 900, TOLERATED)
    assert found.evidence.abort_at == pytest.approx(limit_of_each(RISK * OTHERS_SHARE, 2))
    assert found.evidence.upper_bound == 0.3


@pytest.mark.parametrize("readiness", [Readiness.COMPLETE, Readiness.UNPLACED])
@pytest.mark.parametrize("policy", [POLICY, STRICT])
def test_a_cohort_set_apart_never_stops_the_others(policy: Policy, readiness: Readiness) -> None:
    """Not in order of notification, nor by totals where the starts are no longer known."""
    situation = apart_after(with_cohorts((60, 60), (0, 900)), (60, 60))

    decision = review(policy, replace(situation, readiness=readiness), NOW)
    assert decision.verdict is not Verdict.ABORT
    assert decision.memory.quarantined == ("old",)


def test_a_cohort_stays_apart_where_nobody_tells_cohorts() -> None:
    """A review that was not told the devices' cohorts takes nobody back, and needs no tallies."""
    situation = apart_after(with_cohorts((20, 20), (3, 900)), (20, 20))
    found = weighed(replace(situation, tallies={}))

    assert found.memory.quarantined == ("old",)
    assert found.buckets == [Bucket(900, 3, 897)]
    assert math.isfinite(found.evidence.abort_at)


def test_more_devices_apart_than_counted_leave_none() -> None:
    """The ledger's counters are read one after the other, and may disagree by a few."""
    situation = apart_after(with_cohorts((20, 20), (0, 0)), (25, 25))

    assert weighed(situation).buckets == [Bucket(0, 0, 0)]


def test_who_is_left_is_chosen_among_cohorts_of_all_keys() -> None:
    """Each choice there was takes part of the risk."""
    situation = apart_after(with_cohorts((20, 20), (3, 900)), (20, 20))
    keys = {**situation.tallies, "region": {}}
    found = weighed(replace(situation, tallies=keys))

    assert found.evidence.abort_at == pytest.approx(limit_of_each(RISK * OTHERS_SHARE, 4))
    assert found.bound_alpha == pytest.approx(0.05 / 8)


# Without the order of starts


def test_a_success_that_has_to_soak_is_not_believed_to_aws() -> None:
    """AWS counts it at once; harm that AWS counts is believed all the same."""
    counts = {(UNPLACED, FAILED): 1, (UNPLACED, SUCCEEDED): 10, (0, IN_PROGRESS): 50}
    situation = replace(with_counts(situation_of(), counts), readiness=Readiness.UNPLACED)
    assert situation.job
    by_aws = JobCounts(succeeded=58, failed=3)
    situation = replace(situation, job=replace(situation.job, counts=by_aws))
    soaking = weighed(situation, replace(POLICY, soak=Soak(minutes=60))).evidence
    plain = weighed(situation).evidence

    assert (soaking.succeeded, soaking.cleared, soaking.harmed) == (10, 10, 3)
    assert (plain.succeeded, plain.cleared, plain.harmed) == (58, 58, 3)
    assert soaking.in_flight == soaking.started - 13


def test_totals_are_weighed_by_halves() -> None:
    """They are used in turn with the order of starts, and do not spend the risk twice."""
    counts = {(UNPLACED, FAILED): 7, (0, SUCCEEDED): 60, (UNPLACED, SUCCEEDED): 10}
    situation = replace(with_counts(situation_of(), counts), readiness=Readiness.UNPLACED)
    found = weighed(situation)

    assert found.evidence.log_e == log_e_totals(7, 77, TOLERATED)
    assert found.restarting is None
    assert found.buckets == [Bucket(77, 7, 70)]
    assert found.evidence.doubt == doubt(found.evidence.log_e, found.evidence.abort_at)
    assert found.memory == situation.memory
    assert found.log_e_late == 0 < found.late_limit
    assert (found.suspects, found.tallies) == ((), {})


def test_where_starts_are_not_reported_all_who_were_notified_are_in_flight() -> None:
    """Devices that tell only their end may have started at any time since their notification."""
    counts = {(0, FAILED): 5, (0, SUCCEEDED): 35}
    situation = replace(with_counts(situation_of(queued=60), counts), readiness=Readiness.UNSTARTED)
    found = weighed(situation)

    assert found.evidence.log_e == log_e_totals(5, 100, TOLERATED)
    assert found.buckets == [Bucket(100, 5, 35)]


# Memory


def test_a_review_hands_on_what_it_learned() -> None:
    """Delays, old evidence and cohorts apart; each review learns of the time since the last."""
    situation = situation_of(*[{SUCCEEDED: 10}] * (OPEN_BUCKETS + 10))
    assert situation.job
    later = replace(
        situation, job=replace(situation.job, created_at=int(NOW) - 60 * (OPEN_BUCKETS + 11))
    )
    memory = weighed(later).memory

    assert memory.folded.evidence.buckets == 10
    assert memory.delays.until == OPEN_BUCKETS + 11
    assert memory.delays.reached[1:5] == (10, 10, 10, 10)
    assert weighed(replace(later, memory=memory)).memory == memory


def test_durations_are_handed_on_as_they_are_while_counts_are_complete() -> None:
    """Where they are not, those of the last review that saw all of them hold."""
    before, now = Memory(durations=lasting(30)), lasting(20)
    situation = replace(situation_of({SUCCEEDED: 10}), memory=before, durations=now)

    assert weighed(situation).memory.durations == now
    incomplete = replace(situation, readiness=Readiness.UNPLACED)
    assert weighed(incomplete).memory.durations == before.durations


def test_what_was_folded_is_used_only_while_it_fits() -> None:
    """A memory of another job's buckets changes no figure."""
    strange = Memory(folded=Folded(Restarting().then([Bucket(9, 9, 0)], 0.02), (9, 9, 0, 5), 0.02))
    situation = situation_of({SUCCEEDED: 10}, {SUCCEEDED: 10, FAILED: 1})

    assert weighed(replace(situation, memory=strange)).evidence == weighed(situation).evidence


def test_overdue_devices_are_asked_after_once_the_rate_is_established() -> None:
    """Before that the bound itself waits for them: in flight, they count as failures."""
    delays = learned(cleared_after=3)
    situation = replace(situation_of(*[{}] * 50, {IN_PROGRESS: 100}), memory=Memory(delays=delays))

    assert weighed(situation).evidence.log_e_overdue == 0
    established = weighed(replace(situation, upper_bound=0.02)).evidence
    assert established.log_e_overdue > 100


def test_a_job_that_is_gone_is_of_no_age() -> None:
    """Nothing is learned of delays without a time of creation; the ledger's counts are left."""
    counts = {SUCCEEDED: 10, FAILED: 2, IN_PROGRESS: 3}
    found = weighed(replace(situation_of(counts), job=None))

    assert found.memory.delays.until == 0
    assert sum(found.memory.delays.reached) == 0
    assert (found.evidence.started, found.evidence.exposed) == (15, 15)
    assert found.evidence.in_flight == 3


def test_a_clock_behind_the_job_s_creation_makes_nobody_older() -> None:
    """Clocks of AWS and of a Lambda may disagree by a little."""
    situation = situation_of({SUCCEEDED: 10})
    assert situation.job

    memory = weigh(POLICY, situation, situation.job.created_at - 30).memory
    assert memory.delays.until == 0


@pytest.mark.parametrize("status", [FAILED, TIMED_OUT, REJECTED])
def test_harm_is_what_the_policy_calls_so(status: ExecutionStatus) -> None:
    """Each outcome harms or clears by the policy's list, never both."""
    policy = replace(POLICY, harm=replace(POLICY.harm, statuses=frozenset({FAILED})))
    evidence = weighed(situation_of({status: 3}), policy).evidence

    assert (evidence.harmed, evidence.cleared) == ((3, 0) if status is FAILED else (0, 3))
