"""Rollouts that come to share things while both are under way: people hear of each pair once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.service.stage import JOB, POLICY, Stage
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.domain.policy import Overlap
from tidegate.domain.rollout import Ending, Rollout, RolloutKey
from tidegate.errors import RetryLater
from tidegate.ports import POLICY_TAG
from tidegate.service.attend import Attendance
from tidegate.service.overlap import tell_late_overlaps

GROUPS = "arn:aws:iot:eu-central-1:111122223333:thinggroup/"


class Account(Stage):
    """A rollout of a CONTINUOUS job on a group of its own, and others that begin later."""

    def __init__(self, overlap: Overlap = Overlap.WARN) -> None:
        """Let the group have one thing."""
        super().__init__(policy=replace(POLICY, overlap=overlap))
        self.jobs.groups["own"] = {"thing-1"}
        self.jobs.change(JOB, targets=(f"{GROUPS}own",), is_continuous=True)

    def other(self, job_id: str, *things: str, overlap: Overlap = Overlap.WARN) -> Rollout:
        """Enroll another job a minute later, on a group of its own with these things."""
        self.clock.advance(60)
        self.jobs.groups[job_id] = set(things)
        self.jobs.add(job_id, targets=[f"{GROUPS}{job_id}"], tags={POLICY_TAG: POLICY.name})
        key = RolloutKey(job_id, int(self.clock.now()))
        self.claim(key, policy=replace(POLICY, overlap=overlap))
        return self.ledger.rollout(key)

    def look(self) -> None:
        """Look which others have some of the same things by now."""
        tell_late_overlaps(
            self.rollout,
            self.job,
            jobs=self.jobs,
            ledger=self.ledger,
            bus=self.bus,
            at=self.clock.now(),
        )


@pytest.fixture
def account() -> Account:
    """Return an account with one rollout."""
    return Account()


def test_a_thing_that_joins_is_told_once(account: Account) -> None:
    """The rollout that began later is the one that people hear about, by either one's look."""
    other = account.other("second", "thing-2")
    account.look()
    assert account.problems == []
    account.jobs.groups["own"].add("thing-2")
    for _ in range(2):
        account.look()
        tell_late_overlaps(
            other,
            account.jobs.describe("second"),
            jobs=account.jobs,
            ledger=account.ledger,
            bus=account.bus,
            at=account.clock.now(),
        )

    (told,) = account.problems
    assert told["jobId"] == "second"
    assert f"job second has some of the same things as job {JOB}" in told["problem"]


def test_a_pair_that_is_known_is_not_listed_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large groups take long to list."""
    account.other("second", "thing-1")
    account.look()
    assert len(account.problems) == 1
    monkeypatch.setattr(account.jobs, "things_in", lambda _: pytest.fail("listed again"))

    account.look()


def test_each_pair_is_told_of(account: Account) -> None:
    """One that comes later is news, and so is a new job under the id of one that was deleted."""
    account.other("second", "thing-1")
    account.look()
    account.other("third", "thing-1")
    account.look()
    account.jobs.delete("second")
    account.other("second", "thing-1")
    account.look()

    assert [each["jobId"] for each in account.problems] == ["second", "third", "second"]


def test_what_was_noted_at_enrolment_is_no_news(account: Account) -> None:
    """People were told then, or the rollout is held."""
    other = account.other("second", "thing-1")
    account.ledger.claim(replace(other, overlaps=(account.key,)), previous=other)
    account.look()

    assert account.problems == []


@pytest.mark.parametrize("undone", [JOB, "second"])
def test_a_rollback_is_no_overlap(account: Account, undone: str) -> None:
    """It is for the very things of what it undoes."""
    other = account.other("second", "thing-1")
    own = account.rollout
    undoes, released = (other, own) if undone == JOB else (own, other)
    changed = replace(undoes, rolls_back=released.key.job_id)
    account.ledger.claim(changed, previous=undoes)
    account.look()

    assert account.problems == []


def test_a_rollback_is_no_news_to_what_waits_for_it() -> None:
    """Held until the release it waited for is undone, it meets neither on a device."""
    account, bad = Account(Overlap.WAIT), RolloutKey("bad", 1)
    own = account.rollout
    account.ledger.claim(replace(own, overlaps=(bad,)), previous=own)
    undoes = account.other("second", "thing-1")
    account.ledger.claim(replace(undoes, rolls_back="bad"), previous=undoes)
    account.look()

    assert account.problems == []


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        (Overlap.GO, Overlap.WARN, True),
        (Overlap.GO, Overlap.WAIT, True),
        (Overlap.WARN, Overlap.GO, False),
    ],
)
def test_the_policy_of_the_later_one_says_whether_it_is_told(
    first: Overlap, second: Overlap, *, is_told: bool
) -> None:
    """As it would at its enrolment; one that waits cannot any more, and is not held either."""
    account = Account(first)
    account.other("second", "thing-1", overlap=second)
    account.look()

    assert len(account.problems) == is_told
    assert account.ledger.current(["second"])["second"].overlaps == ()


def test_a_rollout_that_has_ended_shares_nothing(account: Account) -> None:
    """Only those that go on are looked at."""
    other = account.other("second", "thing-1")
    account.ledger.conclude(other.key, generation=1, ending=Ending.COMPLETED, at=0.0)
    account.look()

    assert account.problems == []


def test_what_the_bus_does_not_take_is_told_by_the_next_look(account: Account) -> None:
    """It is remembered only once it was told."""
    account.other("second", "thing-1")
    account.bus.refuses = lambda _: True
    with pytest.raises(RetryLater):
        account.look()
    account.bus.refuses = lambda _: False
    account.look()

    assert len(account.problems) == 1


def test_attending_looks_where_the_decision_says_so(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists are read for that now and then, not in each pass that looks after devices."""
    account.other("second", "thing-1")
    listed: list[Sequence[str]] = []
    things_in = MemoryJobs.things_in

    def noted(jobs: MemoryJobs, targets: Sequence[str]) -> frozenset[str] | None:
        listed.append(targets)
        return things_in(jobs, targets)

    monkeypatch.setattr(MemoryJobs, "things_in", noted)
    decision = account.review()
    assert decision.attends
    assert decision.course.compared_at == account.clock.now()
    assert account.attend().outcome is Attendance.ATTENDED
    assert len(listed) == 2
    assert len(account.problems) == 1

    account.other("third", "thing-1")
    account.review()
    known = account.rollout
    looked_at = replace(known.course, attended_at=account.clock.now())
    account.ledger.claim(replace(known, course=looked_at), previous=known)
    account.attend()
    assert len(listed) == 2


def test_of_a_job_that_is_stopped_nothing_is_compared(account: Account) -> None:
    """It gives nothing to devices any more but what undoes it."""
    account.other("second", "thing-1")
    account.review()
    known = account.rollout
    account.ledger.claim(replace(known, aborting=True), previous=known)
    account.attend()

    assert account.problems == []
