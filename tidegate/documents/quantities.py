"""
How policies write quantities: shares, budgets, durations, rates and counts, as pydantic types.

Each type reads what people write, says what would be right when it cannot, and carries the JSON
Schema that accepts the very same. A whole number may be written 10.0, as JSON Schema has it.
"""

import math
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from tidegate.documents.shapes import shown
from tidegate.domain.settings import (
    INCREMENT_FACTOR_MAX,
    INCREMENT_FACTOR_MIN,
    PRESIGNED_URL_SECONDS_MAX,
    PRESIGNED_URL_SECONDS_MIN,
    RATE_PER_MINUTE_MAX,
    RATE_PER_MINUTE_MIN,
    TIMEOUT_MINUTES_MAX,
    TIMEOUT_MINUTES_MIN,
    ExponentialRate,
    JobSettings,
    PresignedUrl,
    RolloutRate,
    refusals,
)

#: What is wrong with a part of a value: where that stands, what it is, and why it will not do.
Wrong = tuple[tuple[int | str, ...], object, PydanticCustomError]

_Choice = TypeVar("_Choice", bound=StrEnum)
_Item = TypeVar("_Item")

CONFIDENCE_ABOVE = 0.5
FALSE_ABORT_RISK_MAX = 0.2
DEVICES_MAX = 1_000_000_000

#: 30 days.
SPAN_MINUTES_MAX = 43_200

#: AWS's type of a count is an integer of 32 bits.
COUNT_MAX = 2**31 - 1

#: The type of errors whose message is ours, whole.
FAULT = "tidegate"

