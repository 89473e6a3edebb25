"""The shapes of names in documents, and how a wrong value is shown to whoever wrote it."""

import json
import re
from collections.abc import Mapping, Sequence

JOB_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

NAMESPACE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

#: Also the last part of a parameter's name in SSM, and the value of the tag that enrolls a job.
POLICY_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}")

#: Part of what a question is asked with: ``NAME-answer``, ``NAME-approval``.
GATE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,40}")

#: By CloudWatch: any characters but control characters.
ALARM_NAME = re.compile(r"[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]{1,255}")

#: By SSM: the name of a document, or its ARN.
CALENDAR = re.compile(
    r"(?:arn:[a-z0-9-]+:ssm:[a-z0-9-]+:[0-9]{12}:document/)?[a-zA-Z0-9_.-]{3,128}"
)

#: What a question is asked and answered with.
CORRELATION_ID = re.compile(r"[a-zA-Z0-9._-]{1,80}")

#: A moment of any job's, far beyond the year 9999.
EPOCH_SECONDS = re.compile(r"[0-9]{1,12}")

#: What EventBridge gives each event: a UUID.
EVENT_ID = re.compile(r"[a-zA-Z0-9-]{1,64}")

#: Of a cohort's name, ``KEY=VALUE``: whoever releases one has to be told it whole.
COHORT_LENGTH_MAX = 266

#: Of every document and of every detail on the bus.
VERSION = "1"

#: Characters of a wrong value that are repeated to its author.
SHOWN_LENGTH_MAX = 60

#: Numbers beyond are called huge instead of being written out.
_SHOWN_NUMBER_MAX = 10**18


def shown(value: object) -> str:
    """Return a value as JSON has it, in at most a line: objects and lists by their kind only."""
    if isinstance(value, str):
        cut = value if len(value) <= SHOWN_LENGTH_MAX else value[: SHOWN_LENGTH_MAX - 1] + "…"
        return json.dumps(cut, ensure_ascii=not cut.isprintable())
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence):
        return "a list"
    if isinstance(value, int | float) and abs(value) > _SHOWN_NUMBER_MAX:
        return "a huge number"
    return json.dumps(value, default=lambda odd: type(odd).__name__)
