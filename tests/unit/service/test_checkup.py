"""A checkup finds what is not in order, says how to mend it, and what it could not see."""

from dataclasses import replace

import pytest

from tests.contract.samples import FRESH
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.surroundings import MemorySurroundings
from tidegate.domain.rollout import RolloutKey
from tidegate.ports import POLICY_TAG, Queue
from tidegate.service.checkup import (
    ASSUMED,
    DESCRIBE,
    GRANTS,
    LIST,
    QUOTAS,
    REPORT,
    UNPROBED,
    Checkup,
    Finding,
    Level,
    Plan,
    assumptions,
    calls_per_second,
)

NOW = 1_790_000_000.0


class Installation:
    """An installation in memory, all in order."""

    def __init__(self) -> None:
        """Put all in order."""
        self.clock = ManualClock(NOW)
        self.ledger = MemoryLedger()
        self.jobs = MemoryJobs(self.clock)
        self.around = MemorySurroundings(
            inboxes=[Queue("tidegate-events", 3, True), Queue("tidegate-events-dead", 0, None)],  # noqa: FBT003 - its reader
            quotas={each.code: each.default_per_second for each in QUOTAS},
            denials={function: {} for function in GRANTS},
            texts={"/tidegate/policies/firmware": '{"name": "firmware"}'},
        )

    def findings(self, plan: Plan | None = None) -> list[Finding]:
        """Return what a checkup finds."""
        return Checkup(self.around, self.jobs, self.ledger, self.clock).run(plan or Plan())

    def amiss(self) -> dict[str, tuple[Level, str]]:
        """Return what is not in order, by check."""
        return {
            each.check: (each.level, each.finding)
            for each in self.findings()
            if each.level is not Level.OK
        }


@pytest.fixture
def installation() -> Installation:
    """Return an installation in order."""
    return Installation()


def test_an_installation_in_order_passes(installation: Installation) -> None:
    """Where nothing is amiss, every check says so."""
    assert installation.amiss() == {}


def test_each_finding_that_is_not_ok_has_a_remedy(installation: Installation) -> None:
    """Whoever reads of trouble reads what to do about it."""
    installation.around.events["JOB"] = False
    installation.around.rules |= {"off": False, "gone": None}
    installation.around.hidden.add("policies")
    found = [each for each in installation.findings() if each.level is not Level.OK]

    assert len(found) == 4
    assert all(each.remedy for each in found)


def test_job_events_that_are_off_fail(installation: Installation) -> None:
    """Without events, outcomes are known late: that is told with the kind that is off."""
    installation.around.events["JOB_EXECUTION"] = False

    level, text = installation.amiss()["job events"]
    assert level is Level.FAIL
    assert "no JOB_EXECUTION events" in text


def test_rules_that_are_gone_or_off_fail(installation: Installation) -> None:
    """A rule hands nothing on if it is disabled or deleted; each is named."""
    installation.around.rules["tidegate_execution"] = False
    assert installation.amiss()["rules"] == (Level.FAIL, "disabled: tidegate_execution")

    installation.around.rules["tidegate_execution"] = None
    assert installation.amiss()["rules"] == (Level.FAIL, "gone: tidegate_execution")


@pytest.mark.parametrize(
    ("queue", "check", "level"),
    [
        (Queue("tidegate-in", 7, False), "queues", Level.FAIL),  # noqa: FBT003 - its reader
        (Queue("tidegate-in", 5000, True), "queues", Level.WARN),  # noqa: FBT003 - its reader
        (Queue("tidegate-in-dead", 2, None), "dead letters", Level.WARN),
    ],
)
def test_queues_that_do_not_drain_are_told(
    installation: Installation, queue: Queue, check: str, level: Level
) -> None:
    """A queue nobody reads, a backlog, and dead letters are told with name and number."""
    installation.around.inboxes.append(queue)

    found, text = installation.amiss()[check]
    assert found is level
    assert queue.name in text
    assert str(queue.waiting) in text


