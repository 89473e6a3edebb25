"""
Policies as people write them: validated whole, and compiled to what the code inside works with.

Every fault is reported at once, with its line and column where the text had lines. Whatever is
accepted here is kept: a key that nothing acts on is refused as unknown.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from tidegate.documents.faults import Fault, Path, PolicyError, in_order, written
from tidegate.documents.policy_control import (
    GATES_MAX,
    ApprovalSection,
    AskingSection,
    AuthorityChoice,
    AuthoritySection,
    CompleteSection,
    FreezeSection,
    GateSection,
    OnAbortSection,
    OverlapWord,
    RollbackSection,
    compiled_gates,
    in_their_order,
)
from tidegate.documents.policy_devices import (
    QUARANTINE_NEEDS_THINGS,
    AdaptiveTimeoutSection,
    CohortKeys,
    FailuresSection,
    OnSuspect,
    OnSuspectWord,
    SoakChoice,
    SoakSection,
    StuckSection,
    compiled_cohorts,
    refuse_never_stored,
    refuse_quarantine_of_nobody,
)
from tidegate.documents.quantities import (
    Budget,
    Confidence,
    Devices,
    DevicesIfAny,
    IncrementFactor,
    Margin,
    NoRetries,
    PerMinute,
    Rate,
    Risk,
    ThingCount,
    TimeoutMinutes,
    UrlSeconds,
    Wrong,
    fault,
    matching,
    refuse,
    refuse_parts,
    refuse_what_aws_refuses,
    text_schema,
)
from tidegate.documents.reading import ANY, Section, validated
from tidegate.documents.shapes import NAMESPACE_ID, POLICY_NAME, shown
from tidegate.domain.evidence import tolerated_by_baseline
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import LATE_MINUTES
from tidegate.domain.policy import Harm, JobDefaults, Overlap, Pace, PaceMode, Policy
from tidegate.domain.settings import (
    RATE_PER_MINUTE_MAX,
    ROLE_ARN_LENGTH_MAX,
    ROLE_ARN_LENGTH_MIN,
    TEXT_LENGTH_MAX,
    ExponentialRate,
    JobSettings,
    PresignedUrl,
)

__all__ = [
    "POLICY_CHARACTERS_MAX",
    "TOLERATED_RATE",
    "Fault",
    "PolicyDocument",
    "PolicyError",
    "parse_policy_json",
    "parse_policy_yaml",
]

#: Of a policy's text, comments included.
POLICY_CHARACTERS_MAX = 32_768

#: What is tolerated where a policy names neither a rate nor a baseline.
TOLERATED_RATE = 0.02
#: The part of the false-abort risk that a baseline costs: its counts tell its rate up to chance
#: only. All that stops a release shares the rest, so that the sum is what the policy says.
BASELINE_SHARE = 0.2
#: A baseline that leaves room for more than this says too little to hold a release against.
BASELINE_RATE_MAX = 0.5

#: Where a policy does not say how fast to begin: the part of a budget in devices that the first
#: minute may notify, for some of it must be left to go on with, and the most that it may.
START_SHARE_OF_BUDGET = 0.8
START_PER_MINUTE_MAX = 40
#: The same under a budget that is a share: how many devices that is, only the rollout tells.
START_PER_MINUTE_OF_SHARE = 10

#: Outcomes that may count as harm: those that a device or its timer reports, but success.
HARM_STATUSES = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.REJECTED)

ROLE_ARN = re.compile(r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@/-]+")

_ALL_STATUSES = ", ".join(HARM_STATUSES)


def _read_statuses(value: object) -> tuple[ExecutionStatus, ...]:
    if not isinstance(value, list | tuple) or not value:
        read = "a list of nothing" if value in ([], ()) else shown(value)
        refuse(f"{read}, but a list is needed: name at least one of {_ALL_STATUSES}")
    faults: list[Wrong] = []
    for index, item in enumerate(value):
        if item in value[:index]:
            message = f"{shown(item)} stands here twice: leave one of them out"
        elif not isinstance(item, str) or item not in HARM_STATUSES:
            message = f"{shown(item)}, but only {_ALL_STATUSES} can count: name one of them"
        else:
            continue
        faults.append(((index,), item, fault(message)))
    refuse_parts(faults)
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


class BaselineSection(Section):
    """What the release before did: this one shall not do worse."""

    harmed: DevicesIfAny = Field(description="Devices that it harmed.")
    started: Devices = Field(description="Devices that took it up, those harmed among them.")
    margin: Margin = Field(
        default=0.0, description="By how much the share of harmed devices may be higher now."
    )

    @field_validator("started")
    @classmethod
    def _no_fewer_than_harmed(cls, value: int, info: ValidationInfo) -> int:
        harmed = info.data.get("harmed")
        if harmed is not None and value < harmed:
            refuse(f"{value}, but harmed is {harmed}: count the harmed among the started")
        return value


#: What the tolerated rate is made of.
_TOLERATED_BY = {"tolerated_rate", "baseline", "false_abort_risk"}


def _tolerated_rate(
    tolerated_rate: float | None, baseline: BaselineSection | None, false_abort_risk: float
) -> float:
    if baseline is not None:
        return _rate_of_baseline(baseline, false_abort_risk)
    return TOLERATED_RATE if tolerated_rate is None else tolerated_rate


def _rate_of_baseline(baseline: BaselineSection, false_abort_risk: float) -> float:
    """Return the rate that a release may have which is as good as the one before."""
    alpha = false_abort_risk * BASELINE_SHARE
    return tolerated_by_baseline(baseline.harmed, baseline.started, alpha, baseline.margin)


class HarmSection(Section):
    """What counts as harm, and how much of it is too much."""

    model_config = ConfigDict(
        json_schema_extra={"not": {"required": ["tolerated_rate", "baseline"]}}
    )

    statuses: _Statuses = Field(
        default=(ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT),
        description="Outcomes of a device that count as harm.",
    )
    tolerated_rate: Rate | None = Field(
        default=None,
        description="A release that harms at most this share of devices is stopped with a "
        f"probability of at most false_abort_risk; {TOLERATED_RATE:.0%} if left out, or what "
        "baseline makes it.",
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
    baseline: BaselineSection | None = Field(
        default=None,
        description="Counts of the release before; tolerated_rate is computed from them.",
    )
    late_tolerated_rate: Rate | None = Field(
        default=None,
        description="tolerated_rate of devices that start more than "
        f"{LATE_MINUTES:.0f} minutes after their notification; five times the others' if left out, "
        "90% at most.",
    )
    drift_rate: Rate | None = Field(
        default=None,
        description="What a release that turns bad midway is taken to fail at; ten times "
        "tolerated_rate if left out, 90% at most.",
    )
    drift_budget: Devices | None = Field(
        default=None,
        description="Devices that such a turn may harm before it is noticed, about; the pace does "
        "not heed it if left out.",
    )

    @field_validator("baseline")
    @classmethod
    def _instead_of_a_rate(
        cls, value: BaselineSection | None, info: ValidationInfo
    ) -> BaselineSection | None:
        if value is None:
            return value
        if info.data.get("tolerated_rate") is not None:
            refuse(
                "tolerated_rate is given too, but it is computed from a baseline: leave out one of "
                "the two"
            )
        risk = info.data.get("false_abort_risk")
        rate = 0.0 if risk is None else _rate_of_baseline(value, risk)
        if rate > BASELINE_RATE_MAX:
            refuse(
                f"{value.harmed} harmed of {value.started} leave room for a rate of {rate:.0%}, "
                f"but at most {BASELINE_RATE_MAX:.0%} can be held against a release: give counts "
                "of more devices or a smaller margin, or write tolerated_rate instead"
            )
        return value

    @field_validator("drift_rate")
    @classmethod
    def _above_the_tolerated(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is None or not info.data.keys() >= _TOLERATED_BY:
            return value
        tolerated = _tolerated_rate(**{name: info.data[name] for name in _TOLERATED_BY})
        if value <= tolerated:
            refuse(f"{value:.4g}, but {tolerated:.4g} is tolerated: write a rate above it")
        return value


class ExponentialSection(Section):
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


class PaceSection(Section):
    """How fast a rollout may go, in devices per minute."""

    mode: _Mode = Field(
        default=PaceMode.THROTTLE, description="throttle turns the job's own rollout rate."
    )
    start_per_minute: PerMinute | None = Field(
        default=None,
        description="The rate while nothing is known yet; if left out, four fifths of a budget "
        f"given in devices, {START_PER_MINUTE_MAX} at most, or {START_PER_MINUTE_OF_SHARE} where "
        "the budget is a share.",
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


class PresignedUrlSection(Section):
    """Which role signs the S3 URLs in the job's document, and for how long."""

    role_arn: _RoleArn = Field(description="ARN of the role.")
    expires_in: UrlSeconds | None = Field(
        default=None, description="Seconds, or like 10m or 1h: 60 to 3600 seconds."
    )


