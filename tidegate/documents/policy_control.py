"""
Sections of policies on what stops a rollout, whom it asks, and how it ends.

Each reads what people write, and compiles to its counterpart in ``tidegate.domain.policy``.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, NoReturn, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from tidegate.documents.launch import (
    DOCUMENT_LENGTH_MAX,
    DOCUMENT_SOURCE_LENGTH_MAX,
    RESOURCE_ARN,
    RESOURCE_ARN_LENGTH_MAX,
)
from tidegate.documents.quantities import (
    Budget,
    ShareToReach,
    SpanMinutes,
    SpanMinutesIfAny,
    Wrong,
    choice_schema,
    choosing,
    fault,
    list_schema,
    listing,
    matching,
    refuse,
    refuse_parts,
    text_schema,
    written_or,
)
from tidegate.documents.reading import OrElse, Section
from tidegate.documents.shapes import ALARM_NAME, CALENDAR, GATE_NAME, POLICY_NAME, shown
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import (
    Asking,
    Authorities,
    Authority,
    Completion,
    Fallback,
    Freeze,
    Gate,
    OnAbort,
    Overlap,
    Rollback,
    Stragglers,
)

GATES_MAX = 10
ALARMS_MAX = 10
CALENDARS_MAX = 10

#: Outcomes whose devices a rollback may be for besides those that succeeded.
ROLLED_BACK_TOO = (
    ExecutionStatus.FAILED,
    ExecutionStatus.TIMED_OUT,
    ExecutionStatus.REJECTED,
    ExecutionStatus.CANCELED,
)


class MissingData(StrEnum):
    """What an alarm without data, or that does not exist, does to a rollout."""

    HOLD = "hold"
    IGNORE = "ignore"


class InFlight(StrEnum):
    """What an abort does to devices at work."""

    LEAVE = "leave"
    FORCE = "force"


_UNANSWERED = (Fallback.HOLD, Fallback.PASS, Fallback.ABORT)
_UNANSWERED_DECISION = (Fallback.HOLD, Fallback.PASS)
_REFUSED = (Fallback.HOLD, Fallback.ABORT)

_Authority: TypeAlias = Annotated[
    Authority, PlainValidator(choosing(tuple(Authority))), choice_schema(tuple(Authority))
]
_Unanswered: TypeAlias = Annotated[
    Fallback, PlainValidator(choosing(_UNANSWERED)), choice_schema(_UNANSWERED)
]
_UnansweredDecision: TypeAlias = Annotated[
    Fallback, PlainValidator(choosing(_UNANSWERED_DECISION)), choice_schema(_UNANSWERED_DECISION)
]
_Refused: TypeAlias = Annotated[
    Fallback, PlainValidator(choosing(_REFUSED)), choice_schema(_REFUSED)
]
_MissingData: TypeAlias = Annotated[
    MissingData, PlainValidator(choosing(tuple(MissingData))), choice_schema(tuple(MissingData))
]
_Stragglers: TypeAlias = Annotated[
    Stragglers, PlainValidator(choosing(tuple(Stragglers))), choice_schema(tuple(Stragglers))
]
_InFlight: TypeAlias = Annotated[
    InFlight, PlainValidator(choosing(tuple(InFlight))), choice_schema(tuple(InFlight))
]
OverlapWord: TypeAlias = Annotated[
    Overlap, PlainValidator(choosing(tuple(Overlap))), choice_schema(tuple(Overlap))
]

_Alarms: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(
        listing(
            matching(ALARM_NAME, "write an alarm's name, 1 to 255 characters on one line"),
            ALARMS_MAX,
            "alarm",
        )
    ),
    list_schema({"type": "string", "pattern": f"^{ALARM_NAME.pattern}$"}, ALARMS_MAX),
]
_Calendars: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(
        listing(
            matching(CALENDAR, "write a change calendar's name or ARN"), CALENDARS_MAX, "calendar"
        )
    ),
    list_schema({"type": "string", "pattern": f"^{CALENDAR.pattern}$"}, CALENDARS_MAX),
]
_Outcomes: TypeAlias = Annotated[
    tuple[ExecutionStatus, ...],
    PlainValidator(listing(choosing(ROLLED_BACK_TOO), len(ROLLED_BACK_TOO), "outcome")),
    list_schema({"enum": [each.value for each in ROLLED_BACK_TOO]}, len(ROLLED_BACK_TOO)),
]
_GateName: TypeAlias = Annotated[
    str,
    PlainValidator(matching(GATE_NAME, "write 1 to 40 letters, digits, - and _")),
    text_schema(GATE_NAME.pattern),
]
_PolicyName: TypeAlias = Annotated[
    str,
    PlainValidator(matching(POLICY_NAME, "write the name of a policy")),
    text_schema(POLICY_NAME.pattern),
]


class AuthoritySection(Section):
    """How far Tidegate may go with what it judges right; one word is meant for all actions."""

    speed_up: _Authority = Field(default=Authority.AUTO, description="Raising the rate.")
    slow_down: _Authority = Field(default=Authority.AUTO, description="Lowering the rate.")
    abort: _Authority = Field(default=Authority.AUTO, description="Stopping the release.")
    roll_back: _Authority = Field(default=Authority.AUTO, description="Undoing it.")
    complete: _Authority = Field(
        default=Authority.AUTO,
        description="Canceling the job once as many devices are done as complete asks for.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return value
        if not isinstance(value, str) or value not in tuple(Authority):
            refuse(
                f"{shown(value)}, but one of a few words, or keys, are needed: write "
                f"{written_or(tuple(Authority))}, or one of them for each of "
                f"{', '.join(cls.model_fields)}"
            )
        return dict.fromkeys(cls.model_fields, value)

    def compile(self) -> Authorities:
        """Return the section as the code inside works with it."""
        return Authorities(**{name: getattr(self, name) for name in type(self).model_fields})


#: An authority for each action, or one word for all.
AuthorityChoice: TypeAlias = Annotated[
    AuthoritySection, OrElse({"enum": [each.value for each in Authority]})
]

_WITHIN = "How long an answer may take: minutes, or like 30m, 2h or 1d."


class ApprovalSection(Section):
    """How people are asked about decisions for which the authority is approve."""

    within: SpanMinutes = Field(default=1440.0, description=_WITHIN)
    unanswered: _UnansweredDecision = Field(
        default=Fallback.HOLD,
        description="What follows where no answer comes in time: hold asks again, pass does what "
        "was proposed.",
    )
    refused: _Refused = Field(default=Fallback.HOLD, description="What follows a no.")

    def compile(self) -> Asking:
        """Return the section as the code inside works with it."""
        return Asking(self.within, self.unanswered, self.refused)


#: What asks with the defaults.
REQUIRED = "required"


class AskingSection(Section):
    """How a gate asks; the word required means the defaults."""

    within: SpanMinutes = Field(default=1440.0, description=_WITHIN)
    unanswered: _Unanswered = Field(
        default=Fallback.HOLD, description="What follows where no answer comes in time."
    )
    refused: _Refused = Field(default=Fallback.ABORT, description="What follows a no.")

    @model_validator(mode="before")
    @classmethod
    def _by_defaults(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return value
        if value != REQUIRED:
            refuse(
                f"{shown(value)}, but only {REQUIRED}, or keys, can stand here: write {REQUIRED}, "
                f"any of {', '.join(cls.model_fields)}, or leave it out"
            )
        return {}

    def compile(self) -> Asking:
        """Return the section as the code inside works with it."""
        return Asking(self.within, self.unanswered, self.refused)


_AskingChoice: TypeAlias = Annotated[AskingSection, OrElse({"enum": [REQUIRED]})]

#: What a gate may ask for; one that asks for none of it would change nothing.
_ASKS = ("bake", "alarms", "answer", "approval")


class GateSection(Section):
    """A point where exposure stops until all that it asks for agrees."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [name]} for name in _ASKS]})

    name: _GateName | None = Field(
        default=None, description="What answers name it by; gate-1 and so on if left out."
    )
    after: Budget = Field(
        description="Exposed devices at which it is reached: a number, or a share of the fleet."
    )
    bake: SpanMinutes | None = Field(
        default=None,
        description="How long the exposed devices are watched: minutes, or like 30m, 2h or 1d.",
    )
    alarms: _Alarms | None = Field(default=None, description="CloudWatch alarms that must be OK.")
    answer: _AskingChoice | None = Field(
        default=None, description="Some system must say yes, asked as the gate is reached."
    )
    approval: _AskingChoice | None = Field(
        default=None, description="A person must say yes, asked once all else agrees."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> "GateSection":
        if all(getattr(self, name) is None for name in _ASKS):
            refuse(
                "a gate that asks for nothing, which would change nothing: give it at least one "
                f"of {', '.join(_ASKS)}, or leave it out"
            )
        return self

    def compile(self, position: int) -> Gate:
        """Return the section as the code inside works with it; positions count from 1."""
        in_devices = isinstance(self.after, int)
        return Gate(
            name=self.name or _default_name(position),
            after_devices=int(self.after) if in_devices else None,
            after_share=None if in_devices else self.after,
            bake_minutes=self.bake or 0.0,
            alarms=self.alarms or (),
            answer=self.answer.compile() if self.answer else None,
            approval=self.approval.compile() if self.approval else None,
        )


def _default_name(position: int) -> str:
    return f"gate-{position}"


def in_their_order(gates: Sequence[GateSection]) -> None:
    """Refuse gates that are too many, bear the same name, or lie before those above them."""
    if len(gates) > GATES_MAX:
        refuse(f"{len(gates)} gates, but at most {GATES_MAX} are read: leave some out")
    faults: list[Wrong] = []
    names: set[str] = set()
    reached: dict[type, float] = {}
    for index, gate in enumerate(gates):
        name = gate.name or _default_name(index + 1)
        if name in names:
            message = f"{shown(name)} is another gate's name: give each one of its own"
            faults.append(((index, "name"), name, fault(message)))
        names.add(name)
        # A number of devices and a share cannot be compared before the fleet is counted.
        before = reached.get(type(gate.after))
        if before is not None and gate.after <= before:
            message = (
                f"{_extent(gate.after)}, but a gate above lies at {_extent(before)}: "
                "write gates in the order in which they are reached"
            )
            faults.append(((index, "after"), gate.after, fault(message)))
        reached[type(gate.after)] = gate.after
    refuse_parts(faults)


def _extent(after: float) -> str:
    return f"{after} devices" if isinstance(after, int) else f"{after:.6g} of the fleet"


class FreezeSection(Section):
    """What holds the rollout for as long as it lasts."""

    calendars: _Calendars | None = Field(
        default=None, description="SSM change calendars, by name or ARN: while closed."
    )
    alarms: _Alarms | None = Field(default=None, description="CloudWatch alarms: while in ALARM.")
    missing_data: _MissingData = Field(
        default=MissingData.HOLD,
        description="What an alarm does that has no data, or does not exist.",
    )

    def compile(self) -> Freeze:
        """Return the section as the code inside works with it."""
        return Freeze(
            alarms=self.alarms or (),
            missing_data_holds=self.missing_data is MissingData.HOLD,
            calendars=self.calendars or (),
        )


class CompleteSection(Section):
    """When the rollout is complete."""

    at: ShareToReach = Field(
        default=1.0, description="Share of the devices that must have an outcome."
    )
    stragglers: _Stragglers = Field(
        default=Stragglers.LEAVE,
        description="What becomes of the others: leave lets them finish, cancel stops them.",
    )
    grace: SpanMinutesIfAny = Field(
        default=0.0,
        description="How long they still have once the share is reached: minutes, or like 30m, "
        "2h or 1d.",
    )

    def compile(self) -> Completion:
        """Return the section as the code inside works with it."""
        return Completion(self.at, self.stragglers, self.grace)


def _read_document(value: object) -> str:
    text = _json_of(value)
    if text is None:
        refuse(f"{shown(value)}, but JSON is needed: write keys, or a text that is JSON")
    if len(text) > DOCUMENT_LENGTH_MAX:
        refuse(
            f"{len(text)} characters, but AWS takes at most {DOCUMENT_LENGTH_MAX}: put it into S3 "
            "and write document_source"
        )
    return text


def _json_of(value: object) -> str | None:
    """Return a job document as the text that AWS takes, None if it cannot be one."""
    try:
        if isinstance(value, Mapping):
            return json.dumps(value, allow_nan=False)
        if isinstance(value, str):
            json.loads(value, parse_constant=_no_number)
            return value
    except (TypeError, ValueError, RecursionError):
        return None
    return None


def _no_number(name: str) -> NoReturn:
    message = f"{name} is no JSON number"
    raise ValueError(message)


def _read_source(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= DOCUMENT_SOURCE_LENGTH_MAX:
        refuse(
            f"{shown(value)}, but 1 to {DOCUMENT_SOURCE_LENGTH_MAX} characters are needed: write "
            "the S3 URL of a job document"
        )
    return value


def _read_template(value: object) -> str:
    template = matching(RESOURCE_ARN, "write a job template's ARN")(value)
    if len(template) > RESOURCE_ARN_LENGTH_MAX:
        refuse(
            f"{len(template)} characters, but an ARN has at most {RESOURCE_ARN_LENGTH_MAX}: write "
            "a job template's ARN"
        )
    return template


_Document: TypeAlias = Annotated[
    str,
    PlainValidator(_read_document),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": DOCUMENT_LENGTH_MAX},
                {"type": "object"},
            ]
        }
    ),
]
_Source: TypeAlias = Annotated[
    str,
    PlainValidator(_read_source),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": DOCUMENT_SOURCE_LENGTH_MAX}),
]
_Template: TypeAlias = Annotated[
    str,
    PlainValidator(_read_template),
    text_schema(RESOURCE_ARN.pattern, maxLength=RESOURCE_ARN_LENGTH_MAX),
]

