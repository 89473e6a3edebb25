"""Alarms, calendars and other rollouts as a review finds them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.service.stage import JOB, POLICY, START, Stage
from tidegate.domain.course import Course
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import Freeze, Gate, Overlap, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending, Hold, HoldKind, RolloutKey
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.situation import REVIEW_MINUTES
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading
from tidegate.errors import Refused, RetryLater, TidegateError
from tidegate.service.standing import review_minutes

FROZEN = replace(POLICY, freeze=Freeze(alarms=("crashes",), calendars=("ops",)))
EARLIER = RolloutKey("earlier", int(START))
OK = AlarmReading(AlarmState.OK, START)


def frozen_stage(policy: Policy = FROZEN) -> Stage:
    """Return a stage whose policy watches an alarm and a calendar, both of which agree."""
    stage = Stage(policy=policy)
    stage.alarms.readings["crashes"] = OK
    stage.calendars.readings["ops"] = CalendarReading(is_open=True)
    return stage


def kinds(holds: tuple[Hold, ...]) -> list[tuple[str, str]]:
    """Return kind and name of each hold."""
    return [(each.kind.value, each.by) for each in holds]


def test_what_agrees_holds_nothing() -> None:
    """An alarm that is OK and a calendar that is open let it go on."""
    decision = frozen_stage().review()

    assert decision.verdict is Verdict.PROCEED
    assert decision.holds == ()


def test_an_alarm_holds_since_it_went_off() -> None:
    """The hold says which alarm it is, why it went off, and since when."""
    stage = frozen_stage()
    stage.alarms.readings["crashes"] = AlarmReading(AlarmState.ALARM, START - 50, "7 of 5 crashed")

    (hold,) = stage.review().holds

    assert hold == Hold(HoldKind.ALARM, "crashes", "in ALARM: 7 of 5 crashed", START - 50)


def test_a_closed_calendar_holds_since_it_was_first_seen_closed() -> None:
    """GetCalendarState tells no beginning: the first review that saw it does."""
    stage = frozen_stage()
    stage.calendars.readings["ops"] = CalendarReading(is_open=False)
    stage.steer(stage.review())
    stage.clock.advance(600)

    (hold,) = stage.review().holds

    assert (hold.kind, hold.by, hold.since) == (HoldKind.CALENDAR, "ops", START)


@pytest.mark.parametrize("error", [Refused("no permission"), RetryLater("Rate exceeded")])
@pytest.mark.parametrize("port", ["alarms", "calendars"])
def test_what_cannot_be_read_holds(port: str, error: TidegateError) -> None:
    """No data, no progress: a review goes on without it, and to nowhere."""
    stage = frozen_stage()
    getattr(stage, port).faults.before("read", error)

    decision = stage.review()

    assert decision.verdict is Verdict.HOLD
    (hold,) = decision.holds
    assert hold.by == port
    assert str(error) in hold.reason


def test_a_policy_that_asks_for_nothing_reads_nothing() -> None:
    """Alarms and calendars cost calls: only what the policy names is read."""
    stage = Stage()
    stage.alarms.faults.before("read", Refused("must not be asked"))
    stage.calendars.faults.before("read", Refused("must not be asked"))

    assert stage.review().verdict is Verdict.PROCEED


def test_a_gates_alarms_are_read_too() -> None:
    """They need not be among those that hold the rollout everywhere."""
    gate = Gate("canary", after_devices=5, alarms=("boots",))
    stage = Stage(policy=replace(POLICY, gates=(gate,)))
    stage.report(ExecutionStatus.IN_PROGRESS, *range(5))

    decision = stage.review()

    assert decision.verdict is Verdict.GATE
    texts = [each.text for each in decision.reasons]
    assert "gate canary: alarm boots is not OK but missing" in texts


def others(stage: Stage, number: int, *, harmed_beyond: int = 0) -> list[RolloutKey]:
    """Put so many other rollouts into the ledger."""
    keys = [RolloutKey(f"other-{index}", int(START)) for index in range(number)]
    for key in keys:
        stage.claim(key)
    if harmed_beyond:
        review_of(stage, keys[0], harmed_beyond)
    return keys


def review_of(stage: Stage, key: RolloutKey, harmed: int) -> None:
    """Let another rollout's review find so many harmed, of as many that started."""
    stage.jobs.add(key.job_id, settings=JobSettings(rollout=RolloutRate(5)))
    for number in range(harmed):
        stage.jobs.report(key.job_id, f"thing-{number}", ExecutionStatus.FAILED)
    own, stage.key = stage.key, key
    stage.steer(stage.review())
    stage.review()
    stage.key = own


@pytest.mark.parametrize(("budget", "verdict"), [(9.0, Verdict.HOLD), (10.0, Verdict.PROCEED)])
def test_all_rollouts_share_the_accounts_budget(budget: float, verdict: Verdict) -> None:
    """What others harmed beyond the acceptable holds this one too, once it is spent."""
    stage = Stage()
    stage.account_budget = budget
    others(stage, 1, harmed_beyond=10)

    decision = stage.review()

    assert decision.verdict is verdict
    assert kinds(decision.holds) == ([("account", "all rollouts")] if budget < 10 else [])


def test_what_a_release_harmed_does_not_hold_what_undoes_it() -> None:
    """The stopped rollout stays active for devices at work: its devices must not wait so long."""
    stage = Stage()
    stage.account_budget = 9.0
    (bad,) = others(stage, 1, harmed_beyond=10)
    rollout = stage.ledger.rollout(stage.key)
    stage.ledger.claim(replace(rollout, rolls_back=bad.job_id), previous=rollout)

    assert stage.review().holds == ()