def test_a_denied_permission_fails(installation: Installation) -> None:
    """What a role may not do, as IAM simulates it, is told with its function."""
    installation.around.denials["steer"] = {"iot:CancelJob": True}
    installation.around.denials["sweep"] = {"iot:ListJobs": False}
    del installation.around.denials["review"]

    found = installation.amiss()
    assert found["permissions of steer"][0] is Level.FAIL
    assert "iot:CancelJob" in found["permissions of steer"][1]
    assert found["permissions of sweep"][0] is Level.WARN
    assert found["permissions of review"] == (Level.FAIL, "there is no such function")


def test_what_may_not_be_seen_is_unknown_and_leaves_the_others(installation: Installation) -> None:
    """A caller with few rights learns what could not be looked at, and all the rest."""
    installation.around.hidden |= {"denied", "queues"}
    found = installation.amiss()

    assert found["queues"][0] is Level.UNKNOWN
    assert "could not be looked at" in found["permissions of steer"][1]
    assert "rules" not in found


def test_a_plan_beyond_a_quota_is_warned_of(installation: Installation) -> None:
    """Rollouts that together need more calls than AWS takes are told before they are launched."""
    found = {each.check: each.level for each in installation.findings(Plan(20, 100_000))}

    assert found[f"quota of {REPORT.operation}"] is Level.WARN
    assert found[f"quota of {DESCRIBE.operation}"] is Level.OK


def test_a_quota_that_cannot_be_read_is_unknown(installation: Installation) -> None:
    """Where Service Quotas tells nothing, the plan is held against a default, and that is said."""
    installation.around.quotas.clear()
    level, text = installation.amiss()[f"quota of {DESCRIBE.operation}"]

    assert level is Level.UNKNOWN
    assert "by default" in text


def test_more_rollouts_need_more_calls() -> None:
    """What is needed of a quota grows with the rollouts, and of lists with their speed too."""
    one, five, slow = (calls_per_second(Plan(*each)) for each in ((1,), (5,), (1, 10_000, 10)))

    assert all(five[each] == pytest.approx(5 * one[each]) for each in QUOTAS)
    assert slow[LIST] < one[LIST]


def test_policies_that_cannot_be_read_fail(installation: Installation) -> None:
    """A parameter that holds no policy, or one of another name, is told before it is needed."""
    installation.around.texts = {
        "/tidegate/policies/bad": '{"name": "bad", "rings": 3}',
        "/tidegate/policies/mine": '{"name": "theirs"}',
    }
    found = [each for each in installation.findings() if each.check == "policies"]

    assert [each.level for each in found] == [Level.FAIL, Level.WARN]
    assert "rings: unknown key" in found[0].finding


def test_rollouts_whose_review_is_overdue_are_told(installation: Installation) -> None:
    """A rollout that nobody reviewed in time is named."""
    installation.ledger.claim(FRESH, previous=None)
    installation.clock.set(FRESH.enrolled_at + 10 * 86_400)

    level, text = installation.amiss()["rollouts"]
    assert level is Level.WARN
    assert FRESH.key.job_id in text


def test_tagged_jobs_without_a_rollout_are_told(installation: Installation) -> None:
    """A job that asks by its tag to be steered, and is not, is named; others are left alone."""
    installation.jobs.add("mine", tags={POLICY_TAG: "firmware"})
    installation.jobs.add("nobodys", tags={"team": "boilers"})
    steered = installation.jobs.add("theirs", tags={POLICY_TAG: "firmware"})
    rollout = replace(FRESH, key=RolloutKey("theirs", steered.created_at), enrolled_at=NOW)
    installation.ledger.claim(rollout, previous=None)

    level, text = installation.amiss()["tagged jobs"]
    assert level is Level.WARN
    assert text == f"tagged {POLICY_TAG} and not steered: mine"


def test_every_assumption_is_unknown_until_probed() -> None:
    """What AWS leaves open is listed, each with why it matters and how to find it out."""
    found = list(assumptions())

    assert len(found) == len(ASSUMED) + len(UNPROBED)
    assert {each.level for each in found} == {Level.UNKNOWN}
    assert all("--probe" in each.remedy for each in found[: len(ASSUMED)])
    assert found[len(ASSUMED) :] == list(UNPROBED)
    assert all("MQTT test client" in each.remedy for each in UNPROBED)
