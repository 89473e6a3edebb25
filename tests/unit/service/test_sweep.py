"""Sweeps: tagged jobs are found, dead workflows healed, and people told once of what is wrong."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.unit.service.stage import JOB, START, Stage
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters
from tidegate.domain.jobs import JobStatus
from tidegate.domain.rollout import Ending, RolloutKey
from tidegate.errors import NotFound, Refused, RetryLater
from tidegate.ports import POLICY_TAG
from tidegate.service import sweep as sweep_module
from tidegate.service.finding import NEW_JOB_GRACE_SECONDS
from tidegate.service.healing import HEALS_MAX
from tidegate.service.sweep import GRACE_SECONDS, LATE_SECONDS, Sweeping, Swept

HOUR_SECONDS = 3600
CREATED_AT = int(START)


@dataclass(frozen=True)
class Watch:
    """A stage, and what sweeps it each minute."""

    stage: Stage
    dead_letters: MemoryDeadLetters
    #: Ids of the jobs whose tags were read, in that order.
    tags_read: list[str]

    def sweep(self, *, after: float = 60.0) -> Swept:
        """Sweep so many seconds from now."""
        self.stage.clock.advance(after)
        return Sweeping(
            jobs=self.stage.jobs,
            ledger=self.stage.ledger,
            workflow=self.stage.workflow,
            dead_letters=self.dead_letters,
            bus=self.stage.bus,
            clock=self.stage.clock,
        ).sweep()

    @property
    def started(self) -> dict[str, Any]:
        """What was started besides the rollout's own workflow."""
        begun = self.stage.workflow.started.items()
        return {name: given for name, given in begun if name != "owner"}

    def let_take_over(self, execution_arn: str) -> None:
        """Let another execution own the rollout from now on."""
        known = self.stage.rollout
        successor = replace(known, generation=known.generation + 1, execution_arn=execution_arn)
        self.stage.ledger.claim(successor, previous=known)

    @property
    def problems(self) -> list[str]:
        """What people were told to look at, oldest first."""
        return [each["problem"] for each in self.stage.problems]


@pytest.fixture
def watch() -> Watch:
    """Return an enrolled job whose workflow waits, and two dead-letter queues that are empty."""
    stage = Stage()
    stage.park("token", stage.review())
    tags_read: list[str] = []
    read_tags = stage.jobs.tags

    def tags(job_arn: str) -> dict[str, str]:
        tags_read.append(job_arn.rpartition("/")[2])
        return read_tags(job_arn)

    stage.jobs.tags = tags  # type: ignore[method-assign]
    return Watch(stage, MemoryDeadLetters({"signal-dead": 0, "record-dead": 0}), tags_read)


@pytest.fixture
def dead(watch: Watch) -> Watch:
    """Return one whose workflow died, and whose review is overdue beyond all grace."""
    watch.stage.workflow.end(watch.stage.owner)
    (active,) = watch.stage.ledger.active()
    watch.stage.clock.advance(active.review_by + GRACE_SECONDS + 1 - watch.stage.clock.now())
    return watch


def test_where_all_is_well_nothing_happens(watch: Watch) -> None:
    """Nothing is started, nobody is told, and of jobs that are steered no tags are read."""
    assert watch.sweep() == Swept()
    assert watch.started == {}
    assert watch.stage.bus.published == []
    assert watch.tags_read == []


def test_where_all_is_well_nothing_is_written(watch: Watch) -> None:
    """Each minute of a year, a look tells that no alert is to be cleared."""
    watch.stage.ledger.faults.before("clear_alert", AssertionError("written"))

    assert watch.sweep() == Swept()


# tagged jobs


def test_a_tagged_job_is_enrolled_once(watch: Watch) -> None:
    """By one execution, named by the job, under the policy that the tag names."""
    watch.stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    first, second = watch.sweep(), watch.sweep()

    assert (first.found, second.found) == (("new",), ())
    ((name, given),) = watch.started.items()
    assert name == f"new-{CREATED_AT}-tag"
    assert (given["jobId"], given["policy"]) == ("new", "firmware")


