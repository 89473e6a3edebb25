"""
JSON Schemas of everything on the bus, as data; ``generate`` writes them into ``schemas/``.

Each describes an event as EventBridge delivers it, as far as Tidegate defines it: source, detail
type, detail. What comes in from operators is closed, as unknown members are refused; all else is
open, as members may be added within a version.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from tidegate.documents import announcements, commands, events, launch, record, reports
from tidegate.documents.shapes import (
    COHORT_LENGTH_MAX,
    CORRELATION_ID,
    JOB_ID,
    NAMESPACE_ID,
    POLICY_NAME,
    THING_NAME,
    VERSION,
)
from tidegate.domain.cohorts import Remedy
from tidegate.domain.course import About
from tidegate.domain.decision import Verdict
from tidegate.domain.executions import (
    DETAIL_KEY,
    DETAIL_VALUE_LENGTH_MAX,
    NO_STEP_TIMEOUT,
    REPORTABLE,
    STATUS_DETAILS_MAX,
    STEP_TIMEOUT_MINUTES_MAX,
)
from tidegate.domain.failures import COHORTS_NAMED_MAX
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Action, Authority, Rescue
from tidegate.domain.rollout import Ending, HoldKind
from tidegate.domain.settings import (
    INCREMENT_FACTOR_MAX,
    INCREMENT_FACTOR_MIN,
    PRESIGNED_URL_SECONDS_MAX,
    PRESIGNED_URL_SECONDS_MIN,
    RATE_PER_MINUTE_MAX,
    RATE_PER_MINUTE_MIN,
    ROLE_ARN_LENGTH_MAX,
    ROLE_ARN_LENGTH_MIN,
    TEXT_LENGTH_MAX,
    TIMEOUT_MINUTES_MAX,
    TIMEOUT_MINUTES_MIN,
    FailureType,
)

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SOURCE = "tidegate"


def schema_id(name: str) -> str:
    """Return the identifier of a schema; it names, and is not to be fetched."""
    return f"urn:tidegate:schemas:{name}:{VERSION}"


def slug(detail_type: str) -> str:
    """Return the name of the file that holds an event's schema."""
    return detail_type.lower().replace(" ", "-")


def _object(
    properties: Mapping[str, Schema],
    *,
    optional: Sequence[str] = (),
    closed: bool = False,
) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties)}
    required = [name for name in properties if name not in optional]
    if required:
        schema["required"] = required
    if closed:
        schema["additionalProperties"] = False
    return schema


def _text(length_max: int | None = None, pattern: str | None = None, **more: object) -> Schema:
    schema: Schema = {"type": "string", **more}
    if length_max is not None:
        schema["maxLength"] = length_max
    if pattern is None:
        schema["minLength"] = 1
    else:
        schema["pattern"] = f"^{pattern}$"
    return schema


def _whole(low: int, high: int | None = None, **more: object) -> Schema:
    return {
        "type": "integer",
        "minimum": low,
        **({} if high is None else {"maximum": high}),
        **more,
    }


def _list(items: Schema, high: int | None = None, *, low: int = 1) -> Schema:
    return {
        "type": "array",
        "items": items,
        "minItems": low,
        **({} if high is None else {"maxItems": high}),
    }


def _one_of(words: Iterable[StrEnum]) -> Schema:
    return {"enum": [each.value for each in words]}


_VERSION: Schema = {"const": VERSION}
_JOB_ID = _text(pattern=JOB_ID.pattern)
_THING_NAME = _text(pattern=THING_NAME.pattern)
_STATUS_DETAILS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_LINE = (
    r"[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*"
)


def _event(source: str | Schema, detail_type: str, description: str, detail: Schema) -> Schema:
    return {
        "$schema": DIALECT,
        "$id": schema_id(f"events:{slug(detail_type)}"),
        "description": description,
        **_object(
            {
                "source": {"const": source} if isinstance(source, str) else source,
                "detail-type": {"const": detail_type},
                "detail": detail,
            }
        ),
    }


# What AWS IoT Jobs says.


def _from_iot(
    detail_type: str, description: str, detail: Mapping[str, Schema], either: Sequence[Schema] = ()
) -> Schema:
    members = {
        "version": _VERSION,
        "jobId": _JOB_ID,
        "operation": _text(
            events.TOKEN_LENGTH_MAX, "[a-z_]+", description="What happened, as AWS calls it."
        ),
        "timestamp": _whole(0, events.SECONDS_MAX, description="Epoch seconds of the change."),
        "eventId": _text(events.EVENT_ID_LENGTH_MAX),
        **detail,
    }
    schema = _object(members, optional=("reasonCode", "comment"))
    if either:
        schema["anyOf"] = list(either)
    return _event(events.IOT_SOURCE, detail_type, description, schema)