def overlapping_stage(overlap: Overlap) -> Stage:
    """Return a stage whose rollout has things of another one that came first."""
    stage = Stage(policy=replace(POLICY, overlap=overlap))
    known = stage.rollout
    stage.claim(EARLIER)
    stage.ledger.claim(replace(known, overlaps=(EARLIER,)), previous=known)
    return stage


def test_an_overlapping_rollout_waits_until_the_other_is_over() -> None:
    """The rollout that came first holds this one, and lets it go by its end."""
    stage = overlapping_stage(Overlap.WAIT)
    assert kinds(stage.review().holds) == [("overlap", "earlier")]

    stage.ledger.conclude(EARLIER, generation=1, ending=Ending.COMPLETED, at=START)

    assert stage.review().holds == ()


def test_a_release_that_is_out_holds_nobody() -> None:
    """A CONTINUOUS job has no end; while it only guards who joins later, others go on."""
    stage = overlapping_stage(Overlap.WAIT)
    earlier = stage.ledger.rollout(EARLIER)
    stage.ledger.claim(replace(earlier, course=Course(is_guarding=True)), previous=earlier)

    assert stage.review().holds == ()


def test_what_undoes_the_other_one_holds_too() -> None:
    """A release must not come to devices first and be undone there by what is late."""
    stage, undoing = overlapping_stage(Overlap.WAIT), RolloutKey("undoing", int(START) + 60)
    stage.ledger.link_rollback(EARLIER, "undoing")
    stage.claim(undoing)
    stage.ledger.conclude(EARLIER, generation=1, ending=Ending.ABORTED, at=START)
    assert kinds(stage.review().holds) == [("overlap", "undoing")]

    stage.ledger.conclude(undoing, generation=1, ending=Ending.COMPLETED, at=START)

    assert stage.review().holds == ()


def test_a_new_job_of_the_other_one_s_id_holds_nothing() -> None:
    """Deleted, the other one is over; what was created under its id since is none of these."""
    stage = overlapping_stage(Overlap.WAIT)
    stage.claim(RolloutKey("earlier", int(START) + 60))

    assert stage.review().holds == ()


@pytest.mark.parametrize("overlap", [Overlap.WARN, Overlap.GO])
def test_an_overlap_holds_only_where_the_policy_says_so(overlap: Overlap) -> None:
    """Told or not, it goes on."""
    assert overlapping_stage(overlap).review().verdict is Verdict.PROCEED


@pytest.mark.parametrize(
    ("rollouts", "minutes"), [(1, REVIEW_MINUTES), (80, REVIEW_MINUTES), (200, 2.0), (500, 5.0)]
)
def test_reviews_are_shared_fairly(rollouts: int, minutes: float) -> None:
    """Together they make no more than half of the calls that AWS allows."""
    assert review_minutes(rollouts) == pytest.approx(minutes)


def test_a_rollout_among_many_goes_as_fast_as_its_reviews_come() -> None:
    """Three of AWS's batches may fall between reviews two minutes apart: each gets a third."""
    alone, among = Stage(), Stage()
    others(among, 199)

    whole, third = alone.review(), among.review()

    assert third.wait_seconds == 120
    assert third.settings.rate_per_minute == whole.settings.rate_per_minute // 3
    assert ReasonCode.REVIEWS_SHARED in [each.code for each in third.reasons]


def test_what_devices_report_being_unreadable_holds(make_stage: Callable[[], Stage]) -> None:
    """A list that stays throttled leaves a decision to hold, and not a workflow that died."""
    stage = make_stage()
    stage.jobs.faults.before("executions", RetryLater("Rate exceeded"))

    decision = stage.review()

    assert decision.verdict is Verdict.HOLD
    assert decision.summary.startswith("evidence hold by outcomes since ")
    assert decision.summary.endswith(": not readable: Rate exceeded")
    assert stage.review().verdict is Verdict.PROCEED


@pytest.fixture
def make_stage() -> Callable[[], Stage]:
    """Return what makes a stage whose first settings are installed, with a device at work."""

    def make() -> Stage:
        stage = Stage()
        stage.steer(stage.review())
        stage.report(ExecutionStatus.IN_PROGRESS, 1)
        return stage

    return make


def test_settings_changed_by_hand_are_put_back_and_told_once(
    make_stage: Callable[[], Stage],
) -> None:
    """Whoever turns the rate in AWS's console hears that the rollout is steered."""
    stage = make_stage()
    stage.clock.advance(60)
    stage.jobs.update(JOB, JobSettings(rollout=RolloutRate(900)))

    decision = stage.review()
    stage.steer(decision)

    assert ReasonCode.SETTINGS_DRIFTED in [each.code for each in decision.reasons]
    assert stage.job.settings.rate_per_minute == decision.settings.rate_per_minute < 900
    (problem,) = stage.problems
    assert "jobExecutionsRolloutConfig" in problem["problem"]


def test_settings_that_aws_shows_late_are_no_drift(make_stage: Callable[[], Stage]) -> None:
    """Right after UpdateJob, DescribeJob may still show what was in force before."""
    stage = make_stage()
    stage.jobs.update(JOB, JobSettings(rollout=RolloutRate(900)))

    codes = [each.code for each in stage.review().reasons]

    assert ReasonCode.SETTINGS_DRIFTED not in codes


def test_a_job_that_is_not_there_yet_is_no_drift() -> None:
    """A SCHEDULED job has the settings of whoever created it."""
    stage = Stage()
    stage.jobs.change(JOB, status=JobStatus.SCHEDULED)
    stage.steer(stage.review())
    stage.clock.advance(600)
    stage.jobs.change(JOB, status=JobStatus.IN_PROGRESS)

    assert stage.review().attention is None
