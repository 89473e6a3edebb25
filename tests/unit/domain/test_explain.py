"""Reasons carry their numbers: what was decided on, each against its limit."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    SUCCEEDED,
    TIMEOUT_MINUTES,
    learned,
    situation_of,
    with_counts,
)
from tidegate.domain.case import (
    Case,
    fence_behind,
    harm_by_evidence,
    harm_unattended,
    what_stands_before,
)
from tidegate.domain.cells import Cells
from tidegate.domain.cohorts import Tally
from tidegate.domain.decision import Decision
from tidegate.domain.delays import brake_at
from tidegate.domain.evidence import log_e_above
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import LATE
from tidegate.domain.reasons import Reason, ReasonCode
from tidegate.domain.review import review
from tidegate.domain.rollout import Hold, HoldKind
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.weigh import weigh


def decide(situation: Situation) -> Decision:
    """Review a situation now."""
    return review(POLICY, situation, NOW)


def given(decision: Decision, code: ReasonCode) -> Reason:
    """Return the one reason with this code."""
    (found,) = (each for each in decision.reasons if each.code is code)
    return found


def test_evidence_is_told_against_its_limit() -> None:
    """How many of how many, how much it weighs, and what it would have to weigh."""
    decision = decide(situation_of({SUCCEEDED: 30, FAILED: 1, IN_PROGRESS: 5}))
    evidence = decision.evidence

    assert given(decision, ReasonCode.EVIDENCE_BELOW_ABORT).values == {
        "harmed": 1,
        "started": 36,
        "log_e": evidence.log_e,
        "limit": evidence.abort_at,
        "tolerated": 0.02,
    }


def test_a_fence_is_told_with_all_its_criteria_and_what_they_let_through() -> None:
    """People see what AWS would do without Tidegate, and how much later than evidence would."""
    situation = replace(
        situation_of({SUCCEEDED: 60, IN_PROGRESS: 5}),
        memory=Memory(delays=learned(cleared_after=5)),
        fleet_size=50_000,
    )
    decision = decide(situation)
    told = given(decision, ReasonCode.FENCE_INSTALLED)
    assert decision.settings.abort

    assert set(str(told.values["criteria"]).split(" or ")) == {
        f"{each.threshold_percentage:g} % {each.failure_type} of at least "
        f"{each.min_executed_things} executed"
        for each in decision.settings.abort
    }
    rate = decision.settings.rate_per_minute
    assert told.values["rate"] == rate
    assert told.values["exposed_up_to"] == 65 + max(100, rate) + rate
    assert told.values["risk"] == pytest.approx(0.01 * 0.15)
    assert told.values["turned"] == 0.2
    case = Case(POLICY, situation, weigh(POLICY, situation, NOW), NOW)
    behind = fence_behind(POLICY, what_stands_before(case, rate))
    unattended = harm_unattended(case, behind, rate, 0.2)
    later = max(0.0, unattended - harm_by_evidence(case, rate))
    assert told.values["unattended"] == round(unattended)
    assert told.values["later"] == round(later)
    assert told.values["minutes"] == round(later / (0.2 * rate))


def test_a_fence_that_is_slower_than_evidence_says_by_how_much() -> None:
    """At the lowest rate it waits for its fewest executions, which is long after the evidence."""
    situation = replace(
        situation_of({SUCCEEDED: 60, IN_PROGRESS: 5}, rate_per_minute=1),
        memory=Memory(delays=learned(cleared_after=5)),
        holds=(Hold(HoldKind.OPERATOR, "on-call", "night", NOW),),
        fleet_size=50_000,
    )
    told = given(decide(situation), ReasonCode.FENCE_INSTALLED)

    assert 0 < float(told.values["later"]) < float(told.values["unattended"])
    assert float(told.values["minutes"]) > 1


def test_a_fence_that_never_fires_is_said_to_harm_all() -> None:
    """Where devices may be in flight for ever, no ratio is safe: the decision does not hide it."""
    situation = replace(situation_of({SUCCEEDED: 60}), fleet_size=70)

    assert given(decide(situation), ReasonCode.FENCE_INSTALLED).values["unattended"] == "all"


def test_late_devices_are_told_against_their_own_rate() -> None:
    """Their number, their harm, and the rate that is tolerated of them."""
    counts = {(LATE, FAILED): 20, (LATE, SUCCEEDED): 5}
    told = given(decide(with_counts(situation_of(), counts)), ReasonCode.LATE_ABOVE_TOLERATED)

    assert told.values == {
        "harmed": 20,
        "started": 25,
        "log_e": log_e_above(20, 25, 0.1),
        "limit": told.values["limit"],
        "tolerated": 0.1,
    }
    assert float(told.values["log_e"]) >= float(told.values["limit"]) > 0


def test_a_cohort_is_told_with_the_others() -> None:
    """What it shows, what all others show, and what is done about it."""
    situation = replace(
        situation_of({FAILED: 9, SUCCEEDED: 991}),
        tallies={"revision": {"old": Tally(15, 9), "new": Tally(985, 0)}},
        can_quarantine=True,
    )
    decision = decide(situation)
    (suspect,) = decision.suspects

    assert given(decision, ReasonCode.COHORT_APART).values == {"cohorts": "old"}
    held = decide(replace(situation, can_quarantine=False))
    assert given(held, ReasonCode.COHORT_SUSPECT).values == {
        "cohort": "old",
        "harmed": 9,
        "started": 15,
        "log_e": suspect.log_e,
        "limit": suspect.limit,
        "others": suspect.log_e_of_others,
        "remedy": "hold",
    }


def test_a_cohort_is_told_with_its_evidence_as_it_is_set_apart() -> None:
    """Once, by the decision that does it; later ones only say that it is."""
    situation = replace(
        situation_of({FAILED: 9, SUCCEEDED: 991}),
        tallies={"revision": {"old": Tally(15, 9), "new": Tally(985, 0)}},
        can_quarantine=True,
    )
    first = decide(situation)
    later = decide(replace(situation, memory=first.memory))

    assert given(first, ReasonCode.COHORT_SUSPECT).values["remedy"] == "quarantine"
    assert ReasonCode.COHORT_SUSPECT not in {each.code for each in later.reasons}
    assert given(later, ReasonCode.COHORT_APART).values == {"cohorts": "old"}


def test_a_released_cohort_is_told_no_more() -> None:
    """Neither set apart nor suspected, in either order of evidence."""
    situation = replace(
        situation_of({FAILED: 9, SUCCEEDED: 991}),
        tallies={"revision": {"old": Tally(15, 9), "new": Tally(985, 0)}},
        can_quarantine=True,
        memory=Memory(quarantined=("old",)),
        released=frozenset({"old"}),
    )

    for each in (situation, replace(situation, readiness=Readiness.UNPLACED)):
        decision = decide(each)
        assert decision.memory.quarantined == ()
        assert decision.suspects == ()
        assert ReasonCode.COHORT_APART not in {reason.code for reason in decision.reasons}


def test_why_devices_failed_is_told_with_the_most_frequent_first() -> None:
    """At a stop too; where nothing was harmed, what devices say is of no interest."""
    reasons = {("flash is full", 2): 2, ("too hot", 3): 4, ("flash is full", 3): 3}
    reasons |= {(f"rare {number}", 2): 1 for number in range(5)}
    going = replace(situation_of({SUCCEEDED: 990, FAILED: 9}), reasons=reasons)
    stopped = replace(situation_of({FAILED: 20, SUCCEEDED: 5}), reasons=reasons)
    told = "flash is full (5), too hot (4), rare 0 (1), rare 1 (1), rare 2 (1)"

    for situation in (going, stopped):
        assert given(decide(situation), ReasonCode.FAILURE_REASONS).values == {"reasons": told}
    fine = decide(replace(situation_of({SUCCEEDED: 90}), reasons=reasons))
    assert ReasonCode.FAILURE_REASONS not in {each.code for each in fine.reasons}


def test_why_devices_of_a_bad_cohort_failed_is_told_apart() -> None:
    """Set apart or suspected, also where nobody else failed; not of cohorts that fare well."""
    situation = replace(
        situation_of({SUCCEEDED: 50}),
        memory=Memory(quarantined=("line=b",)),
        tallies={"line": {"line=a": Tally(45, 0), "line=b": Tally(5, 5), "line=c": Tally(9, 9)}},
        cells=Cells(("line", "site"), {2: ("b", "x"), 3: ("b", "y"), 4: ("a", "x"), 5: ("c", "x")}),
        reasons={("hot", 2): 2, ("hot", 3): 2, ("full", 3): 1, ("cold", 4): 7, ("dry", 5): 9},
        can_quarantine=True,
    )
    told = [
        each.values
        for each in decide(situation).reasons
        if each.code is ReasonCode.COHORT_FAILURE_REASONS
    ]

    assert {"cohort": "line=b", "reasons": "hot (4), full (1)"} in told
    assert {"cohort": "line=c", "reasons": "dry (9)"} in told
    assert len(told) == 2


def test_cohorts_apart_are_all_named() -> None:
    """In the order of their names, with every decision."""
    situation = replace(
        situation_of({SUCCEEDED: 50}),
        memory=Memory(quarantined=("b", "a")),
        tallies={"line": {"a": Tally(5, 0), "b": Tally(5, 0), "c": Tally(40, 0)}},
    )

    assert given(decide(situation), ReasonCode.COHORT_APART).values == {"cohorts": "a, b"}
    nobody = decide(situation_of({SUCCEEDED: 50}))
    assert ReasonCode.COHORT_APART not in {each.code for each in nobody.reasons}


def test_doubt_is_told_with_what_it_leaves() -> None:
    """How much of it there is, and what of the budget and the rate is left."""
    decision = decide(situation_of({SUCCEEDED: 90, FAILED: 7, IN_PROGRESS: 3}))
    told = given(decision, ReasonCode.DOUBTED)
    doubt = decision.evidence.doubt

    assert told.values["doubt"] == doubt
    assert told.values["log_e"] == pytest.approx(doubt * decision.evidence.abort_at / 2)
    assert told.values["rate"] == int(1000 * (1 - doubt))
    assert 0 < float(told.values["budget"]) < 50
    fine = decide(situation_of({SUCCEEDED: 90}))
    assert ReasonCode.DOUBTED not in {each.code for each in fine.reasons}


def test_a_stall_is_told_by_what_stalls() -> None:
    """Full doubt stalls whatever the cap is; less of it only lowers the cap."""
    doubted = decide(situation_of({SUCCEEDED: 20, FAILED: 4}))
    at_cap = decide(situation_of({SUCCEEDED: 90, FAILED: 7, IN_PROGRESS: 3}, queued=900))

    assert doubted.evidence.doubt == 1
    assert doubted.reasons[0].code is ReasonCode.DOUBTED
    assert 0 < at_cap.evidence.doubt < 1
    assert at_cap.reasons[0].code is ReasonCode.EXPOSURE_AT_CAP
    assert at_cap.reasons[0].values["exposed"] == 1000


def test_overdue_devices_are_told_against_the_brake() -> None:
    """They wait, although nothing has failed yet and the rate was established."""
    situation = replace(
        situation_of(*[{}] * 50, {IN_PROGRESS: 100}),
        upper_bound=0.01,
        memory=Memory(delays=learned(cleared_after=3)),
    )
    decision = decide(situation)

    told = decision.reasons[0]
    assert told.code is ReasonCode.DEVICES_OVERDUE
    assert told.values == {"log_e": decision.evidence.log_e_overdue, "limit": brake_at()}


def test_a_turn_is_told_where_the_release_goes_freely() -> None:
    """What it would harm at this rate, and when it would show."""
    free = decide(situation_of({SUCCEEDED: 3000}))
    told = given(free, ReasonCode.TURN_WOULD_HARM)

    assert told.values == {
        "turned": 0.2,
        "harmed": round(0.2 * 1000 * TIMEOUT_MINUTES),
        "rate": 1000,
        "minutes": TIMEOUT_MINUTES,
    }
    going = decide(situation_of({SUCCEEDED: 60}))
    assert ReasonCode.TURN_WOULD_HARM not in {each.code for each in going.reasons}


def test_a_turn_is_not_told_where_nobody_is_left_to_notify() -> None:
    """There is no rate any more at which it could harm."""
    situation = situation_of({SUCCEEDED: 3000})
    assert situation.job
    done = replace(situation, job=replace(situation.job, is_concurrent=False))

    assert ReasonCode.TURN_WOULD_HARM not in {each.code for each in decide(done).reasons}


def test_missing_starts_are_told_with_their_number() -> None:
    """Why evidence is slower than it could be, one reason for each way of not knowing."""
    situation = situation_of({SUCCEEDED: 50, FAILED: 1})
    unplaced = decide(replace(situation, readiness=Readiness.UNPLACED))
    unstarted = decide(replace(situation, readiness=Readiness.UNSTARTED))

    assert given(unplaced, ReasonCode.COUNTERS_ONLY).values == {"unplaced": 0}
    assert given(unstarted, ReasonCode.STARTS_UNREPORTED).values == {}
    assert ReasonCode.COUNTERS_ONLY not in {each.code for each in unstarted.reasons}


def test_a_reason_is_given_once() -> None:
    """What leads the list does not come again among what else was considered."""
    for situation in (
        replace(situation_of({SUCCEEDED: 20, FAILED: 4}), upper_bound=0.02),
        situation_of({IN_PROGRESS: 10}),
        situation_of({SUCCEEDED: 3000}),
    ):
        codes = [each.code for each in decide(situation).reasons]
        assert len(codes) == len(set(codes))