_IOT_EVENTS = (
    _from_iot(
        events.JOB_EXECUTION_STATUS_CHANGE,
        "A job execution came to an end, or was deleted. At least once, and in any order.",
        {
            "thingName": _THING_NAME,
            "thingArn": _text(events.ARN_LENGTH_MAX),
            "status": _text(
                events.TOKEN_LENGTH_MAX,
                "[A-Z_]+",
                description="The execution's status; of a deleted one, the status before.",
            ),
            "executionNumber": _whole(1, events.EXECUTION_NUMBER_MAX),
            "statusDetails": _STATUS_DETAILS,
        },
        either=[
            {"properties": {"operation": {"const": events.DELETED}}},
            {"properties": {"status": _one_of(ExecutionStatus)}},
        ],
    ),
    _from_iot(
        events.JOB_STATUS_CHANGE,
        "A job came to an end, was canceled or deleted. At least once, and in any order.",
        {
            "status": _text(events.TOKEN_LENGTH_MAX, "[A-Z_]+"),
            "reasonCode": _text(events.REASON_CODE_LENGTH_MAX),
            "comment": _text(events.COMMENT_LENGTH_MAX),
        },
    ),
)


# What operators ask for.

_POLICY: Schema = {
    "description": "A policy's name, or the policy itself, validated at the rollout's start.",
    "anyOf": [_text(pattern=POLICY_NAME.pattern), {"type": "object"}],
}
_BY_AND_REASON = {
    "by": _text(commands.BY_LENGTH_MAX, _LINE, description="Who asks for it."),
    "reason": _text(commands.REASON_LENGTH_MAX, _LINE, description="Why, on one line."),
}
_CORRELATION_ID = _text(
    pattern=CORRELATION_ID.pattern, description="What a question is asked and answered with."
)
_ANSWER = {
    "correlationId": _CORRELATION_ID,
    "by": _text(commands.BY_LENGTH_MAX, _LINE, description="Who answers."),
    "comment": _text(commands.COMMENT_LENGTH_MAX, _LINE, description="Why so, on one line."),
}
_TIMEOUT = {"inProgressTimeoutInMinutes": _whole(TIMEOUT_MINUTES_MIN, TIMEOUT_MINUTES_MAX)}
_RESOURCE_ARN = _text(launch.RESOURCE_ARN_LENGTH_MAX, launch.RESOURCE_ARN.pattern)

_LAUNCH: Mapping[str, Schema] = {
    "targets": _list(
        _text(launch.TARGET_ARN_LENGTH_MAX, launch.TARGET_ARN.pattern), launch.TARGETS_MAX
    ),
    "document": {
        "description": "The job document: an object, or its JSON as a text.",
        "anyOf": [_text(launch.DOCUMENT_LENGTH_MAX), {"type": "object"}],
    },
    "documentSource": _text(launch.DOCUMENT_SOURCE_LENGTH_MAX, _LINE),
    "jobTemplateArn": _RESOURCE_ARN,
    "description": _text(TEXT_LENGTH_MAX, r"[^\u0000-\u001f\u007f-\u009f]+"),
    "targetSelection": {"enum": list(launch.TARGET_SELECTIONS)},
    "presignedUrlConfig": _object(
        {
            "roleArn": _text(ROLE_ARN_LENGTH_MAX, "arn:.*:role/.*")
            | {"minLength": ROLE_ARN_LENGTH_MIN},
            "expiresInSec": _whole(PRESIGNED_URL_SECONDS_MIN, PRESIGNED_URL_SECONDS_MAX),
        },
        optional=("expiresInSec",),
        closed=True,
    ),
    "timeoutConfig": _object(_TIMEOUT, closed=True),
    "jobExecutionsRetryConfig": _object(
        {
            "criteriaList": _list(
                _object(
                    {
                        "failureType": _one_of(launch.RETRYABLE),
                        "numberOfRetries": _whole(0, launch.RETRIES_MAX),
                    },
                    closed=True,
                ),
                launch.RETRY_CRITERIA_MAX,
            )
        },
        closed=True,
    ),
    "schedulingConfig": {"type": "object"},
    "documentParameters": {
        "type": "object",
        "additionalProperties": _text(launch.PARAMETER_LENGTH_MAX),
    },
    "destinationPackageVersions": _list(_RESOURCE_ARN, launch.PACKAGE_VERSIONS_MAX),
    "namespaceId": _text(pattern=NAMESPACE_ID.pattern),
    "tags": _list(
        _object(
            {
                "Key": _text(
                    launch.TAG_KEY_LENGTH_MAX,
                    f"(?!{'|'.join(launch.RESERVED_TAG_PREFIXES)}).*",
                ),
                "Value": {"type": "string", "maxLength": launch.TAG_VALUE_LENGTH_MAX},
            },
            optional=("Value",),
            closed=True,
        ),
        launch.TAGS_MAX,
    ),
}


