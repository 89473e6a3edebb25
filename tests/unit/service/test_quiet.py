"""Quiet: what a rollout at which nothing happens costs in calls; it does so for months."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.scenario.interference import Interference
from tests.unit.service.stage import POLICY, Stage
from tidegate.domain.course import Answer
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Asking, Cohorts, Gate, Policy, Soak, Stuck
from tidegate.domain.rollout import Tripwires
from tidegate.service.steer import Outcome

IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED


class Counting(Interference):
    """Counts calls by their names."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.calls: Counter[str] = Counter()

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Run one operation, and count it."""
        self.calls[operation] += 1
        with super().around(operation):
            yield


class QuietStage(Stage):
    """A job of which some devices are done and others at work, and nothing else comes in."""

    def __init__(self, policy: Policy = POLICY) -> None:
        """Steer it until the rate that its evidence allows is in force."""
        super().__init__(policy=policy)
        self.report(IN_PROGRESS, *range(8))
        self.steer(self.review())
        self.clock.advance(60)
        self.report(SUCCEEDED, 0, 1, 2)
        for _ in range(3):
            self.clock.advance(300)
            self.steer(self.review())
        self.clock.advance(300)
        self.jobs.faults = self.of_jobs = Counting()
        self.ledger.faults = self.of_ledger = Counting()

    def taken(self) -> tuple[Counter[str], Counter[str]]:
        """Return the calls of the job and of the ledger since this was asked last."""
        calls = self.of_jobs.calls, self.of_ledger.calls
        self.of_jobs.calls, self.of_ledger.calls = Counter(), Counter()
        return calls


@pytest.fixture
def stage() -> QuietStage:
    """Return a job at which nothing happens."""
    return QuietStage()


def reviewed(stage: QuietStage) -> Decision:
    """Return a review's decision, its calls not counted."""
    decision = stage.review()
    stage.taken()
    return decision


def test_a_review_reads_everything_once(stage: QuietStage) -> None:
    """ARCHITECTURE.md tells what it costs; only the job is looked at twice, and says why."""
    stage.review()

    assert stage.taken() == (
        {"describe": 2, "executions": 1},
        {
            "rollout": 1,
            "entry": 1,
            "things": 1,
            "counted": 1,
            "active": 1,
            "holds": 1,
            "store_decision": 1,
        },
    )


def test_cohorts_and_soaks_are_in_the_same_counters() -> None:
    """However much a policy has counted of devices, counters are read once."""
    soaking = replace(POLICY, soak=Soak(30), cohorts=Cohorts(("thing.attributes.hardware",)))
    stage = QuietStage(soaking)
    stage.review()
    _, of_ledger = stage.taken()

    assert of_ledger["counted"] == 1


def test_steering_reads_each_decision_once(stage: QuietStage) -> None:
    """The one to be applied and the one before it; answers and lifts are of no use to it."""
    decision = reviewed(stage)

    assert stage.steer(decision) is Outcome.UNCHANGED
    assert stage.taken() == ({"describe": 1}, {"entry": 2, "rollout": 1, "mark_applied": 1})


def test_parking_reads_totals_where_a_tripwire_is_set(stage: QuietStage) -> None:
    """ARCHITECTURE.md tells what it costs."""
    decision = reviewed(stage)
    stage.park("token", decision)

    assert stage.taken() == ({}, {"decision": 1, "park": 1, "rollout": 1, "totals": 1})


def test_parking_without_a_tripwire_reads_no_totals(stage: QuietStage) -> None:
    """No count can wake what waits for none."""
    last = stage.review()
    waits = replace(last, revision=last.revision + 1, tripwires=Tripwires())
    stage.ledger.store_decision(stage.key, waits, generation=1)
    stage.taken()
    stage.park("token", waits)

    assert stage.taken() == ({}, {"decision": 1, "park": 1, "rollout": 1})


def test_answers_are_read_where_something_may_be_asked() -> None:
    """And who resumed it last, only once somebody has said no."""
    gated = replace(POLICY, gates=(Gate("canary", 5, approval=Asking(within_minutes=600)),))
    stage = QuietStage(gated)
    asked = stage.review()
    _, before = stage.taken()
    question = asked.course.pending[0]
    no = Answer(question.question_id, yes=False, by="release-desk", comment="no", at=0.0)
    stage.ledger.give_answer(stage.key, no)
    stage.taken()
    stage.review()
    _, after = stage.taken()

    assert (before["answers"], before["lift"]) == (1, 0)
    assert (after["answers"], after["lift"]) == (1, 1)


def test_who_resumed_it_is_read_when_its_holds_are_gone(stage: QuietStage) -> None:
    """As long as it is held, nobody has."""
    stage.ask("Hold Rollout", at="2026-09-21T15:00:00Z")
    for _ in range(2):
        stage.steer(reviewed(stage))
        _, held = stage.taken()
        assert held["lift"] == 0
    stage.ask("Resume Rollout", at="2026-09-21T16:00:00Z")
    stage.steer(reviewed(stage))
    _, resumed = stage.taken()

    assert resumed["lift"] == 1


@pytest.mark.parametrize(("stuck", "looks"), [(None, 1), (Stuck(), 2)])
def test_attending_looks_again_only_for_what_an_outage_keeps(
    stuck: Stuck | None, looks: int
) -> None:
    """Whether devices soak through an outage concerns those that seem stuck, and nobody else."""
    stage = QuietStage(replace(POLICY, soak=Soak(30), stuck=stuck))
    stage.review()
    stage.taken()
    revision = stage.rollout.revision
    stage.taken()
    stage.attend(revision=revision)
    _, of_ledger = stage.taken()

    assert of_ledger["rollout"] == looks
