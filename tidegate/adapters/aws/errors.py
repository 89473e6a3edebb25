"""
AWS's errors, sorted once into Tidegate's: by error code, never by message.

What is not listed is ``Refused``: a malformed request, a missing table. Repeating it unchanged
will not help, and its message is AWS's.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, no subclass of the built-in one
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
)

from tidegate.errors import (
    Conflict,
    Contention,
    Denied,
    NotFound,
    Refused,
    RetryLater,
    TidegateError,
)

#: Busy or away. LimitExceededException belongs here since the limits meant go down by themselves:
#: on calls per second, on jobs being deleted, on jobs rolling out at once.
_BUSY = frozenset(
    {
        "ExecutionLimitExceeded",
        "IndexNotReadyException",
        "InternalException",
        "InternalFailure",
        "InternalFailureException",
        "InternalServerError",
        "InternalServerException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottledException",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)

_MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "ExecutionDoesNotExist",
        "InvalidArn",
        "InvalidDocument",
        "InvalidToken",
        "NoSuchResourceException",
        "ParameterNotFound",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "TaskDoesNotExist",
        "TaskTimedOut",
    }
)

#: Of whoever asks, and not of what is asked.
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "CertificateValidationException",
        "ForbiddenException",
        "UnauthorizedException",
    }
)

#: Of one device's execution.
_CONFLICTING = frozenset(
    {"InvalidStateTransitionException", "TerminalStateException", "VersionConflictException"}
)

_EXISTING = frozenset({"ExecutionAlreadyExists", "ResourceAlreadyExistsException"})

#: Why DynamoDB canceled a transaction that may do the next time.
_PASSING = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingError",
        "TransactionConflict",
    }
)

#: Of a server at fault, whatever it calls it.
_SERVER_ERROR = 500

_TRANSPORT = (
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
)


class AlreadyExists(Refused):
    """An object of that name is there already; the adapter finds out whether it is the same."""


class ConditionFailed(Contention):
    """
    What was to be written did not meet its condition; the adapter finds out what that means.

    Attributes:
        actions: Of a transaction: the indices of the actions whose conditions failed.
    """

    actions: frozenset[int] = frozenset()


class WriteConflict(Contention):
    """Another write to the same item was under way at that moment."""


_KINDS: tuple[tuple[frozenset[str], type[TidegateError]], ...] = (
    (_BUSY, RetryLater),
    (_CONFLICTING, Conflict),
    (_DENIED, Denied),
    (_EXISTING, AlreadyExists),
    (frozenset({"ConditionalCheckFailedException"}), ConditionFailed),
    (frozenset({"TransactionConflictException"}), WriteConflict),
)


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def translated(operation: str, *, missing: type[TidegateError] = NotFound) -> Iterator[None]:
    """
    Turn whatever AWS or the way there raises into an error of Tidegate's.

    Args:
        operation: What was to be done to what; every message begins with it.
        missing: What it means that AWS does not know the object.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) == "TransactionCanceledException":
            raise _canceled(operation, error) from error
        detail = error.response.get("Error", {}).get("Message", "")
        kind = _kind_of(error, missing)
        message = f"{operation}: {code_of(error)}: {detail}"
        raise kind(message) from error
    except _TRANSPORT as error:
        message = f"{operation}: AWS could not be reached: {error}"
        raise RetryLater(message) from error
    except BotoCoreError as error:
        message = f"{operation}: {error}"
        raise Refused(message) from error


def _canceled(operation: str, error: ClientError) -> TidegateError:
    """Return why DynamoDB canceled a transaction: a reason per action, most of them ``None``."""
    reasons: list[dict[str, str]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    codes = [each.get("Code", "None") for each in reasons]
    counted = Counter(code for code in codes if code != "None")
    message = f"{operation}: transaction canceled: {dict(counted)}"
    if "ConditionalCheckFailed" in counted:
        failed = ConditionFailed(message)
        failed.actions = frozenset(
            index for index, code in enumerate(codes) if code == "ConditionalCheckFailed"
        )
        return failed
    if counted.keys() <= _PASSING:
        return WriteConflict(message)
    details = " ".join(each["Message"] for each in reasons if each.get("Message"))
    return Refused(f"{message}: {details}")


def _kind_of(error: ClientError, missing: type[TidegateError]) -> type[TidegateError]:
    code = code_of(error)
    if code in _MISSING:
        return missing
    for codes, kind in _KINDS:
        if code in codes:
            return kind
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return RetryLater if status >= _SERVER_ERROR else Refused