def _command(
    detail_type: str, description: str, members: Mapping[str, Schema], one_of: Sequence[str] = ()
) -> Schema:
    optional = ("version", *(name for name in _LAUNCH if name != "targets"))
    detail = {"version": _VERSION, "jobId": _JOB_ID, **members}
    schema = _object(detail, optional=optional, closed=True)
    if one_of:
        schema["oneOf"] = [{"required": [name]} for name in one_of]
    return _event(commands.OPERATOR_SOURCE, detail_type, description, schema)


_COMMANDS = (
    _command(
        commands.LAUNCH_ROLLOUT,
        "Create a job and steer it from its first minute.",
        {"policy": _POLICY, **_LAUNCH},
        one_of=launch.DOCUMENT_MEMBERS,
    ),
    _command(commands.ENROLL_JOB, "Steer a job that exists.", {"policy": _POLICY}),
    _command(
        commands.HOLD_ROLLOUT, "Do not go on until somebody resumes the rollout.", _BY_AND_REASON
    ),
    _command(commands.RESUME_ROLLOUT, "Lift the operators' holds.", _BY_AND_REASON),
    _command(commands.ABORT_ROLLOUT, "Stop the rollout for good.", _BY_AND_REASON),
    _command(commands.APPROVE_GATE, "Say yes to what a gate asks.", _ANSWER),
    _command(commands.REJECT_GATE, "Say no to what a gate asks.", _ANSWER),
    _command(commands.APPROVE_DECISION, "Let Tidegate do what it proposes.", _ANSWER),
    _command(commands.REJECT_DECISION, "Do not let Tidegate do what it proposes.", _ANSWER),
    _command(
        commands.ADJUST_POLICY,
        "Steer the rollout by another policy from its next review on.",
        {"policy": _POLICY, **_BY_AND_REASON},
    ),
    _command(
        commands.RELEASE_COHORT,
        "Treat a cohort that was set apart, or that holds the rollout, like all others.",
        {
            "cohort": _text(COHORT_LENGTH_MAX, _LINE, description="Its name, as it was told."),
            **_BY_AND_REASON,
        },
    ),
)


# What is reported for devices.

_LONG = _whole(1, reports.NUMBER_MAX)

_REPORT = _event(
    _text(pattern=f"(?:{reports.REPORTER.pattern})"),
    reports.DEVICE_EXECUTION_REPORT,
    "How a device fares with a job, told by somebody who speaks for it.",
    _object(
        {
            "version": _VERSION,
            "jobId": _JOB_ID,
            "thingName": _THING_NAME,
            "status": _one_of(sorted(REPORTABLE)),
            "statusDetails": {
                "type": "object",
                "description": "Replaces what is there, whole; left out, it stays.",
                "maxProperties": STATUS_DETAILS_MAX,
                "propertyNames": {"pattern": f"^{DETAIL_KEY.pattern}$"},
                "additionalProperties": _text(
                    DETAIL_VALUE_LENGTH_MAX, r"[^\u0000-\u001f\u007f-\u009f]+"
                ),
            },
            "executionNumber": _LONG | {"description": "The thing's latest of the job by default."},
            "expectedVersion": _LONG
            | {"description": "The report is refused if the execution has another version."},
            "stepTimeoutInMinutes": {
                "description": "From now on; -1 ends the timer.",
                "anyOf": [_whole(1, STEP_TIMEOUT_MINUTES_MAX), {"const": NO_STEP_TIMEOUT}],
            },
            "includeJobExecutionState": {"type": "boolean"},
            "includeJobDocument": {"type": "boolean"},
            "at": _text(
                pattern=reports.MOMENT.pattern,
                format="date-time",
                description="When it was so; the time of the event by default.",
            ),
        },
        optional=(
            "version",
            "statusDetails",
            "executionNumber",
            "expectedVersion",
            "stepTimeoutInMinutes",
            "includeJobExecutionState",
            "includeJobDocument",
            "at",
        ),
        closed=True,
    ),
)


