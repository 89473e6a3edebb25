"""
Sections of policies on single devices: what tells them apart, and what becomes of silent ones.

Each reads what people write, and compiles to its counterpart in ``tidegate.domain.policy``.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from tidegate.documents.quantities import (
    MINUTE_SPAN_ALTERNATIVES,
    MinuteSpan,
    TimeoutMinutes,
    Wrong,
    choice_schema,
    choosing,
    fault,
    list_schema,
    listing,
    matching,
    read_minute_span,
    refuse,
    refuse_parts,
    whole_between,
)
from tidegate.documents.reading import OrElse, Section
from tidegate.documents.shapes import shown
from tidegate.domain.executions import DETAIL_KEY
from tidegate.domain.policy import (
    REASON_KEYS,
    AdaptiveTimeout,
    Cohorts,
    Failures,
    Rescue,
    Soak,
    Stuck,
)

COHORT_KEYS_MAX = 5
FAILURE_KEYS_MAX = 10
NEVER_STORED_MAX = 20
#: Each is described and updated by itself, and a pass must be over before the next one begins.
STUCK_AT_MOST_MAX = 200

#: Stands for a threshold that Tidegate finds by itself.
AUTO: Literal["auto"] = "auto"

_OF_THING = "thing."
_OF_DETAILS = "statusDetails."

#: By AWS: names of attributes of things, and keys of statusDetails.
COHORT_KEY = re.compile(
    r"thing\.(?:attributes\.[a-zA-Z0-9_.,@/:#-]{1,128}|type|groups)"
    rf"|statusDetails\.{DETAIL_KEY.pattern}"
)


class OnSuspect(StrEnum):
    """What becomes of a cohort that fails alone."""

    HOLD = "hold"
    QUARANTINE = "quarantine"


class TimeoutMode(StrEnum):
    """What becomes of a time-out that was computed."""

    PROPOSE = "propose"
    SET = "set"


def _read_after(value: object) -> float | Literal["auto"]:
    if value == AUTO:
        return AUTO
    if isinstance(value, str) and value.isalpha():
        refuse(f"{shown(value)}, but {AUTO} or minutes are needed: write {AUTO}, or like 45m or 2h")
    return read_minute_span(value)


_After: TypeAlias = Annotated[
    float | Literal["auto"],
    PlainValidator(_read_after),
    WithJsonSchema({"anyOf": [{"const": AUTO}, *MINUTE_SPAN_ALTERNATIVES]}),
]
_Rescue: TypeAlias = Annotated[
    Rescue, PlainValidator(choosing(tuple(Rescue))), choice_schema(tuple(Rescue))
]
_AtMost: TypeAlias = Annotated[
    int,
    PlainValidator(whole_between(1, STUCK_AT_MOST_MAX, 50)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": STUCK_AT_MOST_MAX}),
]
_Mode: TypeAlias = Annotated[
    TimeoutMode, PlainValidator(choosing(tuple(TimeoutMode))), choice_schema(tuple(TimeoutMode))
]


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        refuse(f"{shown(value)}, but a yes or no is needed: write true or false")
    return value


_Flag: TypeAlias = Annotated[bool, PlainValidator(_read_flag), WithJsonSchema({"type": "boolean"})]

_read_detail_key = matching(DETAIL_KEY, "write a key, 1 to 128 letters, digits, :, _ and -")
_DETAIL_KEY_SCHEMA = {"type": "string", "pattern": f"^{DETAIL_KEY.pattern}$"}

CohortKeys: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(
        listing(
            matching(
                COHORT_KEY,
                "write thing.attributes.NAME, thing.type, thing.groups or statusDetails.KEY",
            ),
            COHORT_KEYS_MAX,
            "key",
        )
    ),
    list_schema({"type": "string", "pattern": f"^(?:{COHORT_KEY.pattern})$"}, COHORT_KEYS_MAX),
]
_FailureKeys: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(listing(_read_detail_key, FAILURE_KEYS_MAX, "key")),
    list_schema(_DETAIL_KEY_SCHEMA, FAILURE_KEYS_MAX),
]
_NeverStored: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(listing(_read_detail_key, NEVER_STORED_MAX, "key")),
    list_schema(_DETAIL_KEY_SCHEMA, NEVER_STORED_MAX),
]
OnSuspectWord: TypeAlias = Annotated[
    OnSuspect, PlainValidator(choosing(tuple(OnSuspect))), choice_schema(tuple(OnSuspect))
]


class StuckSection(Section):
    """What becomes of executions in progress that give no sign of life."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"then": {"const": Rescue.EXTEND.value}}, "required": ["then"]},
            "then": {
                "properties": {"devices_check_versions": {"const": False}},
                "required": ["devices_check_versions"],
            },
            "else": {"not": {"required": ["by"]}},
        }
    )

    after: _After = Field(
        default=AUTO,
        description="How long without a sign of life: minutes, or like 45m or 2h; auto takes it "
        "from how long devices really take.",
    )
    devices_check_versions: _Flag | None = Field(
        default=None,
        description="Whether devices send expectedVersion with what they report; an extension "
        "makes their next report fail then.",
    )
    then: _Rescue = Field(
        default=Rescue.FAIL,
        description="fail ends the execution as FAILED, extend sets its step timer anew where one "
        "runs.",
    )
    by: TimeoutMinutes | None = Field(
        default=None,
        description="The step time-out that extend sets: minutes, or like 30m or 2h; 30 minutes "
        "if left out.",
    )
    at_most: _AtMost = Field(default=50, description="Executions acted upon in one pass.")

    @field_validator("then")
    @classmethod
    def _extends_nobody_who_checks(cls, value: Rescue, info: ValidationInfo) -> Rescue:
        checks = info.data.get("devices_check_versions", False)
        if value is Rescue.EXTEND and checks is not False:
            refuse(
                f"{value}, but an extension counts up the version of an execution, and a device "
                "that checks it could not report any more: write devices_check_versions: false if "
                f"none does, or {Rescue.FAIL}"
            )
        return value

    @field_validator("by")
    @classmethod
    def _only_to_extend(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("then", Rescue.EXTEND) is not Rescue.EXTEND:
            refuse(
                f"{value} minutes, but nothing is extended: write then: {Rescue.EXTEND}, or leave "
                "it out"
            )
        return value

    def compile(self) -> Stuck:
        """Return the section as the code inside works with it."""
        return Stuck(
            after_minutes=None if self.after == AUTO else self.after,
            then=self.then,
            extend_minutes=Stuck().extend_minutes if self.by is None else self.by,
            at_most=self.at_most,
        )


class FailuresSection(Section):
    """Which of a device's statusDetails says why it failed."""

    keys: _FailureKeys = Field(
        default=REASON_KEYS,
        description="The first of these that a failed device reports is its reason.",
    )
    never_store: _NeverStored | None = Field(
        default=None,
        description="Keys whose values are not kept anywhere, as they tell of people or places.",
    )

    @field_validator("never_store")
    @classmethod
    def _not_what_is_looked_for(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        keys = info.data.get("keys", REASON_KEYS)
        # Of the keys that nobody wrote, those are just not looked for.
        if keys != REASON_KEYS:
            _refuse_stored(value or (), keys, "among the keys")
        return value

    def compile(self) -> Failures:
        """Return the section as the code inside works with it."""
        never = self.never_store or ()
        return Failures(tuple(key for key in self.keys if key not in never), never)


def refuse_never_stored(cohorts: Sequence[str] | None, failures: FailuresSection) -> None:
    """Refuse to tell devices apart by details whose values are not to be kept."""
    keys = [key.removeprefix(_OF_DETAILS) for key in cohorts or () if key.startswith(_OF_DETAILS)]
    _refuse_stored(failures.never_store or (), keys, "among the cohorts", "never_store")


def _refuse_stored(never: Sequence[str], kept: Sequence[str], where: str, *path: str) -> None:
    faults: list[Wrong] = []
    for index, key in enumerate(never):
        if key in kept:
            message = (
                f"{shown(key)}, but it stands {where} too, and their values are kept: leave one of "
                "the two out"
            )
            faults.append(((*path, index), key, fault(message)))
    refuse_parts(faults)


def refuse_quarantine_of_nobody(on_suspect: OnSuspect, cohorts: Sequence[str] | None) -> None:
    """Refuse to set devices apart that are told apart only when they have reported."""
    if on_suspect is OnSuspect.QUARANTINE and not any(
        key.startswith(_OF_THING) for key in cohorts or ()
    ):
        refuse(
            f"{on_suspect}, but which devices to set apart is known only by what they are, not by "
            "what they report: name thing.attributes.NAME, thing.type or thing.groups among the "
            f"cohorts, or write {OnSuspect.HOLD}"
        )


#: The same as a schema of the whole policy.
QUARANTINE_NEEDS_THINGS: dict[str, Any] = {
    "if": {
        "properties": {"on_suspect": {"const": OnSuspect.QUARANTINE.value}},
        "required": ["on_suspect"],
    },
    "then": {
        "properties": {"cohorts": {"contains": {"pattern": rf"^{re.escape(_OF_THING)}"}}},
        "required": ["cohorts"],
    },
}


def compiled_cohorts(keys: Sequence[str] | None, on_suspect: OnSuspect) -> Cohorts:
    """Return the cohorts as the code inside works with them."""
    return Cohorts(tuple(keys or ()), on_suspect is OnSuspect.QUARANTINE)


class AdaptiveTimeoutSection(Section):
    """An in-progress time-out taken from how long devices really take."""

    mode: _Mode = Field(
        default=TimeoutMode.PROPOSE,
        description="propose tells which time-out would be right, set puts it in force.",
    )
    at_least: TimeoutMinutes = Field(
        default=AdaptiveTimeout().at_least,
        description="It is never set below: minutes, or like 45m or 2h.",
    )
    at_most: TimeoutMinutes = Field(
        default=AdaptiveTimeout().at_most, description="It is never set above, likewise."
    )

    @field_validator("at_most")
    @classmethod
    def _not_below_the_least(cls, value: int, info: ValidationInfo) -> int:
        at_least = info.data.get("at_least", value)
        if value < at_least:
            refuse(f"{value} minutes, but at_least is {at_least}: raise it, or lower at_least")
        return value

    def compile(self) -> AdaptiveTimeout:
        """Return the section as the code inside works with it."""
        return AdaptiveTimeout(self.mode is TimeoutMode.SET, self.at_least, self.at_most)


class SoakSection(Section):
    """How long a device must still be there after its success to count as good."""

    minutes: MinuteSpan = Field(
        alias="for", description="How long: minutes, or like 30m, 2h or 1d."
    )

    @model_validator(mode="before")
    @classmethod
    def _for_so_long(cls, value: object) -> object:
        return value if isinstance(value, Mapping) else {"for": read_minute_span(value)}

    def compile(self) -> Soak:
        """Return the section as the code inside works with it."""
        return Soak(self.minutes)


#: A span, or the same under its key.
SoakChoice: TypeAlias = Annotated[SoakSection, OrElse(*MINUTE_SPAN_ALTERNATIVES)]