class JobSection(Section):
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


class PolicyDocument(Section):
    """How rollouts of a kind are steered: what is tolerated, and how fast it may go."""

    model_config = ConfigDict(json_schema_extra=QUARANTINE_NEEDS_THINGS)

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
    authority: AuthorityChoice = Field(
        default_factory=AuthoritySection,
        description="How far Tidegate may go: a word for all actions, or for each of them.",
    )
    approval: ApprovalSection = Field(
        default_factory=ApprovalSection,
        description="How people are asked where the authority is approve.",
    )
    gates: list[GateSection] = Field(
        default_factory=list,
        description="Points where exposure stops until all that they ask for agrees.",
        json_schema_extra={"maxItems": GATES_MAX},
    )
    freeze: FreezeSection = Field(
        default_factory=FreezeSection, description="What holds the rollout while it lasts."
    )
    complete: CompleteSection = Field(
        default_factory=CompleteSection,
        description="When it is complete, and what becomes of devices that are not done by then.",
    )
    overlap: OverlapWord = Field(
        default=Overlap.WARN,
        description="What it does while another rollout that came first has some of the same "
        "devices: wait for its end, warn, or just go.",
    )
    on_abort: OnAbortSection = Field(
        default_factory=OnAbortSection, description="What an abort brings besides the job's end."
    )
    stuck: StuckSection | None = Field(
        default=None,
        description="What becomes of executions in progress that give no sign of life; left out, "
        "nothing.",
    )
    cohorts: CohortKeys | None = Field(
        default=None,
        description="What devices are told apart by, to find those that the release is bad for: "
        "thing.attributes.NAME, thing.type, thing.groups or statusDetails.KEY.",
    )
    on_suspect: OnSuspectWord = Field(
        default=OnSuspect.HOLD,
        description="What follows where a cohort fails alone: hold the rollout, or set the cohort "
        "apart by quarantine and go on with the others.",
    )
    failures: FailuresSection = Field(
        default_factory=FailuresSection,
        description="Where a device says why it failed, and what of it is never kept.",
    )
    adaptive_timeout: AdaptiveTimeoutSection | None = Field(
        default=None,
        description="An in-progress time-out taken from how long devices really take; left out, "
        "there is none but job.timeout.",
    )
    soak: SoakChoice | None = Field(
        default=None,
        description="How long a device must still be there after its success to count as good; "
        "left out, success is enough.",
    )

    @field_validator("gates")
    @classmethod
    def _in_their_order(cls, value: list[GateSection]) -> list[GateSection]:
        in_their_order(value)
        return value

    @field_validator("on_suspect")
    @classmethod
    def _of_somebody(cls, value: OnSuspect, info: ValidationInfo) -> OnSuspect:
        if "cohorts" in info.data:
            refuse_quarantine_of_nobody(value, info.data["cohorts"])
        return value

    @field_validator("failures")
    @classmethod
    def _told_apart_by_others(cls, value: FailuresSection, info: ValidationInfo) -> FailuresSection:
        refuse_never_stored(info.data.get("cohorts"), value)
        return value

    def compile(self) -> Policy:
        """Return the policy as the code inside works with it, every default filled in."""
        return Policy(
            name=self.name,
            harm=_compiled_harm(self.harm),
            pace=_compiled_pace(self.pace, self.harm.budget),
            job=_compiled_job(self.job),
            authority=self.authority.compile(),
            approval=self.approval.compile(),
            gates=compiled_gates(self.gates),
            freeze=self.freeze.compile(),
            complete=self.complete.compile(),
            overlap=self.overlap,
            on_abort=self.on_abort.compile(),
            stuck=self.stuck.compile() if self.stuck else None,
            cohorts=compiled_cohorts(self.cohorts, self.on_suspect),
            failures=self.failures.compile(),
            timeout=self.adaptive_timeout.compile() if self.adaptive_timeout else None,
            soak=self.soak.compile() if self.soak else None,
        )

    def to_json(self) -> str:
        """
        Return the document as JSON; ``parse_policy_json`` reads it back unchanged.

        What was not written is left out: a parameter of SSM has little room.
        """
        written = self.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)
        return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


