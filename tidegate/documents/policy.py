"""
Policies as people write them: validated whole, and compiled to what the code inside works with.

Every fault is reported at once, with its line and column where the text had lines. Whatever is
accepted here is kept: a key that nothing acts on is refused as unknown.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from tidegate.documents.faults import Fault, Path, PolicyError, in_order, written
from tidegate.documents.quantities import (
    Budget,
    Confidence,
    IncrementFactor,
    NoRetries,
    PerMinute,
    Rate,
    Risk,
    ThingCount,
    TimeoutMinutes,
    UrlSeconds,
    fault,
    matching,
    refuse,
    refuse_what_aws_refuses,
    text_schema,
)
from tidegate.documents.reading import validated
from tidegate.documents.shapes import NAMESPACE_ID, POLICY_NAME, shown
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Harm, JobDefaults, Pace, PaceMode, Policy
from tidegate.domain.settings import (
    RATE_PER_MINUTE_MAX,
    ROLE_ARN_LENGTH_MAX,
    ROLE_ARN_LENGTH_MIN,
    TEXT_LENGTH_MAX,
    ExponentialRate,
    JobSettings,
    PresignedUrl,
)

if TYPE_CHECKING:
    from pydantic_core import InitErrorDetails

__all__ = [
    "POLICY_CHARACTERS_MAX",
    "Fault",
    "PolicyDocument",
    "PolicyError",
    "parse_policy_json",
    "parse_policy_yaml",
]

#: Of a policy's text, comments included.
POLICY_CHARACTERS_MAX = 32_768

#: Outcomes that may count as harm: those that a device or its timer reports, but success.
HARM_STATUSES = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.REJECTED)

ROLE_ARN = re.compile(r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@/-]+")

_ALL_STATUSES = ", ".join(HARM_STATUSES)


def _read_statuses(value: object) -> tuple[ExecutionStatus, ...]:
    if not isinstance(value, list | tuple) or not value:
        read = "a list of nothing" if value in ([], ()) else shown(value)
        refuse(f"{read}, but a list is needed: name at least one of {_ALL_STATUSES}")
    faults: list[InitErrorDetails] = []
    for index, item in enumerate(value):
        if item in value[:index]:
            message = f"{shown(item)} stands here twice: leave one of them out"
        elif not isinstance(item, str) or item not in HARM_STATUSES:
            message = f"{shown(item)}, but only {_ALL_STATUSES} can count: name one of them"
        else:
            continue
        faults.append({"type": fault(message), "loc": (index,), "input": item})
    if faults:
        title = "statuses"
        raise ValidationError.from_exception_data(title, faults)
    return tuple(ExecutionStatus(item) for item in value)


def _read_mode(value: object) -> PaceMode:
    if value != PaceMode.THROTTLE.value:
        refuse(f"{shown(value)}, but there is one mode only: write {PaceMode.THROTTLE}")
    return PaceMode.THROTTLE


def _read_role(value: object) -> str:
    role_arn = matching(ROLE_ARN, "write arn:aws:iam::ACCOUNT:role/NAME")(value)
    refuse_what_aws_refuses(shown(value), JobSettings(presigned_url=PresignedUrl(role_arn)))
    return role_arn


def _read_description(value: object) -> str:
    if not isinstance(value, str):
        refuse(f"{shown(value)}, but a text is needed: put it in quotes")
    if not value:
        refuse(f"{shown(value)}, but a text is needed: write one, or leave the key out")
    refuse_what_aws_refuses(shown(value), JobSettings(description=value))
    return value


_Statuses: TypeAlias = Annotated[
    tuple[ExecutionStatus, ...],
    PlainValidator(_read_statuses),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"enum": [status.value for status in HARM_STATUSES]},
            "minItems": 1,
            "uniqueItems": True,
        }
    ),
]
_Mode: TypeAlias = Annotated[
    PaceMode, PlainValidator(_read_mode), WithJsonSchema({"const": PaceMode.THROTTLE.value})
]
_Name: TypeAlias = Annotated[
    str,
    PlainValidator(
        matching(
            POLICY_NAME, "write 1 to 64 letters, digits, dots, - and _, a letter or digit first"
        )
    ),
    text_schema(POLICY_NAME.pattern),
]
_NamespaceId: TypeAlias = Annotated[
    str,
    PlainValidator(matching(NAMESPACE_ID, "write letters, digits, - and _")),
    text_schema(NAMESPACE_ID.pattern),
]
_RoleArn: TypeAlias = Annotated[
    str,
    PlainValidator(_read_role),
    text_schema(ROLE_ARN.pattern, minLength=ROLE_ARN_LENGTH_MIN, maxLength=ROLE_ARN_LENGTH_MAX),
]
_Description: TypeAlias = Annotated[
    str,
    PlainValidator(_read_description),
    text_schema(r"[^\u0000-\u001f\u007f-\u009f]+", maxLength=TEXT_LENGTH_MAX),
]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)


class HarmSection(_Section):
    """What counts as harm, and how much of it is too much."""

    statuses: _Statuses = Field(
        default=(ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT),
        description="Outcomes of a device that count as harm.",
    )
    tolerated_rate: Rate = Field(
        default=0.02,
        description="A release that harms at most this share of devices is stopped with a "
        "probability of at most false_abort_risk.",
    )
    acceptable_rate: Rate | None = Field(
        default=None,
        description="Once the share of harmed devices is established to be at most this, the "
        "brake comes off; tolerated_rate if left out.",
    )
    budget: Budget = Field(
        default=50,
        description="Devices harmed beyond acceptable_rate, at most: a number, or a share of the "
        "fleet.",
    )
    confidence: Confidence = Field(
        default=0.95, description="With which the budget is kept, whatever the release is like."
    )
    false_abort_risk: Risk = Field(
        default=0.01,
        description="Probability of ever stopping a tolerable release, over its whole life.",
    )


class ExponentialSection(_Section):
    """AWS's own growth of the rate, from start_per_minute on, below what the evidence allows."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["notified_things"]}, {"required": ["succeeded_things"]}]
        }
    )

    increment_factor: IncrementFactor = Field(description="The rate grows by this factor.")
    notified_things: ThingCount | None = Field(
        default=None, description="It grows each time as many more devices were notified."
    )
    succeeded_things: ThingCount | None = Field(
        default=None, description="It grows each time as many more devices succeeded."
    )

    @field_validator("succeeded_things")
    @classmethod
    def _one_criterion(cls, value: int | None, info: ValidationInfo) -> int | None:
        if "notified_things" in info.data:
            given = [each for each in (value, info.data["notified_things"]) if each is not None]
            if len(given) != 1:
                found = "both are" if given else "neither is"
                refuse(f"one of notified_things and succeeded_things is needed, but {found} given")
        return value