def test_a_job_that_another_environment_is_to_steer_is_left_to_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several Tidegates in an account each heeds a tag of its own, and no other."""
    monkeypatch.setattr(watch.stage.jobs, "policy_tag", "tidegate:staging:policy")
    watch.stage.jobs.add("theirs", tags={POLICY_TAG: "firmware"})
    watch.stage.jobs.add("ours", tags={"tidegate:staging:policy": "firmware"})

    assert watch.sweep().found == ("ours",)


def test_the_longest_of_ids_leaves_room_for_its_name(watch: Watch) -> None:
    """Step Functions takes 80 characters."""
    watch.stage.jobs.add("n" * 64, tags={POLICY_TAG: "firmware"})
    watch.sweep()

    assert list(watch.started) == [f"{'n' * 64}-{CREATED_AT}-tag"]


def test_a_job_of_the_last_seconds_is_left_to_its_launch(watch: Watch) -> None:
    """Launched by Tidegate, it is about to be claimed; the next sweep finds what is not."""
    watch.stage.jobs.add("new", tags={POLICY_TAG: "firmware"})

    assert watch.sweep(after=NEW_JOB_GRACE_SECONDS - 1).found == ()
    assert watch.sweep(after=1).found == ("new",)


def test_a_job_of_an_id_that_was_steered_before_is_new(watch: Watch) -> None:
    """Ids are reusable: what was known of the job before it says nothing of this one."""
    watch.stage.jobs.delete(JOB)
    watch.stage.clock.advance(600)
    watch.stage.jobs.add(JOB, tags={POLICY_TAG: "firmware"})

    assert watch.sweep().found == (JOB,)
    assert list(watch.started) == [f"{JOB}-{CREATED_AT + 600}-tag"]


def test_a_job_whose_rollout_has_ended_is_not_begun_again(watch: Watch) -> None:
    """Completed at a share, it stays active for its stragglers, and tagged."""
    watch.stage.ledger.conclude(watch.stage.key, generation=1, ending=Ending.COMPLETED, at=START)

    assert watch.sweep().found == ()
    assert watch.started == {}


def test_of_a_job_without_the_tag_nothing_else_is_read(watch: Watch) -> None:
    """It is none of Tidegate's."""
    watch.stage.jobs.add("other", tags={"team": "pumps"})
    for operation in ("describe", "executions", "things_in"):
        watch.stage.jobs.faults.before(operation, AssertionError(operation))

    assert watch.sweep() == Swept()
    assert watch.tags_read == ["other"]


def test_a_job_that_is_over_is_not_looked_at(watch: Watch) -> None:
    """There is nothing to steer."""
    watch.stage.jobs.add("old", tags={POLICY_TAG: "firmware"})
    watch.stage.jobs.change("old", status=JobStatus.COMPLETED)

    assert watch.sweep().found == ()


def test_a_job_that_is_tagged_later_is_found(watch: Watch) -> None:
    """Those without the tag are looked at again."""
    watch.stage.jobs.add("late")
    assert watch.sweep().found == ()
    watch.stage.jobs.tag(watch.stage.jobs.arn("late"), {POLICY_TAG: "firmware"})

    assert watch.sweep().found == ("late",)


def test_a_tag_that_is_corrected_counts_anew(watch: Watch) -> None:
    """The enrolment under a misspelt policy was refused; each policy is tried once."""
    arn = watch.stage.jobs.arn("new")
    watch.stage.jobs.add("new", tags={POLICY_TAG: "firmwear"})
    found = [watch.sweep().found]
    watch.stage.jobs.tag(arn, {POLICY_TAG: "firmware"})
    found += [watch.sweep().found, watch.sweep().found]

    assert found == [("new",), ("new",), ()]
    assert [each["policy"] for each in watch.started.values()] == ["firmwear", "firmware"]