_PERCENT = re.compile(r"((?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,9})?)%")
_BARE_PERCENT = re.compile(r"[1-9][0-9]?(?:\.[0-9]{1,9})?")
_DURATION = re.compile(r"(0|[1-9][0-9]{0,6})([smhd])")
_DELAY = re.compile(r"((?:0|[1-9][0-9]{0,6})(?:\.[0-9]{1,9})?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def fault(message: str) -> PydanticCustomError:
    """Return a message as what pydantic is told of a value."""
    return PydanticCustomError(FAULT, "{message}", {"message": message})


def refuse(message: str) -> NoReturn:
    """Raise a message as what is wrong with the value being read."""
    raise fault(message)


def refuse_parts(faults: Sequence[Wrong]) -> None:
    """Raise what is wrong with parts of the value being read, if anything is."""
    if faults:
        title = "parts"
        raise ValidationError.from_exception_data(
            title, [{"type": error, "loc": loc, "input": part} for loc, part, error in faults]
        )


def refuse_what_aws_refuses(value: str, settings: JobSettings) -> None:
    """Raise AWS's first objection to settings; ``value`` is what was written."""
    for refusal in refusals(settings, JobSettings()):
        refuse(f"{value}, but {refusal.limit}: {refusal.remedy}")


def _number(value: object) -> float | None:
    """Return a number, None for anything else; true, false and infinity are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _share_of(value: object) -> float | None:
    if isinstance(value, str):
        percent = _PERCENT.fullmatch(value)
        return float(f"{percent[1]}e-2") if percent else None
    return _number(value)


def _without_its_sign(value: object) -> float | None:
    """Return the percentage that somebody wrote without its sign, None if nobody did."""
    if isinstance(value, str) and _BARE_PERCENT.fullmatch(value):
        return float(value)
    number = _number(value)
    return number if number is not None and 1 <= number < 100 else None  # noqa: PLR2004 - percent


def _shares(bound: str, holds: Callable[[float], bool], example: str) -> Callable[[object], float]:
    def read(value: object) -> float:
        share = _share_of(value)
        if share is not None and holds(share):
            return share
        bare = _without_its_sign(value)
        if bare is not None and holds(bare / 100):
            refuse(f"{shown(value)}, but a share is needed: write {bare:g}% or {bare / 100:.6g}")
        need = "a share is needed" if share is None else f"it must be {bound}"
        refuse(f"{shown(value)}, but {need}: write it like {example}")

    return read


def _share_schema(numbers: dict[str, float], percents: str) -> WithJsonSchema:
    # The look-ahead keeps out the bounds themselves, however many zeros they are written with.
    texts = {"type": "string", "pattern": f"^{percents}$"}
    return WithJsonSchema({"anyOf": [{"type": "number", **numbers}, texts]})


_DECIMALS = r"(?:\.[0-9]{1,9})?%"
_ABOVE_0 = r"(?!0(?:\.0+)?%)"
_PERCENTS = rf"{_ABOVE_0}(?:0|[1-9][0-9]?){_DECIMALS}"

#: A failure rate, above 0 and below 1.
Rate = Annotated[
    float,
    PlainValidator(_shares("above 0% and below 100%", lambda share: 0 < share < 1, "2% or 0.02")),
    _share_schema({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, _PERCENTS),
]

#: By how much a rate may exceed another, if at all.
Margin = Annotated[
    float,
    PlainValidator(
        _shares("from 0% up to below 100%", lambda share: 0 <= share < 1, "0.5% or 0.005")
    ),
    _share_schema({"minimum": 0, "exclusiveMaximum": 1}, rf"(?:0|[1-9][0-9]?){_DECIMALS}"),
]

#: A part of a whole, which may be nothing or all of it.
Share = Annotated[
    float,
    PlainValidator(_shares("from 0% to 100%", lambda share: 0 <= share <= 1, "2% or 0.02")),
    _share_schema(
        {"minimum": 0, "maximum": 1}, rf"(?:(?:0|[1-9][0-9]?){_DECIMALS}|100(?:\.0{{1,9}})?%)"
    ),
]

#: A part of a whole, which may be all of it.
ShareToReach = Annotated[
    float,
    PlainValidator(
        _shares("above 0% and at most 100%", lambda share: 0 < share <= 1, "98% or 0.98")
    ),
    _share_schema(
        {"exclusiveMinimum": 0, "maximum": 1},
        rf"(?:{_ABOVE_0}(?:0|[1-9][0-9]?){_DECIMALS}|100(?:\.0{{1,9}})?%)",
    ),
]

Confidence = Annotated[
    float,
    PlainValidator(
        _shares(
            "above 50% and below 100%",
            lambda share: CONFIDENCE_ABOVE < share < 1,
            "95% or 0.95",
        )
    ),
    _share_schema(
        {"exclusiveMinimum": CONFIDENCE_ABOVE, "exclusiveMaximum": 1},
        rf"(?!50(?:\.0+)?%)[5-9][0-9]{_DECIMALS}",
    ),
]

Risk = Annotated[
    float,
    PlainValidator(
        _shares(
            "above 0% and at most 20%",
            lambda share: 0 < share <= FALSE_ABORT_RISK_MAX,
            "1% or 0.01",
        )
    ),
    _share_schema(
        {"exclusiveMinimum": 0, "maximum": FALSE_ABORT_RISK_MAX},
        rf"(?:{_ABOVE_0}1?[0-9]{_DECIMALS}|20(?:\.0{{1,9}})?%)",
    ),
]


def _read_budget(value: object) -> int | float:
    devices = _whole(value)
    if devices is not None and 1 <= devices <= DEVICES_MAX:
        return devices
    share = _share_of(value)
    if devices is None and share is not None and 0 < share < 1:
        return share
    refuse(
        f"{shown(value)}, but 1 to {DEVICES_MAX} devices or a share of the fleet below 100% "
        "are needed: write it like 50 or 0.5%"
    )


#: Devices as an int, or a share of the fleet as a float.
Budget = Annotated[
    int | float,
    PlainValidator(_read_budget),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": DEVICES_MAX},
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                {"type": "string", "pattern": f"^{_PERCENTS}$"},
            ]
        }
    ),
]


def _devices(low: int, example: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        devices = _whole(value)
        if devices is None or not low <= devices <= DEVICES_MAX:
            refuse(
                f"{shown(value)}, but {low} to {DEVICES_MAX} devices are needed: "
                f"write a whole number like {example}"
            )
        return devices

    return read


def _devices_schema(low: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": DEVICES_MAX})


#: A number of devices.
Devices = Annotated[int, PlainValidator(_devices(1, 1000)), _devices_schema(1)]

#: A number of devices that may be none.
DevicesIfAny = Annotated[int, PlainValidator(_devices(0, 25)), _devices_schema(0)]


def _durations(
    unit: str, units: str, example: str, settings: Callable[[int], JobSettings]
) -> Callable[[object], int]:
    name = {"s": "seconds", "m": "minutes"}[unit]

    def read(value: object) -> int:
        amount = _whole(value)
        wording = shown(value) if amount is None else f"{shown(value)} {name}"
        written = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if written and written[2] in units:
            amount = int(written[1]) * _SECONDS[written[2]] // _SECONDS[unit]
            wording = f"{wording} is {amount} {name}"
        if amount is None:
            refuse(f"{wording}, but {name} are needed: write a whole number, or like {example}")
        refuse_what_aws_refuses(wording, settings(amount))
        return amount

    return read


def _duration_schema(low: int, high: int, texts: str) -> WithJsonSchema:
    whole = {"type": "integer", "minimum": low, "maximum": high}
    return WithJsonSchema({"anyOf": [whole, {"type": "string", "pattern": f"^(?:{texts})$"}]})


#: Whole minutes, as AWS has its in-progress timeout.
TimeoutMinutes = Annotated[
    int,
    PlainValidator(
        _durations("m", "mhd", "45m or 2h", lambda minutes: JobSettings(timeout_minutes=minutes))
    ),
    _duration_schema(
        TIMEOUT_MINUTES_MIN,
        TIMEOUT_MINUTES_MAX,
        # 10080 minutes, 168 hours, 7 days.
        "(?:[1-9][0-9]{0,3}|100[0-7][0-9]|10080)m|(?:[1-9][0-9]?|1[0-5][0-9]|16[0-8])h|[1-7]d",
    ),
]


def _read_delay(value: object) -> float:
    minutes = _number(value)
    written = _DELAY.fullmatch(value) if isinstance(value, str) else None
    if written:
        minutes = float(written[1]) * _SECONDS[written[2]] / _SECONDS["m"]
    if minutes is None:
        refuse(f"{shown(value)}, but minutes are needed: write a number, or like 90s, 8m or 1.5h")
    if not 0 <= minutes <= TIMEOUT_MINUTES_MAX:
        refuse(
            f"{shown(value)}, but 0 to {TIMEOUT_MINUTES_MAX} minutes are allowed: "
            "choose a value in between"
        )
    return minutes


#: Minutes, whole or not, up to the longest timeout.
DelayMinutes = Annotated[float, PlainValidator(_read_delay)]


def _spans(low: str, holds: Callable[[float], bool]) -> Callable[[object], float]:
    def read(value: object) -> float:
        minutes = _number(value)
        written = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if written:
            minutes = int(written[1]) * _SECONDS[written[2]] / _SECONDS["m"]
        if minutes is None:
            refuse(
                f"{shown(value)}, but minutes are needed: write a number, or like 90s, 30m or 2h"
            )
        if not holds(minutes) or minutes > SPAN_MINUTES_MAX:
            refuse(f"{shown(value)}, but {low} to 30 days are allowed: choose a value in between")
        return float(minutes)

    return read


def _span_alternatives(low: dict[str, float], texts: str) -> list[dict[str, Any]]:
    number = {"type": "number", **low, "maximum": SPAN_MINUTES_MAX}
    return [number, {"type": "string", "pattern": f"^(?:{texts})$"}]


def _span_schema(low: dict[str, float], texts: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": _span_alternatives(low, texts)})


#: 2592000 seconds, 43200 minutes, 720 hours, 30 days.
_MANY_SECONDS = "1[0-9]{6}|2[0-4][0-9]{5}|25[0-8][0-9]{4}|259[01][0-9]{3}|2592000"
_SPANS_OF_MINUTES = (
    "(?:[1-9][0-9]{0,3}|[1-3][0-9]{4}|4[0-2][0-9]{3}|43[01][0-9]{2}|43200)m"
    "|(?:[1-9][0-9]?|[1-6][0-9]{2}|7[01][0-9]|720)h"
    "|(?:[1-9]|[12][0-9]|30)d"
)
_SPANS = f"(?:[1-9][0-9]{{0,5}}|{_MANY_SECONDS})s|{_SPANS_OF_MINUTES}"
_SPANS_FROM_A_MINUTE = f"(?:[6-9][0-9]|[1-9][0-9]{{2,5}}|{_MANY_SECONDS})s|{_SPANS_OF_MINUTES}"

#: Minutes that people or devices are given.
SpanMinutes = Annotated[
    float,
    PlainValidator(_spans("more than none", lambda minutes: minutes > 0)),
    _span_schema({"exclusiveMinimum": 0}, _SPANS),
]

#: The same, or none.
SpanMinutesIfAny = Annotated[
    float,
    PlainValidator(_spans("none", lambda minutes: minutes >= 0)),
    _span_schema({"minimum": 0}, f"0[smhd]|{_SPANS}"),
]

#: Reads a span of at least a minute.
read_minute_span = _spans("1 minute", lambda minutes: minutes >= 1)

#: What the schema of such a span may be.
MINUTE_SPAN_ALTERNATIVES = _span_alternatives({"minimum": 1}, _SPANS_FROM_A_MINUTE)

#: Minutes that devices are watched for, at least one.
MinuteSpan = Annotated[
    float,
    PlainValidator(read_minute_span),
    WithJsonSchema({"anyOf": MINUTE_SPAN_ALTERNATIVES}),
]

#: Seconds, as AWS has the lifetime of presigned URLs.
UrlSeconds = Annotated[
    int,
    PlainValidator(
        _durations(
            "s",
            "smh",
            "10m or 1h",
            lambda seconds: JobSettings(presigned_url=PresignedUrl(expires_in_seconds=seconds)),
        )
    ),
    _duration_schema(
        PRESIGNED_URL_SECONDS_MIN,
        PRESIGNED_URL_SECONDS_MAX,
        # 60 to 3600 seconds.
        "(?:[6-9][0-9]|[1-9][0-9]{2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s"
        "|(?:[1-9]|[1-5][0-9]|60)m|1h",
    ),
]


def _whole_numbers(example: int, settings: Callable[[int], JobSettings]) -> Callable[[object], int]:
    def read(value: object) -> int:
        number = _whole(value)
        if number is None:
            refuse(f"{shown(value)}, but a whole number is needed: write it like {example}")
        refuse_what_aws_refuses(shown(value), settings(number))
        return number

    return read


PerMinute = Annotated[
    int,
    PlainValidator(_whole_numbers(10, lambda rate: JobSettings(rollout=RolloutRate(rate)))),
    WithJsonSchema(
        {"type": "integer", "minimum": RATE_PER_MINUTE_MIN, "maximum": RATE_PER_MINUTE_MAX}
    ),
]


def _growing(factor: float, things: int = 1) -> JobSettings:
    rate = ExponentialRate(RATE_PER_MINUTE_MIN, factor, notified_things=things)
    return JobSettings(rollout=RolloutRate(RATE_PER_MINUTE_MAX, rate))


def _read_count(value: object) -> int:
    count = _whole_numbers(100, lambda things: _growing(INCREMENT_FACTOR_MIN, things))(value)
    if count > COUNT_MAX:
        refuse(f"{shown(value)}, but AWS counts things up to {COUNT_MAX}: give less")
    return count


ThingCount = Annotated[
    int,
    PlainValidator(_read_count),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": COUNT_MAX}),
]


def _read_factor(value: object) -> float:
    factor = _number(value)
    if factor is None:
        refuse(f"{shown(value)}, but a number is needed: write it like 1.5")
    refuse_what_aws_refuses(shown(value), _growing(factor))
    return round(float(factor), 1)


_TENTHS = range(round(INCREMENT_FACTOR_MIN * 10), round(INCREMENT_FACTOR_MAX * 10) + 1)

IncrementFactor = Annotated[
    float,
    PlainValidator(_read_factor),
    # As a list, for "a multiple of 0.1" depends on who divides.
    WithJsonSchema({"enum": [tenths / 10 for tenths in _TENTHS]}),
]


def _read_no_retries(value: object) -> int:
    if _whole(value) != 0:
        refuse(
            f"{shown(value)}, but 0 alone can be kept, as AWS lets the retries of a job only be "
            "lowered to 0: write 0, or leave retries out and set them when the job is created"
        )
    return 0


NoRetries = Annotated[int, PlainValidator(_read_no_retries), WithJsonSchema({"const": 0})]


def whole_between(low: int, high: int, example: int) -> Callable[[object], int]:
    """Return a reader of whole numbers within limits."""

    def read(value: object) -> int:
        number = _whole(value)
        if number is None or not low <= number <= high:
            refuse(
                f"{shown(value)}, but a whole number from {low} to {high} is needed: "
                f"write it like {example}"
            )
        return number

    return read


def matching(form: re.Pattern[str], remedy: str) -> Callable[[object], str]:
    """Return a reader of texts of a certain form."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            refuse(f"{shown(value)}, but a text is needed: {remedy}")
        if not form.fullmatch(value):
            refuse(f"{shown(value)}, but not every text will do: {remedy}")
        return value

    return read


def choosing(choices: Sequence[_Choice]) -> Callable[[object], _Choice]:
    """Return a reader of one word out of a few."""

    def read(value: object) -> _Choice:
        for choice in choices:
            if value == choice.value:
                return choice
        refuse(f"{shown(value)}, but one of a few words is needed: write {written_or(choices)}")

    return read


def choice_schema(choices: Sequence[StrEnum]) -> WithJsonSchema:
    """Return the schema of one word out of a few."""
    return WithJsonSchema({"enum": [choice.value for choice in choices]})


def written_or(choices: Sequence[StrEnum]) -> str:
    """Return words as a sentence names them when one is to be chosen."""
    *others, last = (choice.value for choice in choices)
    return f"{', '.join(others)} or {last}" if others else last


def listing(
    read_item: Callable[[object], _Item], length_max: int, kind: str
) -> Callable[[object], tuple[_Item, ...]]:
    """Return a reader of lists, not empty, in which nothing stands twice."""

    def read(value: object) -> tuple[_Item, ...]:
        if not isinstance(value, list | tuple) or not value:
            found = "a list of nothing" if value in ([], ()) else shown(value)
            refuse(f"{found}, but a list is needed: name at least one {kind}, or leave it out")
        if len(value) > length_max:
            refuse(f"{len(value)} items, but at most {length_max} are read: leave some out")
        faults: list[Wrong] = []
        for index, item in enumerate(value):
            try:
                read_item(item)
                if item in value[:index]:
                    refuse(f"{shown(item)} stands here twice: leave one of them out")
            except PydanticCustomError as error:
                faults.append(((index,), item, error))
        refuse_parts(faults)
        return tuple(read_item(item) for item in value)

    return read


def list_schema(item: dict[str, Any], length_max: int) -> WithJsonSchema:
    """Return the schema of lists, not empty, in which nothing stands twice."""
    limits = {"minItems": 1, "maxItems": length_max, "uniqueItems": True}
    return WithJsonSchema({"type": "array", "items": item, **limits})


def text_schema(pattern: str, **limits: int) -> WithJsonSchema:
    """Return the schema of texts of a certain form."""
    schema: dict[str, Any] = {"type": "string", **limits, "pattern": f"^{pattern}$"}
    return WithJsonSchema(schema)