class PaceSection(_Section):
    """How fast a rollout may go, in devices per minute."""

    mode: _Mode = Field(
        default=PaceMode.THROTTLE, description="throttle turns the job's own rollout rate."
    )
    start_per_minute: PerMinute = Field(
        default=10, description="The rate while nothing is known yet."
    )
    max_per_minute: PerMinute = Field(
        default=RATE_PER_MINUTE_MAX, description="The rate that is never exceeded."
    )
    exponential: ExponentialSection | None = Field(
        default=None, description="Let AWS raise the rate between two reviews."
    )

    @field_validator("max_per_minute")
    @classmethod
    def _not_below_the_start(cls, value: int, info: ValidationInfo) -> int:
        start = info.data.get("start_per_minute")
        if start is not None and value < start:
            refuse(
                f"{value}, but start_per_minute is {start}: raise it, or start at {value} or less"
            )
        return value


class PresignedUrlSection(_Section):
    """Which role signs the S3 URLs in the job's document, and for how long."""

    role_arn: _RoleArn = Field(description="ARN of the role.")
    expires_in: UrlSeconds | None = Field(
        default=None, description="Seconds, or like 10m or 1h: 60 to 3600 seconds."
    )


class JobSection(_Section):
    """Settings of the job that shall be in force besides pace and abort criteria."""

    timeout: TimeoutMinutes | None = Field(
        default=None,
        description="Minutes, or like 45m, 2h or 7d, after which an execution in progress is "
        "TIMED_OUT; holds for those that start later.",
    )
    description: _Description | None = Field(default=None, description="The job's description.")
    presigned_url: PresignedUrlSection | None = Field(
        default=None, description="Signing of S3 URLs in the job's document."
    )
    retries: NoRetries | None = Field(
        default=None,
        description="0 lowers every retry criterion of the job to 0; AWS allows nothing else.",
    )
    namespace_id: _NamespaceId | None = Field(
        default=None, description="Handed to AWS as namespaceId."
    )


class PolicyDocument(_Section):
    """How rollouts of a kind are steered: what is tolerated, and how fast it may go."""

    name: _Name = Field(description="What jobs call the policy by, in their tag tidegate:policy.")
    harm: HarmSection = Field(
        default_factory=HarmSection, description="What counts as harm, and how much is too much."
    )
    pace: PaceSection = Field(
        default_factory=PaceSection, description="How fast it may go, in devices per minute."
    )
    job: JobSection = Field(
        default_factory=JobSection, description="Settings of the job besides pace and abort."
    )

    def compile(self) -> Policy:
        """Return the policy as the code inside works with it, every default filled in."""
        return Policy(
            name=self.name,
            harm=_compiled_harm(self.harm),
            pace=_compiled_pace(self.pace),
            job=_compiled_job(self.job),
        )

    def to_json(self) -> str:
        """Return the document as JSON; ``parse_policy_json`` reads it back unchanged."""
        return json.dumps(self.model_dump(exclude_none=True), ensure_ascii=False)