# What Tidegate tells.

_RATE_PER_MINUTE = _whole(RATE_PER_MINUTE_MIN, RATE_PER_MINUTE_MAX)
_COUNT = _whole(0)
_NUMBER: Schema = {"type": "number"}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}

_SETTINGS = _object(
    {
        "description": _text(TEXT_LENGTH_MAX),
        "jobExecutionsRolloutConfig": _object(
            {
                "maximumPerMinute": _RATE_PER_MINUTE,
                "exponentialRate": _object(
                    {
                        "baseRatePerMinute": _RATE_PER_MINUTE,
                        "incrementFactor": {
                            "type": "number",
                            "minimum": INCREMENT_FACTOR_MIN,
                            "maximum": INCREMENT_FACTOR_MAX,
                        },
                        "rateIncreaseCriteria": _object(
                            {
                                "numberOfNotifiedThings": _whole(1),
                                "numberOfSucceededThings": _whole(1),
                            },
                            optional=("numberOfNotifiedThings", "numberOfSucceededThings"),
                        )
                        | {"minProperties": 1, "maxProperties": 1},
                    }
                ),
            },
            optional=("exponentialRate",),
        ),
        "abortConfig": _object(
            {
                "criteriaList": _list(
                    _object(
                        {
                            "failureType": _one_of(FailureType),
                            "action": {"const": "CANCEL"},
                            "thresholdPercentage": {
                                "type": "number",
                                "exclusiveMinimum": 0,
                                "maximum": 100,
                            },
                            "minNumberOfExecutedThings": _whole(1),
                        }
                    )
                )
            }
        ),
        "timeoutConfig": _object(_TIMEOUT),
        "presignedUrlConfig": _object(
            {
                "roleArn": _text(ROLE_ARN_LENGTH_MAX),
                "expiresInSec": _whole(PRESIGNED_URL_SECONDS_MIN, PRESIGNED_URL_SECONDS_MAX),
            },
            optional=("roleArn", "expiresInSec"),
        ),
        "jobExecutionsRetryConfig": _object(
            {
                "criteriaList": _list(
                    _object(
                        {
                            "failureType": _one_of(FailureType),
                            "numberOfRetries": _whole(0, launch.RETRIES_MAX),
                        }
                    )
                )
            }
        ),
    },
    optional=(
        "description",
        "jobExecutionsRolloutConfig",
        "abortConfig",
        "timeoutConfig",
        "presignedUrlConfig",
        "jobExecutionsRetryConfig",
    ),
)

_EVIDENCE = _object(
    {
        "exposed": _COUNT | {"description": "Things notified so far."},
        "started": _COUNT | {"description": "Of them, taken up by the device."},
        "in_flight": _COUNT | {"description": "Of those, without an outcome."},
        "succeeded": _COUNT | {"description": "Things whose outcome is SUCCEEDED."},
        "harmed": _COUNT | {"description": "Things whose outcome the policy counts as harm."},
        "cleared": _COUNT | {"description": "Things whose reported outcome it does not."},
        "unplaced": _COUNT | {"description": "Reported outcomes whose start is unknown."},
        "log_e": _NUMBER
        | {"description": "Evidence that the failure rate is above the tolerated one, as a log."},
        "abort_at": _NUMBER | {"description": "The evidence at which the release is stopped."},
        "upper_bound": _SHARE | {"description": "Upper confidence bound on the failure rate."},
        "counters_only": {
            "type": "boolean",
            "description": "Whether the order of starts was not available.",
        },
        "late_started": _COUNT
        | {"description": "Things among the started that did so long after their notification."},
        "late_harmed": _COUNT | {"description": "Of those, the harmed."},
        "doubt": _SHARE
        | {"description": "How far the evidence is on its way to stop the release now."},
        "log_e_overdue": _NUMBER
        | {"description": "Evidence that the newest things take longer than those before them."},
    }
) | {"description": "The numbers that the decision rests on."}

