"""What people and other systems ask of Tidegate, and what they do around it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.scenario.aws import Aws
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.domain.jobs import JobStatus
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading

JOB = "release-7"
ACCOUNT = "111122223333"
REGION = "eu-central-1"
FLEET = f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/fleet"


class People:
    """
    Commands on the bus, and what happens in the account beside it.

    Attributes:
        policy: What a launch is under, unless it says otherwise.
        targets: What a launch is for, unless it says otherwise.
    """

    policy: Mapping[str, Any]
    targets: list[str]
    jobs: Aws
    alarms: MemoryAlarms
    calendars: MemoryCalendars
    clock: ManualClock

    def tell(self, command: str, job_id: str, **members: object) -> None:
        """Put a command on the bus."""
        raise NotImplementedError

    def outside(
        self, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
    ) -> None:
        """Let an event of an AWS service reach Tidegate by the account's default bus."""
        raise NotImplementedError

    # how rollouts begin

    def launch(
        self, job_id: str = JOB, *, policy: object = None, targets: object = None, **members: object
    ) -> None:
        """Ask Tidegate to create a job for all things and steer it."""
        self.tell(
            "Launch Rollout",
            job_id,
            policy=self.policy["name"] if policy is None else policy,
            targets=self.targets if targets is None else targets,
            document={"operation": "update"},
            **members,
        )

    def existing_job(
        self,
        job_id: str = JOB,
        *,
        rate: int = 5,
        status: JobStatus = JobStatus.IN_PROGRESS,
        settings: JobSettings | None = None,
        tags: Mapping[str, str] | None = None,
        is_continuous: bool = False,
        starts_at: float | None = None,
    ) -> None:
        """Let somebody create a job without Tidegate; AWS begins at once unless SCHEDULED."""
        self.jobs.add(
            job_id,
            targets=self.targets,
            settings=settings or JobSettings(rollout=RolloutRate(rate)),
            status=status,
            tags=tags,
            is_continuous=is_continuous,
            starts_at=starts_at,
        )

    def enroll(self, job_id: str = JOB, policy: object = None) -> None:
        """Ask Tidegate to steer an existing job."""
        self.tell("Enroll Job", job_id, policy=self.policy["name"] if policy is None else policy)

    # what is asked of one that goes on

    def hold(
        self, reason: str = "looks odd", *, by: str = "night-shift", job_id: str = JOB
    ) -> None:
        """Ask Tidegate not to go on."""
        self.tell("Hold Rollout", job_id, by=by, reason=reason)

    def resume(self, reason: str = "all fine", *, by: str = "plant-7", job_id: str = JOB) -> None:
        """Lift the operators' holds."""
        self.tell("Resume Rollout", job_id, by=by, reason=reason)

    def abort(
        self, reason: str = "wrong image", *, by: str = "release-desk", job_id: str = JOB
    ) -> None:
        """Ask Tidegate to stop the rollout for good."""
        self.tell("Abort Rollout", job_id, by=by, reason=reason)

    def adjust(
        self,
        policy: object,
        reason: str = "asked for",
        *,
        by: str = "release-desk",
        job_id: str = JOB,
    ) -> None:
        """Give the rollout another policy."""
        self.tell("Adjust Policy", job_id, policy=policy, by=by, reason=reason)

    def answer(
        self,
        question_id: str,
        *,
        yes: bool = True,
        by: str = "release-desk",
        comment: str = "looks good",
        job_id: str = JOB,
    ) -> None:
        """Answer a question by its correlation id."""
        about = "Decision" if question_id.startswith("decision-") else "Gate"
        self.tell(
            f"{'Approve' if yes else 'Reject'} {about}",
            job_id,
            correlationId=question_id,
            by=by,
            comment=comment,
        )

    # what happens beside it

    def set_alarm(
        self, name: str, state: AlarmState = AlarmState.OK, *, reason: str = "", tells: bool = True
    ) -> None:
        """Let an alarm come into a state; the event that tells may be lost."""
        self.alarms.readings[name] = AlarmReading(state, self.clock.now(), reason)
        if tells:
            self.outside(
                "aws.cloudwatch", "CloudWatch Alarm State Change", {"alarmName": name, "state": {}}
            )

    def set_calendar(self, name: str, *, is_open: bool, tells: bool = True) -> None:
        """Open or close a change calendar; the event that tells may be lost."""
        self.calendars.readings[name] = CalendarReading(is_open)
        if tells:
            arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/{name}"
            state = "OPEN" if is_open else "CLOSED"
            self.outside("aws.ssm", "Calendar State Change", {"state": state}, [arn])