def _compiled_harm(harm: HarmSection) -> Harm:
    in_devices = isinstance(harm.budget, int)
    return Harm(
        statuses=frozenset(harm.statuses),
        tolerated_rate=harm.tolerated_rate,
        acceptable_rate=harm.tolerated_rate
        if harm.acceptable_rate is None
        else harm.acceptable_rate,
        confidence=harm.confidence,
        false_abort_risk=harm.false_abort_risk,
        budget_devices=int(harm.budget) if in_devices else None,
        budget_share=None if in_devices else harm.budget,
    )


def _compiled_pace(pace: PaceSection) -> Pace:
    growth = pace.exponential
    return Pace(
        mode=pace.mode,
        start_per_minute=pace.start_per_minute,
        max_per_minute=pace.max_per_minute,
        exponential=None
        if growth is None
        else ExponentialRate(
            base_rate_per_minute=pace.start_per_minute,
            increment_factor=growth.increment_factor,
            notified_things=growth.notified_things,
            succeeded_things=growth.succeeded_things,
        ),
    )


def _compiled_job(job: JobSection) -> JobDefaults:
    signing = job.presigned_url
    return JobDefaults(
        timeout_minutes=job.timeout,
        description=job.description,
        presigned_url=None
        if signing is None
        else PresignedUrl(signing.role_arn, signing.expires_in),
        drop_retries=job.retries == 0,
        namespace_id=job.namespace_id,
    )


def parse_policy_yaml(text: str, *, source: str) -> PolicyDocument:
    """
    Return the policy in a YAML text.

    Args:
        text: YAML 1.2.
        source: What to call the text in messages: a file's name, as a rule.

    Raises:
        PolicyError: Something is wrong; every fault is told with its line and column.
    """
    _refuse_what_is_too_long(text, source)
    # Lambdas read JSON only: they neither pay for YAML nor have it.
    from tidegate.documents.yaml_text import read_yaml  # noqa: PLC0415

    tree = read_yaml(text)
    faults = list(tree.faults)
    if tree.is_readable:
        document, findings = validated(tree.value, PolicyDocument, _SECTIONS)
        faults += tree.placed(findings)
        if document is not None and not faults:
            return document
    raise PolicyError(source, in_order(faults))


def parse_policy_json(text_or_mapping: str | Mapping[str, Any], *, source: str) -> PolicyDocument:
    """
    Return the policy in a JSON text, or in what was read from one.

    Args:
        text_or_mapping: As ``PolicyDocument.to_json`` writes it, or as people send it along.
        source: What to call it in messages: a parameter's name, or that it came inline.

    Raises:
        PolicyError: Something is wrong; every fault is told.
    """
    faults: list[Fault] = []
    value: object = text_or_mapping
    if isinstance(text_or_mapping, str):
        _refuse_what_is_too_long(text_or_mapping, source)
        value = _read_json(text_or_mapping, source, faults)
    document, findings = validated(value, PolicyDocument, _SECTIONS)
    faults += [
        Fault(written(path), None, None, finding.message) for path, finding in findings.items()
    ]
    if document is None or faults:
        raise PolicyError(source, faults)
    return document


def _refuse_what_is_too_long(text: str, source: str) -> None:
    if len(text) > POLICY_CHARACTERS_MAX:
        message = (
            f"{len(text)} characters, but at most {POLICY_CHARACTERS_MAX} are read: shorten it"
        )
        raise PolicyError(source, [Fault("", None, None, message)])


def _read_json(text: str, source: str, faults: list[Fault]) -> object:
    def read_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        read: dict[str, object] = {}
        for key, value in pairs:
            if key in read:
                message = f"{shown(key)} stands in one object twice: leave one of them out"
                faults.append(Fault("", None, None, message))
            read.setdefault(key, value)
        return read

    def refuse_constant(name: str) -> NoReturn:
        message = f"{name} is no number"
        raise ValueError(message)

    unreadable = "not readable as JSON: "
    try:
        return json.loads(text, object_pairs_hook=read_object, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        fault = Fault("", error.lineno, error.colno, unreadable + error.msg)
    except ValueError as error:
        fault = Fault("", None, None, unreadable + str(error))
    except RecursionError:
        fault = Fault("", None, None, unreadable + "it is nested too deep")
    raise PolicyError(source, [fault])


_SECTIONS: Mapping[Path, type[_Section]] = {
    (): PolicyDocument,
    ("harm",): HarmSection,
    ("pace",): PaceSection,
    ("pace", "exponential"): ExponentialSection,
    ("job",): JobSection,
    ("job", "presigned_url"): PresignedUrlSection,
}
