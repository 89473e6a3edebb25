"""
A checkup: is everything in place for rollouts to be steered, and what cannot be told from here?

Each check is made by itself, so that one that AWS denies leaves the others; it then says what could
not be looked at. Nothing is changed.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice

from tidegate.documents.policy import parse_policy_json
from tidegate.domain.jobs import JobListing
from tidegate.domain.settings import RATE_PER_MINUTE_MAX
from tidegate.domain.situation import REVIEW_MINUTES
from tidegate.errors import Refused, TidegateError
from tidegate.ports import Clock, Jobs, Ledger, Quota, Surroundings

#: Active jobs that are looked at, and of those without a rollout, those whose tags are read.
JOB_PAGES_MAX = 20
TAGS_READ_MAX = 100

#: A rollout whose review is late by more than this is told.
OVERDUE_SECONDS = 300.0

#: Names that one finding repeats.
_NAMED_MAX = 5

#: Messages that wait in a queue that drains.
_BACKLOG = 1000

#: Rows of executions on one page of AWS's, and pages of one review.
_PAGE_ROWS = 250
_PAGES_MAX = 15

#: From this share of a quota on, others who call the same do harm.
_NEAR = 0.7


class Level(StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one check found.

    Attributes:
        check: What was looked at.
        level: How it stands.
        finding: In a sentence.
        remedy: What to do; empty where there is nothing to do.
    """

    check: str
    level: Level
    finding: str
    remedy: str = ""


DESCRIBE = Quota("L-609D00CE", "DescribeJob", 10)
UPDATE = Quota("L-7365ADF8", "UpdateJob", 10)
LIST = Quota("L-9CCB5F90", "ListJobExecutionsForJob", 10)
REPORT = Quota("L-C8F5F7B3", "StartNext and UpdateJobExecution", 200)
QUOTAS = (DESCRIBE, UPDATE, LIST, REPORT)

