"""Commands on their way: put on the bus, and waited for until it is known what became of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from tidegate.cli.account import Account, AsJson
from tidegate.cli.exits import ExitStatus, Failed
from tidegate.cli.output import Screen
from tidegate.documents.commands import CommandError, parse_command
from tidegate.documents.detail_types import OPERATOR_SOURCE
from tidegate.documents.shapes import VERSION
from tidegate.domain.rollout import Rollout
from tidegate.ports import BusEvent, CommandResult
from tidegate.service.names import execution_name

#: How long a command is waited for, and at most; an hour is much longer than a queue should be.
WAIT_SECONDS = 60
WAIT_SECONDS_MAX = 3600

#: Between two looks.
POLL_SECONDS = 0.5

By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who sends it.", show_default="your name in AWS"),
]

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a command is waited for, and in which form what became of it is printed."""

    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait", help="Only put the command on the bus; do not ask what becomes of it."
        ),
    ] = False
    timeout_seconds: Annotated[
        int,
        typer.Option(
            "--timeout",
            min=1,
            max=WAIT_SECONDS_MAX,
            metavar="SECONDS",
            help="How long to wait for what becomes of the command.",
        ),
    ] = WAIT_SECONDS
    as_json: AsJson = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is on the bus, and when it was put there, in epoch seconds."""

    detail_type: str
    job_id: str
    event_id: str
    at: float

    def __str__(self) -> str:
        return f"{self.detail_type} of job {self.job_id}"

    def to_document(self, outcome: str, **members: object) -> dict[str, Any]:
        """Return the command and what became of it as plain JSON."""
        return {
            "command": self.detail_type,
            "job_id": self.job_id,
            "event_id": self.event_id,
            "outcome": outcome,
            "problem": None,
            "remedy": None,
            **members,
        }


def send(account: Account, detail_type: str, job_id: str, **members: object) -> Command:
    """
    Put a command on the bus; one that is faulty is not sent.

    Raises:
        Failed: It is faulty; every fault is in the message.
        RetryLater: The bus does not take it now.
    """
    given = {name: value for name, value in members.items() if value is not None}
    detail: Mapping[str, Any] = {"version": VERSION, "jobId": job_id, **given}
    try:
        parse_command({"source": OPERATOR_SOURCE, "detail-type": detail_type, "detail": detail})
    except CommandError as error:
        raise Failed(str(error), ExitStatus.USAGE) from error
    at = account.clock.now()
    event_id = account.bus.send(BusEvent(detail_type, detail, source=OPERATOR_SOURCE))
    return Command(detail_type, job_id, event_id, at)


def ask(
    account: Account,
    waiting: Waiting,
    detail_type: str,
    job_id: str,
    said: str,
    *,
    by: str | None,
    **members: object,
) -> None:
    """
    Give a command about a rollout, and tell what became of it.

    Args:
        account: Where.
        waiting: How long to wait, and what to print.
        detail_type: Of the command.
        job_id: The rollout's.
        said: What to tell people once it is done.
        by: Who asks for it; None: whoever calls AWS.
        members: Of the command; None is left out.

    Raises:
        Failed: It is refused, or nothing is known of it in time.
    """
    asker = account.caller() if by is None else by
    command = send(account, detail_type, job_id, by=asker, **members)
    if taken(account, waiting, command):
        tell(waiting, command, "done", said)


def taken(account: Account, waiting: Waiting, command: Command) -> bool:
    """
    Wait until a command is taken; if nobody wants to wait, tell that it is sent and return False.

    Raises:
        Failed: It is refused, which is printed too if a document is wanted; or nothing is known of
            it in time.
    """
    if waiting.no_wait:
        tell(waiting, command, "sent", f"{command} is on the bus as {command.event_id}")
        return False
    result = _result_of(account, command, waiting.timeout_seconds)
    if result.problem is None:
        return True
    raise _refused(waiting, command, result)


def _refused(waiting: Waiting, command: Command, result: CommandResult) -> Failed:
    """Return the refusal of a command, which is printed too if a document is wanted."""
    if waiting.as_json:
        refusal = {"problem": result.problem, "remedy": result.remedy}
        Screen(as_json=True).document(command.to_document("refused", **refusal))
    what_to_do = f". {result.remedy}" if result.remedy else ""
    return Failed(f"{command} is refused: {result.problem}{what_to_do}")


def tell(waiting: Waiting, command: Command, outcome: str, said: str, **members: object) -> None:
    """Print what became of a command."""
    screen = Screen(as_json=waiting.as_json)
    if screen.as_json:
        screen.document(command.to_document(outcome, **members))
    else:
        screen.line(said)


def _result_of(account: Account, command: Command, seconds: float) -> CommandResult:
    return _awaited(
        account,
        command,
        lambda: account.ledger.command(command.event_id),
        seconds,
        f"{command} is on the bus as {command.event_id}, but nothing is known of it after "
        f"{seconds:g} s: look at `tidegate status {command.job_id}` later, and at the queues of "
        "signal if it stays so",
    )


def begun(account: Account, waiting: Waiting, command: Command) -> Rollout:
    """
    Wait until a launch or enrolment that was taken has become a rollout.

    Raises:
        Failed: It is refused, which is printed too if a document is wanted; or it waits for others,
            or is not there in time.
    """
    seconds = waiting.timeout_seconds
    name = execution_name(command.job_id, command.event_id)

    def rollout() -> Rollout | None:
        known = account.ledger.current([command.job_id]).get(command.job_id)
        if known is not None and known.execution_arn.endswith(f":{name}"):
            return known
        if (why := account.launches.failure(name)) is not None:
            raise _refused(waiting, command, CommandResult(why))
        for turn in account.ledger.turns():
            if turn.is_waiting and turn.execution_arn.endswith(f":{name}"):
                message = (
                    f"{command} waits for its turn behind {', '.join(turn.behind)}: it begins by "
                    f"itself when they are over; to give it up, `tidegate abort {command.job_id}`"
                )
                raise Failed(message, ExitStatus.TIMED_OUT)
        return None

    return _awaited(
        account,
        command,
        rollout,
        seconds,
        f"{command} has begun, but no rollout is there after {seconds:g} s: look at the execution "
        f"{name} in Step Functions, or at `tidegate status {command.job_id}` later",
    )


def _awaited(
    account: Account,
    command: Command,
    look: Callable[[], _Found | None],
    seconds: float,
    late: str,
) -> _Found:
    try:
        for _ in range(int(WAIT_SECONDS_MAX / POLL_SECONDS) + 1):
            if (found := look()) is not None:
                return found
            if account.clock.now() >= command.at + seconds:
                break
            account.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        message = (
            f"no longer waiting: {command} stays on the bus as {command.event_id}, and "
            f"`tidegate status {command.job_id}` shows what comes of it"
        )
        raise Failed(message, ExitStatus.INTERRUPTED) from None
    raise Failed(late, ExitStatus.TIMED_OUT)