_COHORT = _text(COHORT_LENGTH_MAX)
_SUSPECT_MEMBERS: Mapping[str, Schema] = {
    "cohort": _COHORT,
    "started": _COUNT | {"description": "Its things that started soon after notification."},
    "harmed": _COUNT | {"description": "Of those, the harmed."},
    "log_e": _NUMBER
    | {"description": "Evidence that its failure rate is above the tolerated one, as a log."},
    "limit": _NUMBER | {"description": "The evidence at which a cohort is a suspect."},
    "log_e_of_others": _NUMBER | {"description": "The same evidence of all others together."},
    "log_e_concentrated": _NUMBER
    | {"description": "Evidence that failures hit it more than its share of things."},
    "remedy": _one_of(Remedy),
}
_SUSPECT = _object(_SUSPECT_MEMBERS)

_GROUNDS: Mapping[str, Schema] = {
    "revision": _whole(1, description="Counts a rollout's decisions."),
    "reasons": _list(
        _object(
            {
                "code": _text(pattern="[A-Z_]+", description="More codes may come."),
                "text": _text(announcements.TEXT_LENGTH_MAX, description="The reason as a line."),
                "values": {
                    "type": "object",
                    "description": "The numbers in the text.",
                    "additionalProperties": {"type": ["number", "string"]},
                },
            }
        ),
        announcements.REASONS_MAX,
        low=0,
    ),
    "reasonsOmitted": _whole(1, description="How many reasons there were beyond these."),
    "evidence": _EVIDENCE,
    "suspects": _list(_SUSPECT, announcements.SUSPECTS_MAX)
    | {"description": "Cohorts that fail, the worst first; left out if there are none."},
    "suspectsOmitted": _whole(1, description="How many such cohorts there were beyond these."),
}
#: Of these, what is there only where there is something to tell.
_SELDOM = ("reasonsOmitted", "suspects", "suspectsOmitted")
_STEERING: Mapping[str, Schema] = {
    "verdict": _one_of(Verdict),
    **_GROUNDS,
    "settings": _SETTINGS | {"description": "What shall be in force, as UpdateJob's members."},
    "replaces": _SETTINGS | {"description": "What was in force before."},
    "sent": _SETTINGS | {"description": "What UpdateJob was really sent: only what differed."},
}
_SAID = _text(announcements.TEXT_LENGTH_MAX)
_SUMMARY = _SAID | {"description": "The first reason: why, in one line."}
_NAME = _text()
_LINK = _text(format="uri")
_MOMENT = _text(
    pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
    format="date-time",
)
_OMITTED = _whole(1, description="How many there were beyond these: the oldest are left out.")

_RECORD = _object(
    {
        "outcome": _one_of(Ending),
        "startedAt": _MOMENT,
        "endedAt": _MOMENT,
        "exposed": _COUNT,
        "harmed": _COUNT,
        "succeeded": _COUNT,
        "agreement": _object(
            {
                "proposed": _COUNT,
                "approved": _COUNT,
                "refused": _COUNT,
                "unanswered": _COUNT,
                "withdrawn": _COUNT | {"description": "Overtaken by events."},
            }
        )
        | {"description": "What came of all that was proposed."},
        "failureReasons": _list(
            _object(
                {
                    "reason": _text(record.FAILURE_LENGTH_MAX),
                    "devices": _whole(1),
                    "cohorts": _list(
                        _object({"cohort": _text(COHORT_LENGTH_MAX), "devices": _whole(1)}),
                        COHORTS_NAMED_MAX,
                    )
                    | {"description": "Of what cohorts these are, where they are told apart."},
                },
                optional=("cohorts",),
            ),
            record.REASONS_TOLD_MAX,
        )
        | {"description": "What most devices gave as the reason; left out if none gave one."},
        "rollsBack": _JOB_ID | {"description": "The job that this one undoes, if it does."},
        "rolledBackBy": _JOB_ID | {"description": "The job that undoes this one, if there is one."},
        "timeline": _list(
            _object(
                {
                    "at": _MOMENT,
                    "what": _NAME | {"description": "The event's detail type."},
                    "text": {"type": "string", "maxLength": announcements.TEXT_LENGTH_MAX},
                    "revision": _COUNT | {"description": "Of the decision; 0 if it came of none."},
                }
            ),
            record.LINES_MAX,
            low=0,
        ),
        "timelineOmitted": _OMITTED,
        "settingsHistory": _list(
            _object({"at": _MOMENT, "revision": _COUNT, "sent": _SETTINGS}),
            record.LINES_MAX,
            low=0,
        ),
        "settingsHistoryOmitted": _OMITTED,
    },
    optional=(
        "failureReasons",
        "rollsBack",
        "rolledBackBy",
        "timelineOmitted",
        "settingsHistoryOmitted",
    ),
) | {"description": "The rollout from its beginning to its end."}
_ENDED: Mapping[str, Schema] = {
    "ending": _one_of(Ending),
    "summary": _SUMMARY,
    **_GROUNDS,
    "record": _RECORD,
}