#: What roles must be allowed in AWS IoT, by what their function's name ends in.
GRANTS: Mapping[str, tuple[str, ...]] = {
    "review": ("iot:DescribeJob", "iot:ListJobExecutionsForJob"),
    "steer": ("iot:UpdateJob", "iot:CancelJob"),
    "enroll": ("iot:DescribeJob", "iot:CreateJob", "iot:TagResource", "iot:ListThingsInThingGroup"),
    "sweep": ("iot:ListJobs", "iot:DescribeEventConfigurations", "iot:UpdateEventConfigurations"),
    "signal": ("iot:DescribeJob", "iot:ListTagsForResource"),
    "record": ("iot:DescribeThing", "iot:ListThingGroupsForThing"),
    "attend": (
        "iot:DescribeJobExecution",
        "iot:CancelJobExecution",
        "iotjobsdata:UpdateJobExecution",
        "iot:DescribeThing",
        "iot:SearchIndex",
    ),
    "roll-back": (
        "iot:ListJobExecutionsForJob",
        "iot:CreateThingGroup",
        "iot:AddThingToThingGroup",
    ),
    "relay": (
        "iot:DescribeJobExecution",
        "iotjobsdata:UpdateJobExecution",
        "iot:ListThingGroupsForThing",
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Rollouts that somebody plans: how many at once, of how many devices each."""

    rollouts: int = 1
    devices: int = 10_000
    per_minute: int = RATE_PER_MINUTE_MAX


@dataclass(frozen=True, slots=True)
class Checkup:
    """The ports that a checkup needs."""

    surroundings: Surroundings
    jobs: Jobs
    ledger: Ledger
    clock: Clock

    def run(self, plan: Plan) -> list[Finding]:
        """Return what all checks found, in their order."""
        checks: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
            ("job events", self._events),
            ("rules", self._rules),
            ("queues", self._queues),
            ("permissions", self._permissions),
            ("quotas", lambda: self._quotas(plan)),
            ("policies", self._policies),
            ("rollouts", self._rollouts),
            ("tagged jobs", self._tagged),
        )
        return [each for name, check in checks for each in _made(name, check)]

    def _events(self) -> Iterator[Finding]:
        off = [kind for kind, is_on in self.surroundings.events_enabled().items() if not is_on]
        if off:
            yield Finding(
                "job events",
                Level.FAIL,
                f"the account publishes no {' and no '.join(off)} events: outcomes are known late, "
                "from lists alone",
                "Tidegate's sweep switches them on each minute: look at its log, and at who "
                "switches them off",
            )
        else:
            yield Finding("job events", Level.OK, "the account publishes them")

    def _rules(self) -> Iterator[Finding]:
        rules = self.surroundings.rules_enabled()
        gone = [name for name, is_on in rules.items() if is_on is None]
        off = [name for name, is_on in rules.items() if is_on is False]
        if gone:
            remedy = "deploy the stack again"
            yield Finding("rules", Level.FAIL, f"gone: {_named(gone)}", remedy)
        if off:
            remedy = "enable them: what they hand on is lost meanwhile"
            yield Finding("rules", Level.FAIL, f"disabled: {_named(off)}", remedy)
        if not gone and not off:
            yield Finding("rules", Level.OK, f"all {len(rules)} are there and enabled")

    def _queues(self) -> Iterator[Finding]:
        queues = self.surroundings.queues()
        for each in queues:
            if each.reader_enabled is None:
                if each.waiting:
                    yield Finding(
                        "dead letters",
                        Level.WARN,
                        f"{each.name}: {each.waiting} messages that nothing could process",
                        "read one, mend the cause, then start a redrive in the SQS console",
                    )
            elif not each.reader_enabled:
                yield Finding(
                    "queues",
                    Level.FAIL,
                    f"{each.name}: its Lambda takes nothing from it, and {each.waiting} wait",
                    "enable the function's trigger",
                )
            elif each.waiting > _BACKLOG:
                yield Finding(
                    "queues",
                    Level.WARN,
                    f"{each.name}: {each.waiting} messages wait",
                    "look at the log of the function that reads it, and at its concurrency",
                )
        inboxes = [each for each in queues if each.reader_enabled is not None]
        if all(each.reader_enabled and each.waiting <= _BACKLOG for each in inboxes):
            yield Finding("queues", Level.OK, f"all {len(inboxes)} drain")
        if not any(each.waiting for each in queues if each.reader_enabled is None):
            yield Finding("dead letters", Level.OK, "there are none")

    def _permissions(self) -> Iterator[Finding]:
        for function, actions in GRANTS.items():
            check = f"permissions of {function}"
            yield from _made(check, partial(self._granted, function, actions))

    def _granted(self, function: str, actions: Sequence[str]) -> Iterator[Finding]:
        check = f"permissions of {function}"
        denied = self.surroundings.denied(function, actions)
        if denied is None:
            remedy = "deploy the stack again"
            yield Finding(check, Level.FAIL, "there is no such function", remedy)
        elif any(denied.values()):
            yield Finding(
                check,
                Level.FAIL,
                f"its role is denied {', '.join(denied)} for enrolled jobs",
                "look for a permissions boundary or an organisation's policy",
            )
        elif denied:
            yield Finding(
                check,
                Level.WARN,
                f"IAM's simulation finds no grant of {', '.join(denied)} for enrolled jobs",
                "see what the role's policy grants, and under which condition, or deploy it again",
            )
        else:
            yield Finding(check, Level.OK, f"{', '.join(actions)} are allowed for enrolled jobs")

    def _quotas(self, plan: Plan) -> Iterator[Finding]:
        for quota, needed in calls_per_second(plan).items():
            check = f"quota of {quota.operation}"
            try:
                there = self.surroundings.quota(quota)
            except TidegateError:
                there = None
            limit = quota.default_per_second if there is None else there
            told = f"{limit:g} calls a second"
            if there is None:
                told += " as AWS once had it by default; what applies could not be read"
            text = (
                f"{plan.rollouts} rollouts of {plan.devices} devices need up to {needed:.2g} of "
                f"{told}"
            )
            if needed > _NEAR * limit:
                yield Finding(
                    check,
                    Level.WARN,
                    text,
                    f"ask for more in Service Quotas ({quota.code}), lower pace.max_per_minute, "
                    "or run fewer rollouts at once: throttled reviews come later",
                )
            else:
                yield Finding(check, Level.UNKNOWN if there is None else Level.OK, text)

    def _policies(self) -> Iterator[Finding]:
        policies = self.surroundings.policies()
        wrong = 0
        for name, text in policies.items():
            try:
                document = parse_policy_json(text, source=name)
            except Refused as error:
                wrong += 1
                first = str(error).splitlines()[0]
                remedy = "mend it with `tidegate policy validate`, and put it back"
                yield Finding("policies", Level.FAIL, first, remedy)
            else:
                if document.name != name.rpartition("/")[2]:
                    wrong += 1
                    yield Finding(
                        "policies",
                        Level.WARN,
                        f"{name} holds the policy {document.name}: commands call it by the "
                        "parameter's name",
                        "give both the same name",
                    )
        if not wrong:
            yield Finding("policies", Level.OK, f"all {len(policies)} can be read")

    def _rollouts(self) -> Iterator[Finding]:
        now, active = self.clock.now(), self.ledger.active()
        late = [each.key.job_id for each in active if now > each.review_by + OVERDUE_SECONDS]
        if late:
            yield Finding(
                "rollouts",
                Level.WARN,
                f"reviews are overdue of {_named(late)}",
                "look at their executions in Step Functions; sweep starts dead ones anew",
            )
        else:
            yield Finding("rollouts", Level.OK, f"{len(active)} are active, none is overdue")

    def _tagged(self) -> Iterator[Finding]:
        active = {each.key.job_id for each in self.ledger.active()}
        seen = 0
        unsteered: list[str] = []
        for job in self._unknown(active):
            seen += 1
            tags = self.jobs.tags(job.arn)
            if self.jobs.policy_tag in tags and not self._has_had(job):
                unsteered.append(job.job_id)
        if unsteered:
            yield Finding(
                "tagged jobs",
                Level.WARN,
                f"tagged {self.jobs.policy_tag} and not steered: {_named(unsteered)}",
                "sweep enrolls such jobs within minutes; otherwise its log and "
                "`tidegate policy validate` say why not",
            )
        else:
            bound = f", the first {seen} without a rollout looked at" if seen else ""
            yield Finding("tagged jobs", Level.OK, f"all are steered{bound}")

    def _unknown(self, active: set[str]) -> Iterator[JobListing]:
        pages = islice(self.jobs.active(), JOB_PAGES_MAX)
        unknown = (job for page in pages for job in page if job.job_id not in active)
        yield from islice(unknown, TAGS_READ_MAX)

    def _has_had(self, job: JobListing) -> bool:
        known = self.ledger.current([job.job_id]).get(job.job_id)
        return known is not None and known.key.created_at == job.created_at


def _made(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Make a check; what AWS does not let us see is unknown, and said to be."""
    try:
        return list(check())
    except TidegateError as error:
        remedy = "let the caller read it, or ask whoever may"
        return [Finding(name, Level.UNKNOWN, f"could not be looked at: {error}", remedy)]


def calls_per_second(plan: Plan) -> dict[Quota, float]:
    """Return what rollouts at full speed take of each quota, all at once and at the worst."""
    reviews = plan.rollouts / (REVIEW_MINUTES * 60)
    per_minute = min(plan.per_minute, plan.devices)
    # In a review's time as many devices start as end, once it goes at full speed.
    rows = 2 * per_minute * REVIEW_MINUTES
    pages = min(_PAGES_MAX, 1 + math.ceil(rows / _PAGE_ROWS))
    return {
        DESCRIBE: reviews,
        UPDATE: reviews,
        LIST: reviews * pages,
        REPORT: plan.rollouts * 2 * per_minute / 60,
    }


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_MAX
    told = ", ".join(names[:_NAMED_MAX])
    return f"{told} and {more} more" if more > 0 else told


#: What Tidegate takes AWS to do where its documents leave it open, and why it would matter.
ASSUMED: Mapping[str, str] = {
    "a rollout object replaces the one before": "UpdateJob with a rate alone drops AWS's own "
    "growth; each update sends the whole object, so that either is right",
    "a new rate holds from the next minute on": "budget and fence allow for one more batch at the "
    "rate before",
    "a finished job takes no update": "an update that comes too late is refused, and is harmless",
    "a finished job takes no cancel": "a cancel that comes too late is refused, and is done",
    "statusDetails are replaced by each report": "a reason that a device gave earlier is not "
    "counted once it reports without it",
    "an outcome is final": "a device that reports after its outcome is refused",
    "a stale expectedVersion is refused": "an execution that Tidegate ends has not been reported "
    "for meanwhile",
    "a retry keeps its number, and counters count it too": "a device's latest attempt is its "
    "outcome, however AWS numbers it; the fence allows for each failed attempt, and lets through "
    "more than it has to where AWS counts devices",
    "abort criteria act within minutes": "the fence stops a release even if Tidegate is gone",
}

#: The same, of what only MQTT shows, which the probe does not speak: and how to look by hand.
UNPROBED = (
    Finding(
        "assumed: an outcome is final by MQTT too",
        Level.UNKNOWN,
        "a device that reports after its outcome is refused whatever it speaks; no probe finds it "
        "out, as that speaks HTTPS only",
        "in the MQTT test client of AWS IoT, subscribe to $aws/things/THING/jobs/JOB/update/+ of "
        'an execution that SUCCEEDED, and publish {"status": "FAILED"} to '
        "$aws/things/THING/jobs/JOB/update: it should be rejected with InvalidStateTransition",
    ),
    Finding(
        "assumed: each failed attempt is told by an event",
        Level.UNKNOWN,
        "a device that is tried again counts as harmed until its retry succeeds; no probe finds "
        "it out, as events go out by MQTT",
        "subscribe to $aws/events/jobExecution/# in the MQTT test client of AWS IoT while "
        "`tidegate doctor --probe` runs: its job that ends in -retry should be told as failed "
        "twice, then as succeeded",
    ),
)


def assumptions() -> Iterator[Finding]:
    """Yield what no look from here can tell, and how to find it out."""
    for assumed, matters in ASSUMED.items():
        yield Finding(
            f"assumed: {assumed}",
            Level.UNKNOWN,
            matters,
            "`tidegate doctor --probe` finds it out on a job and things of its own",
        )
    yield from UNPROBED