def test_new_jobs_come_first_and_the_newest_of_them(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then those looked at longest ago, so that each has its turn; both within a limit."""
    monkeypatch.setattr(sweep_module, "NEW_TAGS_READ_MAX", 2)
    monkeypatch.setattr(sweep_module, "TAGS_READ_AGAIN_MAX", 1)
    for name in ("a", "b", "c"):
        watch.stage.clock.advance(1)
        watch.stage.jobs.add(name)
    turns = []
    for _ in range(5):
        before = len(watch.tags_read)
        watch.sweep()
        turns.append(watch.tags_read[before:])

    assert turns == [["c", "b"], ["a", "b"], ["c"], ["a"], ["b"]]


def test_a_job_among_two_hundred_is_found_at_once(watch: Watch) -> None:
    """However many are known to be without the tag; and of those, each is seen within minutes."""
    for number in range(200):
        watch.stage.jobs.add(f"other-{number}")
    watch.sweep()
    watch.stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    assert watch.sweep().found == ("new",)

    watch.stage.jobs.tag(watch.stage.jobs.arn("other-7"), {POLICY_TAG: "firmware"})
    found = [watch.sweep().found for _ in range(7)]
    assert ("other-7",) in found


def test_a_job_that_is_deleted_meanwhile_stops_nothing(watch: Watch) -> None:
    """It was listed, and is gone when its tags are read."""
    watch.stage.clock.advance(1)
    watch.stage.jobs.add("gone")
    watch.stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    watch.stage.jobs.faults.before("tags", NotFound("gone"))

    assert watch.sweep().found == ("new",)


@pytest.mark.parametrize(
    ("port", "operation"), [("jobs", "tags"), ("workflow", "start"), ("ledger", "note_tagged")]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_enrolment_that_died_midway_is_begun_by_the_next_sweep(
    watch: Watch, port: str, operation: str, when: str
) -> None:
    """A tag is remembered only once it was heeded; the name keeps it from being heeded twice."""
    watch.stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    faults = getattr(watch.stage, port).faults
    getattr(faults, when)(operation, RetryLater("throttled"))
    assert watch.sweep().faults == ("throttled",)
    watch.sweep()

    assert list(watch.started) == [f"new-{CREATED_AT}-tag"]


def test_more_jobs_than_are_read_are_told_of_once(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not looked at is no secret; the first pages are."""
    monkeypatch.setattr(sweep_module, "PAGES_MAX", 2)
    watch.stage.jobs.page_size = 1
    for number in range(5):
        watch.stage.jobs.add(f"job-{number}", tags={POLICY_TAG: "firmware"})
    alerts = [watch.sweep().alerts for _ in range(2)]

    assert [len(each) for each in alerts] == [1, 0]
    assert "more jobs are active than a sweep reads" in watch.problems[0]


# workflows that stand still


def test_a_dead_workflow_is_healed(dead: Watch) -> None:
    """Another execution takes the rollout over where the dead one left it."""
    assert dead.sweep().healed == (JOB,)
    ((name, given),) = dead.started.items()
    assert name == f"{JOB}-{CREATED_AT}-1-heal-1"
    assert given["resume"] == {
        "createdAt": CREATED_AT,
        "generation": 1,
        "fromExecution": dead.stage.owner,
    }
    (active,) = dead.stage.ledger.active()
    assert (active.heals, active.healed_at) == (1, dead.stage.clock.now())


def test_rollouts_are_healed_before_jobs_are_looked_for(dead: Watch) -> None:
    """Looking through many jobs takes time, and a sweep has little; who is steered comes first."""
    dead.stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    dead.stage.clock.advance(60)
    dead.sweep()

    healed, found = dead.started.values()
    assert "resume" in healed
    assert found["jobId"] == "new"


def test_a_review_that_is_hardly_overdue_is_waited_for(watch: Watch) -> None:
    """Retries take their time; whether a workflow runs is not even asked."""
    watch.stage.workflow.end(watch.stage.owner)
    watch.stage.workflow.faults.before("is_running", RetryLater("asked"))
    (active,) = watch.stage.ledger.active()
    overdue = active.review_by + GRACE_SECONDS - watch.stage.clock.now()

    assert watch.sweep(after=overdue) == Swept()
    assert watch.sweep(after=1).faults == ("asked",)


def test_a_heal_has_time_to_take_over(dead: Watch) -> None:
    """The next sweep starts no other, the third does."""
    assert [dead.sweep().healed for _ in range(3)] == [(JOB,), (), (JOB,)]
    assert list(dead.started) == [f"{JOB}-{CREATED_AT}-1-heal-{n}" for n in (1, 2)]


def test_a_heal_that_takes_over_is_the_last(dead: Watch) -> None:
    """Its review is due anew, and the count begins anew."""
    dead.sweep(after=0)
    arn = dead.stage.workflow.arn(f"{JOB}-{CREATED_AT}-1-heal-1")
    dead.let_take_over(arn)
    dead.stage.review(generation=2)

    assert dead.sweep() == Swept()
    (active,) = dead.stage.ledger.active()
    assert active.heals == 0


def test_healing_in_vain_is_told_once_and_goes_on_by_the_hour(dead: Watch) -> None:
    """People learn what to do; nobody is told each minute, and nothing is given up."""
    healed = [dead.sweep().healed for _ in range(60)]

    assert sum(map(len, healed)) == HEALS_MAX
    (problem,) = dead.problems
    assert f"{HEALS_MAX} times has led to no decision" in problem
    assert "aws iot cancel-job" in dead.stage.problems[0]["remedy"]
    later = [dead.sweep().healed for _ in range(60)]
    assert sum(map(len, later)) == 1
    assert len(dead.problems) == 1


def test_what_died_again_after_a_decision_is_news(dead: Watch) -> None:
    """Of each review that stays undone, people are told anew."""
    for _ in range(10):
        dead.sweep()
    dead.let_take_over(dead.stage.owner)
    dead.stage.review(generation=2)
    (active,) = dead.stage.ledger.active()
    dead.stage.clock.advance(active.review_by + GRACE_SECONDS - dead.stage.clock.now())
    for _ in range(10):
        dead.sweep()

    assert len(dead.problems) == 2


def test_a_workflow_that_runs_and_does_not_review_is_told_of_once(watch: Watch) -> None:
    """It may hang, or fail and be retried: a second one would not help."""
    (active,) = watch.stage.ledger.active()
    watch.stage.clock.advance(active.review_by + LATE_SECONDS - watch.stage.clock.now())
    swept = [watch.sweep(after=after) for after in (0, 1, 60)]

    assert [len(each.alerts) for each in swept] == [0, 1, 0]
    assert "15 minutes overdue, although its workflow runs" in watch.problems[0]
    assert watch.started == {}


def test_a_heal_that_took_over_has_time_to_review(dead: Watch) -> None:
    """However long the review is overdue by then."""
    dead.stage.clock.advance(HOUR_SECONDS)
    dead.sweep()
    dead.let_take_over(dead.stage.workflow.arn(f"{JOB}-{CREATED_AT}-1-heal-1"))

    assert dead.sweep() == Swept()


def test_a_rollout_that_has_ended_is_not_healed(dead: Watch) -> None:
    """Its workflow is over because its work is done."""
    dead.stage.ledger.conclude(dead.stage.key, generation=1, ending=Ending.COMPLETED, at=START)

    assert dead.sweep().healed == ()


def test_a_rollout_that_cannot_be_healed_keeps_no_other_from_it(dead: Watch) -> None:
    """What is wrong with one is a fault of the sweep, which others do not suffer from."""
    dead.stage.claim(RolloutKey("another", CREATED_AT))
    dead.stage.clock.advance(HOUR_SECONDS)
    dead.stage.workflow.faults.before("is_running", Refused("not authorized"))
    swept = dead.sweep()

    assert swept.faults == ("not authorized",)
    assert len(swept.healed) == 1


def test_where_too_many_are_overdue_each_has_its_turn(
    dead: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that a sweep does not reach are reached by the next ones."""
    monkeypatch.setattr(sweep_module, "OVERDUE_MAX", 2)
    for name in ("a", "b", "c", "d"):
        dead.stage.claim(RolloutKey(name, CREATED_AT))
    dead.stage.clock.advance(HOUR_SECONDS)
    healed = [dead.sweep().healed for _ in range(3)]

    assert [len(each) for each in healed] == [2, 2, 2]
    assert {each for sweep in healed for each in sweep} == {"a", "b", "c", "d", JOB}


@pytest.mark.parametrize("operation", ["start", "note_heal"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_heal_that_died_midway_is_done_by_the_next_sweep(
    dead: Watch, operation: str, when: str
) -> None:
    """Noted or not, one execution is started, and not one more."""
    port = dead.stage.workflow if operation == "start" else dead.stage.ledger
    getattr(port.faults, when)(operation, RetryLater("throttled"))
    assert dead.sweep().faults == ("throttled",)
    dead.sweep()

    assert list(dead.started) == [f"{JOB}-{CREATED_AT}-1-heal-1"]


# the account


def test_job_events_are_switched_on_again(watch: Watch) -> None:
    """People are told each time that somebody switched them off, and only then."""
    alerts = []
    for is_on in (False, True, True, False):
        watch.stage.jobs.events["JOB_EXECUTION"] = is_on
        alerts.append(len(watch.sweep().alerts))

    assert alerts == [1, 0, 0, 1]
    assert watch.stage.jobs.events["JOB_EXECUTION"]
    assert "switched them on again" in watch.problems[0]
    assert "jobId" not in watch.stage.problems[0]


def test_dead_letters_are_told_of_once_until_they_are_gone(watch: Watch) -> None:
    """Each queue by itself; filled anew, it is news again."""
    alerts = []
    for depths in ((1, 0), (5, 0), (5, 2), (0, 2), (1, 2)):
        watch.dead_letters.waiting = dict(zip(("signal-dead", "record-dead"), depths, strict=True))
        alerts.append(watch.sweep().alerts)

    signal, record = "dead letters in signal-dead", "dead letters in record-dead"
    assert alerts == [(signal,), (), (record,), (), (signal,)]
    assert "dead-letter queue signal-dead (1 of them)" in watch.problems[0]
    assert "redrive" in watch.stage.problems[0]["remedy"]


def test_an_alert_that_the_bus_does_not_take_is_told_by_the_next_sweep(watch: Watch) -> None:
    """It is news until people know."""
    watch.dead_letters.waiting["signal-dead"] = 3
    watch.stage.bus.refuses = lambda _: True
    assert len(watch.sweep().faults) == 1
    watch.stage.bus.refuses = lambda _: False

    assert watch.sweep().alerts == ("dead letters in signal-dead",)


@pytest.mark.parametrize(
    ("port", "operation"),
    [
        ("stage.jobs", "execution_events_enabled"),
        ("dead_letters", "depths"),
        ("stage.jobs", "active"),
        ("stage.ledger", "tagged"),
    ],
)
def test_what_fails_keeps_nothing_else_from_being_seen_to(
    dead: Watch, port: str, operation: str
) -> None:
    """Each part stands alone; the fault is told."""
    holder: Any = dead
    for name in port.split("."):
        holder = getattr(holder, name)
    holder.faults.before(operation, Refused("not authorized"))
    swept = dead.sweep()

    assert swept.faults == ("not authorized",)
    assert swept.healed == (JOB,)
