"""AWS's errors become Tidegate's by their code."""

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from tidegate.adapters.aws.errors import (
    AlreadyExists,
    ConditionFailed,
    WriteConflict,
    translated,
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


def refusal(code: str, *, status: int = 400, reasons: list[str] | None = None) -> ClientError:
    """Return what botocore raises for an error answer."""
    response = {
        "Error": {"Code": code, "Message": "in AWS's words"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    if reasons is not None:
        response["CancellationReasons"] = [{"Code": each, "Message": "why"} for each in reasons]
    return ClientError(response, "Operation")  # type: ignore[arg-type]


def raised(error: Exception) -> TidegateError:
    """Return what the caller gets to see."""
    with pytest.raises(TidegateError) as caught, translated("UpdateJob j"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, RetryLater),
        ("TooManyRequestsException", 429, RetryLater),
        ("LimitExceededException", 410, RetryLater),
        ("ProvisionedThroughputExceededException", 400, RetryLater),
        ("ServiceUnavailableException", 503, RetryLater),
        ("InternalFailureException", 500, RetryLater),
        ("SomethingNew", 502, RetryLater),
        ("ResourceNotFoundException", 404, NotFound),
        ("ParameterNotFound", 400, NotFound),
        ("TaskTimedOut", 400, NotFound),
        ("IndexNotReadyException", 400, RetryLater),
        ("InvalidStateTransitionException", 409, Conflict),
        ("VersionConflictException", 409, Conflict),
        ("TerminalStateException", 410, Conflict),
        ("ResourceAlreadyExistsException", 409, AlreadyExists),
        ("ExecutionAlreadyExists", 400, AlreadyExists),
        ("ConditionalCheckFailedException", 400, ConditionFailed),
        ("TransactionConflictException", 400, WriteConflict),
        ("InvalidRequestException", 400, Refused),
        ("ValidationException", 400, Refused),
        ("AccessDeniedException", 403, Denied),
        ("UnauthorizedException", 401, Denied),
        ("CertificateValidationException", 400, Denied),
        ("SomethingNew", 400, Refused),
    ],
)
def test_the_code_decides(code: str, status: int, kind: type[TidegateError]) -> None:
    """What the caller must do follows from the error's code, or its being the server's fault."""
    error = raised(refusal(code, status=status))

    assert type(error) is kind
    assert str(error) == f"UpdateJob j: {code}: in AWS's words"


def test_the_message_decides_nothing() -> None:
    """A refusal that talks of throttling is still a refusal."""
    answer = {"Error": {"Code": "InvalidRequestException", "Message": "ThrottlingException"}}

    assert type(raised(ClientError(answer, "Operation"))) is Refused  # type: ignore[arg-type]


def test_a_missing_table_is_no_missing_rollout() -> None:
    """Where the object is ours and not asked for, its absence is a fault of the installation."""
    error = refusal("ResourceNotFoundException")
    with pytest.raises(TidegateError) as caught, translated("read", missing=Refused):
        raise error

    assert type(caught.value) is Refused


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.ConnectTimeoutError(endpoint_url="https://aws"),
        botocore.exceptions.ReadTimeoutError(endpoint_url="https://aws"),
        botocore.exceptions.EndpointConnectionError(endpoint_url="https://aws"),
        botocore.exceptions.ConnectionClosedError(endpoint_url="https://aws"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unreachable_service_is_tried_again_later(error: Exception) -> None:
    """Nothing is wrong with the request if it never got there."""
    assert type(raised(error)) is RetryLater


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.ParamValidationError(report="Unknown parameter"),
        botocore.exceptions.NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_request_that_cannot_be_sent_is_refused(error: Exception) -> None:
    """Sending it again unchanged would fail again."""
    assert type(raised(error)) is Refused


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], ConditionFailed),
        (["TransactionConflict", "ConditionalCheckFailed"], ConditionFailed),
        (["TransactionConflict", "None"], WriteConflict),
        (["ThrottlingError", "ProvisionedThroughputExceeded"], WriteConflict),
        (["ValidationError", "TransactionConflict"], Refused),
    ],
)
def test_a_canceled_transaction_says_why(reasons: list[str], kind: type[TidegateError]) -> None:
    """A failed condition outweighs a collision, and what can never succeed outweighs that."""
    error = raised(refusal("TransactionCanceledException", reasons=reasons))

    assert type(error) is kind
    assert all(each in str(error) for each in reasons if each != "None")


def test_a_canceled_transaction_names_the_actions_at_fault() -> None:
    """The ledger tells from the position which of its conditions failed."""
    reasons = ["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]
    error = raised(refusal("TransactionCanceledException", reasons=reasons))

    assert isinstance(error, ConditionFailed)
    assert isinstance(error, Contention)
    assert error.actions == {1, 2}


def test_other_errors_pass_unchanged() -> None:
    """A bug of ours is not dressed up as AWS's doing."""
    with pytest.raises(KeyError), translated("UpdateJob j"):
        raise KeyError