#: What CreateJob calls that which a rollback's job is made of.
_SOURCES: Mapping[str, str] = {
    "template": "jobTemplateArn",
    "document": "document",
    "document_source": "documentSource",
}


class RollbackSection(Section):
    """The job that undoes an aborted release."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [name]} for name in _SOURCES]}
    )

    template: _Template | None = Field(default=None, description="ARN of a job template.")
    document: _Document | None = Field(
        default=None, description="The job document: keys, or its JSON as a text."
    )
    document_source: _Source | None = Field(default=None, description="S3 URL of the job document.")
    policy: _PolicyName | None = Field(
        default=None,
        description="The policy that it is launched under; if left out, this one, without "
        "another rollback.",
    )
    include: _Outcomes | None = Field(
        default=None,
        description="Outcomes of the release whose devices get it besides those that succeeded.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> "RollbackSection":
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) + " are" if given else "none is"
            refuse(f"one of {', '.join(_SOURCES)} is needed, but {found} given")
        return self

    def compile(self) -> Rollback:
        """Return the section as the code inside works with it."""
        ((member, value),) = (
            (member, value)
            for name, member in _SOURCES.items()
            if (value := getattr(self, name)) is not None
        )
        return Rollback(
            source=(member, value),
            policy=self.policy,
            statuses=frozenset({ExecutionStatus.SUCCEEDED, *(self.include or ())}),
        )


class OnAbortSection(Section):
    """What an abort does besides stopping the job."""

    in_flight: _InFlight = Field(
        default=InFlight.LEAVE,
        description="What becomes of devices at work: leave lets them finish, force stops them.",
    )
    rollback: RollbackSection | None = Field(
        default=None, description="The job that follows, for those that took the release."
    )

    def compile(self) -> OnAbort:
        """Return the section as the code inside works with it."""
        return OnAbort(
            force=self.in_flight is InFlight.FORCE,
            rollback=self.rollback.compile() if self.rollback else None,
        )


def compiled_gates(gates: Sequence[GateSection]) -> tuple[Gate, ...]:
    """Return gates as the code inside works with them."""
    return tuple(gate.compile(position) for position, gate in enumerate(gates, start=1))