def _compiled_harm(harm: HarmSection) -> Harm:
    in_devices = isinstance(harm.budget, int)
    tolerated_rate = _tolerated_rate(harm.tolerated_rate, harm.baseline, harm.false_abort_risk)
    spent = 0.0 if harm.baseline is None else BASELINE_SHARE
    return Harm(
        statuses=frozenset(harm.statuses),
        tolerated_rate=tolerated_rate,
        acceptable_rate=tolerated_rate if harm.acceptable_rate is None else harm.acceptable_rate,
        confidence=harm.confidence,
        false_abort_risk=harm.false_abort_risk * (1 - spent),
        budget_devices=int(harm.budget) if in_devices else None,
        budget_share=None if in_devices else harm.budget,
        late_tolerated_rate=harm.late_tolerated_rate,
        drift_rate=harm.drift_rate,
        drift_budget=harm.drift_budget,
    )


def _start_per_minute(pace: PaceSection, budget: float) -> int:
    """Return the rate to begin with: as written, else as the budget has it."""
    if pace.start_per_minute is not None:
        return pace.start_per_minute
    start = START_PER_MINUTE_OF_SHARE
    if isinstance(budget, int):
        start = max(1, min(START_PER_MINUTE_MAX, int(START_SHARE_OF_BUDGET * budget)))
    return min(start, pace.max_per_minute)