_HOLD = _object(
    {
        "kind": _one_of(HoldKind),
        "by": _SAID,
        "reason": {"type": "string", "maxLength": announcements.TEXT_LENGTH_MAX},
        "since": _MOMENT,
    }
)


def _way(detail_types: Sequence[str], given: Mapping[str, Schema], left: Sequence[str]) -> Schema:
    """Return the schema of a command that is ready to be sent but for some members."""
    blank: Schema = {"const": "", "description": "To be filled in."}
    return _object(
        {
            "source": {"const": commands.OPERATOR_SOURCE},
            "detailType": {"enum": list(detail_types)},
            "detail": _object({**given, **dict.fromkeys(left, blank)}),
        }
    )


def _way_to_answer(*detail_types: str) -> Schema:
    given = {"version": _VERSION, "jobId": _JOB_ID, "correlationId": _CORRELATION_ID}
    return _way(detail_types, given, ["by", "comment"])


_YES = _way_to_answer(commands.APPROVE_GATE, commands.APPROVE_DECISION)
_NO = _way_to_answer(commands.REJECT_GATE, commands.REJECT_DECISION)
_WAYS_TO_ANSWER = {
    "approve": _YES | {"description": "The command that says yes, but for who says so and why."},
    "reject": _NO | {"description": "The command that says no, likewise."},
}
_ACTION = _one_of(Action)
_DUE = _MOMENT | {"description": "Until when an answer counts; left out if always."}


_PROBLEM: Schema = {"type": "string", "maxLength": announcements.PROBLEM_LENGTH_MAX}
_PROBLEM_AND_REMEDY = {"problem": _PROBLEM, "remedy": _PROBLEM}
_COMMAND_ID = _text(announcements.LABEL_LENGTH_MAX, description="The id of the command's event.")


def _about_report(
    detail_type: str, description: str, members: Mapping[str, Schema], optional: Sequence[str]
) -> Schema:
    detail = {
        "version": _VERSION,
        "at": _MOMENT,
        "jobId": _JOB_ID,
        "thingName": _THING_NAME,
        "reportId": {
            "type": "string",
            "maxLength": announcements.LABEL_LENGTH_MAX,
            "description": "The id of the report's event.",
        },
        "reporter": {
            "type": "string",
            "maxLength": reports.SOURCE_LENGTH_MAX,
            "description": "The source of the report's event.",
        },
        **members,
    }
    return _event(SOURCE, detail_type, description, _object(detail, optional=optional))


def _announcement(
    detail_type: str,
    description: str,
    members: Mapping[str, Schema],
    optional: Sequence[str] = _SELDOM,
) -> Schema:
    detail = {
        "version": _VERSION,
        "jobId": _JOB_ID,
        "rolloutId": _text(
            pattern="[a-zA-Z0-9_-]{1,64}#[0-9]+",
            description="The job's id and the epoch second of its creation.",
        ),
        "at": _MOMENT,
        **members,
    }
    return _event(SOURCE, detail_type, description, _object(detail, optional=optional))


def _of_launch(detail_type: str, description: str, **members: Schema) -> Schema:
    detail = {
        "version": _VERSION,
        "jobId": _JOB_ID,
        "at": _MOMENT,
        "policy": _text(pattern=POLICY_NAME.pattern),
        "executionArn": _text(),
        "since": _MOMENT | {"description": "Since when it waited."},
        **members,
        "summary": _PROBLEM,
    }
    return _event(SOURCE, detail_type, description, _object(detail, optional=["behindOmitted"]))