def _compiled_pace(pace: PaceSection, budget: float) -> Pace:
    start, growth = _start_per_minute(pace, budget), pace.exponential
    return Pace(
        mode=pace.mode,
        start_per_minute=start,
        max_per_minute=pace.max_per_minute,
        exponential=None
        if growth is None
        else ExponentialRate(
            base_rate_per_minute=start,
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
        document, findings = validated(tree.value, PolicyDocument, _SECTIONS, _WHOLE)
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
    document, findings = validated(value, PolicyDocument, _SECTIONS, _WHOLE)
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


_SECTIONS: Mapping[Path, type[Section]] = {
    (): PolicyDocument,
    ("harm",): HarmSection,
    ("harm", "baseline"): BaselineSection,
    ("pace",): PaceSection,
    ("pace", "exponential"): ExponentialSection,
    ("job",): JobSection,
    ("job", "presigned_url"): PresignedUrlSection,
    ("authority",): AuthoritySection,
    ("approval",): ApprovalSection,
    ("gates", ANY): GateSection,
    ("gates", ANY, "answer"): AskingSection,
    ("gates", ANY, "approval"): AskingSection,
    ("freeze",): FreezeSection,
    ("complete",): CompleteSection,
    ("on_abort",): OnAbortSection,
    ("on_abort", "rollback"): RollbackSection,
    ("stuck",): StuckSection,
    ("failures",): FailuresSection,
    ("adaptive_timeout",): AdaptiveTimeoutSection,
    ("soak",): SoakSection,
}

#: What is no part of the policy itself, but handed on as it is.
_WHOLE: frozenset[Path] = frozenset({("on_abort", "rollback", "document")})