_ANNOUNCEMENTS = (
    _of_launch(
        announcements.LAUNCH_WAITING,
        "A launch waits until jobs that have some of the same things are over.",
        behind=_list(_JOB_ID, announcements.JOBS_MAX)
        | {"description": "The jobs that it waits for, the oldest first."},
        behindOmitted=_whole(1, description="How many jobs there were beyond these."),
        giveUp=_way(
            [commands.ABORT_ROLLOUT], {"version": _VERSION, "jobId": _JOB_ID}, ["by", "reason"]
        )
        | {"description": "The command that gives it up, but for who does so and why."},
    ),
    _of_launch(
        announcements.LAUNCH_GIVEN_UP,
        "A launch that waited was given up: its job is not created.",
        by=_SAID,
        reason=_SAID,
    ),
    _announcement(
        announcements.ROLLOUT_STARTED,
        "A rollout is steered from now on; again with each generation of its workflow.",
        {
            "policy": _text(pattern=POLICY_NAME.pattern),
            "generation": _whole(1),
            "executionArn": _text(),
            "fleetSize": _whole(0, description="Things in all, where its policy needs to know."),
        },
        optional=("fleetSize",),
    ),
    _announcement(
        announcements.ROLLOUT_STEERED, "A decision to go on was applied to the job.", _STEERING
    ),
    _announcement(
        announcements.ROLLOUT_HELD, "A decision to hold was applied to the job.", _STEERING
    ),
    _announcement(
        announcements.ROLLOUT_RESUMED,
        "No hold stands any more.",
        {
            "lifted": _list(_HOLD, announcements.HOLDS_MAX, low=0)
            | {"description": "The holds that are gone, the oldest first."},
            "liftedOmitted": _whole(1, description="How many holds there were beyond these."),
            "by": _SAID | {"description": "Who lifted those of operators."},
            "reason": _SAID,
        },
        optional=("liftedOmitted", "by", "reason"),
    ),
    _announcement(
        announcements.ROLLOUT_ABORTED,
        "A rollout is over before its end: by Tidegate, by AWS, or by somebody else.",
        _ENDED,
        optional=(*_SELDOM, "record", "summary"),
    ),
    _announcement(
        announcements.ROLLOUT_COMPLETED,
        "A rollout ran to its end.",
        {
            "guarded": {
                "type": "boolean",
                "description": "Whether devices that join the job late are guarded from now on.",
            },
            **_ENDED,
        },
        optional=(*_SELDOM, "record", "summary"),
    ),
    _announcement(
        announcements.GATE_REACHED,
        "A rollout stands at a gate of its policy.",
        {
            "gate": _NAME,
            "awaits": _list({"enum": ["bake", "alarms", "answer", "approval"]}, low=0)
            | {"description": "What does not agree yet."},
            "bakeUntil": _MOMENT | {"description": "Until when exposed devices are watched."},
            "correlationId": _CORRELATION_ID,
            "answerBy": _DUE,
            **_WAYS_TO_ANSWER,
            **_GROUNDS,
        },
        optional=(
            *_SELDOM,
            "bakeUntil",
            "correlationId",
            "answerBy",
            *_WAYS_TO_ANSWER,
        ),
    ),
    _announcement(
        announcements.GATE_PASSED,
        "A gate is behind the rollout.",
        {
            "gate": _NAME,
            "answers": _list(
                _object(
                    {
                        "correlationId": _CORRELATION_ID,
                        "yes": {"type": "boolean"},
                        "by": _SAID,
                        "comment": _SAID,
                        "at": _MOMENT,
                    }
                ),
                announcements.ANSWERS_MAX,
                low=0,
            ),
        },
    ),
    _announcement(
        announcements.APPROVAL_REQUESTED,
        "A person is asked: at a gate, or about what Tidegate proposes.",
        {
            "correlationId": _CORRELATION_ID,
            "about": _one_of(About),
            "subject": _NAME | {"description": "The gate's name, or the action."},
            "gate": _NAME,
            "action": _ACTION,
            "dueAt": _DUE,
            "summary": _SUMMARY,
            "settings": _SETTINGS,
            "links": _object({"execution": _LINK, "job": _LINK})
            | {"description": "Where AWS's consoles show the workflow's execution and the job."},
            **_GROUNDS,
            **_WAYS_TO_ANSWER,
        },
        optional=(*_SELDOM, "gate", "action", "dueAt", "summary", "links"),
    ),
    _announcement(
        announcements.DECISION_PROPOSED,
        "What Tidegate would do if it were allowed to.",
        {
            "action": _ACTION,
            "authority": {
                "enum": [each.value for each in Authority if each is not Authority.AUTO],
                "description": "Under observe nobody is asked.",
            },
            "correlationId": _CORRELATION_ID,
            "dueAt": _DUE,
            "settings": _SETTINGS | {"description": "What a yes puts in force."},
            **_GROUNDS,
            **_WAYS_TO_ANSWER,
        },
        optional=(*_SELDOM, "correlationId", "dueAt", *_WAYS_TO_ANSWER),
    ),
    _announcement(
        announcements.POLICY_ADJUSTED,
        "Somebody gave the rollout another policy.",
        {
            "policy": _text(pattern=POLICY_NAME.pattern),
            "policyVersion": _whole(1, description="Counts the rollout's policies."),
            "by": _SAID,
            "reason": _SAID,
        },
    ),
    _announcement(
        announcements.ROLLBACK_LAUNCHED,
        "A job undoes the rollout; again when more devices follow.",
        {
            "rollbackJobId": _JOB_ID,
            "devices": _COUNT | {"description": "How many it is for so far."},
            "statuses": _list(_one_of(ExecutionStatus))
            | {"description": "Outcomes of the release that it is for."},
        },
        optional=("statuses",),
    ),
    _event(
        SOURCE,
        announcements.COMMAND_REFUSED,
        "A command was not done, and changed nothing. It is not tried again.",
        _object(
            {
                "version": _VERSION,
                "at": _MOMENT,
                "jobId": _JOB_ID,
                "command": _text(
                    announcements.LABEL_LENGTH_MAX, description="The command's detail type."
                ),
                "commandId": _COMMAND_ID,
                **_PROBLEM_AND_REMEDY,
            },
            optional=("jobId", "command", "commandId"),
        ),
    ),
    _announcement(
        announcements.EXECUTION_REAPED,
        "Executions without a sign of life were ended, or given more time.",
        {
            "action": _one_of(Rescue),
            "devices": _whole(1, description="How many."),
            "things": _list(_THING_NAME, announcements.THINGS_MAX)
            | {"description": "Which, by name."},
            "thingsOmitted": _whole(1, description="How many there were beyond these."),
            "afterMinutes": {
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "How long they gave no sign of life, at least.",
            },
        },
        optional=("thingsOmitted",),
    ),
    _announcement(
        announcements.COHORT_SUSPECT,
        "The release is bad for a cohort of devices.",
        {"revision": _whole(1, description="Of the decision that says so."), **_SUSPECT_MEMBERS},
    ),
    _announcement(
        announcements.COHORT_RELEASED,
        "Somebody wants a cohort treated like all others.",
        {"cohort": _COHORT, "by": _SAID, "reason": _SAID},
    ),
    _about_report(
        announcements.DEVICE_REPORT_REFUSED,
        "A report for a device was not done, and changed nothing. It is not tried again.",
        {
            **_PROBLEM_AND_REMEDY,
            "execution": _object(
                {
                    "status": _one_of(ExecutionStatus),
                    "executionNumber": _LONG,
                    "versionNumber": _LONG,
                    "statusDetails": _STATUS_DETAILS,
                }
            )
            | {"description": "What is really so; left out if it is not known."},
        },
        optional=("jobId", "thingName", "execution"),
    ),
    _about_report(
        announcements.DEVICE_REPORT_APPLIED,
        "A report for a device that asked for an answer is in force.",
        {
            "executionState": _object(
                {
                    "status": _one_of(ExecutionStatus),
                    "versionNumber": _LONG,
                    "statusDetails": _STATUS_DETAILS,
                },
                optional=("status", "versionNumber", "statusDetails"),
            ),
            "jobDocument": {"type": "string", "description": "As AWS has it, as a text."},
            "jobDocumentOmitted": _whole(
                1, description="Its characters where it is too long for an event."
            ),
        },
        optional=("executionState", "jobDocument", "jobDocumentOmitted"),
    ),
    _announcement(
        announcements.ROLLOUT_NEEDS_ATTENTION,
        "Something that people should look at.",
        {
            "jobId": {
                "type": "string",
                "maxLength": announcements.JOB_ID_LENGTH_MAX,
                "description": "As it was given, even if no job can have it; missing where it "
                "is about the account.",
            },
            **_PROBLEM_AND_REMEDY,
            "revision": _whole(1),
            "commandId": _COMMAND_ID,
        },
        optional=("rolloutId", "jobId", "revision", "commandId"),
    ),
)

#: The schema of each event, by its detail type.
EVENT_SCHEMAS: Mapping[str, Schema] = {
    schema["properties"]["detail-type"]["const"]: schema
    for schema in (*_IOT_EVENTS, *_COMMANDS, _REPORT, *_ANNOUNCEMENTS)
}
