"""``tidegate watch``: decisions as they come, and the end."""

import io
import json

import pytest
from rich.console import Console

from tests.contract.samples import NOW
from tests.unit.cli.desk import JOB, Desk, going, held
from tidegate.adapters.memory.faults import Faults
from tidegate.cli.watch import FAILURES_MAX, _picture
from tidegate.console.view import Glance
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import Ending
from tidegate.errors import RetryLater


@pytest.fixture
def desk() -> Desk:
    """Return an account with a rollout that will be held, go on and be stopped."""
    desk = Desk()
    rollout = desk.enroll()
    desk.decide(rollout, going(1))
    desk.later = [
        lambda: desk.decide(rollout, held(2)),
        lambda: None,
        lambda: desk.decide(rollout, going(3), going(4, verdict=Verdict.ENDED)),
        lambda: desk.end(rollout, Ending.ABORTED),
    ]
    return desk


LINES = (
    "2023-11-14 22:13:51 UTC\t1\tproceed\t100/min\tnothing is known yet: starting at 10 per "
    "minute\n"
    "2023-11-14 22:13:52 UTC\t2\thold\t1/min\toperator hold by Zoë since 06:13: lunch\n"
    "2023-11-14 22:13:53 UTC\t3\tproceed\t100/min\tnothing is known yet: starting at 10 per "
    "minute\n"
    "2023-11-14 22:13:54 UTC\t4\tended\t100/min\tnothing is known yet: starting at 10 per minute\n"
)


def test_each_decision_is_a_line_and_the_end_is_the_last(desk: Desk) -> None:
    """Where nothing can be drawn, decisions come once each, in order, until the rollout ends."""
    result = desk.type_in("watch", JOB)

    assert result.exit_code == 0
    assert result.stdout == LINES + (
        "firmware-7: ■ stopped by Tidegate at 2023-11-14 22:14:28 UTC; 120 of 1,000 exposed, "
        "2 harmed, 0.4 of 1 beyond the acceptable\n"
    )


def test_a_dumb_terminal_gets_lines_too(desk: Desk) -> None:
    """Nothing is drawn over; what is printed stays."""
    shown = desk.type_in("watch", JOB, width=100).stdout

    assert "\x1b" not in shown
    assert [line.split()[1] for line in shown.splitlines() if " #" in line] == [
        "#1",
        "#2",
        "#3",
        "#4",
    ]


def test_scripts_get_a_document_on_each_line(desk: Desk) -> None:
    """Decisions first, and at the end the rollout."""
    lines = desk.type_in("watch", JOB, "--json").stdout.splitlines()
    told = [json.loads(line) for line in lines]

    assert [each["revision"] for each in told[:-1]] == [1, 2, 3, 4]
    assert {each["job_id"] for each in told} == {JOB}
    assert told[-1]["state"] == "aborted"


def test_the_exit_status_tells_how_it_ended(desk: Desk) -> None:
    """A pipeline goes on only after a rollout that completed."""
    assert desk.type_in("watch", JOB, "--exit-code").exit_code == 10


def test_a_watch_ends_by_itself(desk: Desk) -> None:
    """After --timeout whoever watches learns that the rollout goes on."""
    desk.later = []
    result = desk.type_in("watch", JOB, "--timeout", "9", "--interval", "3")

    assert result.exit_code == 5
    assert desk.clock.now() == NOW + 69
    assert "firmware-7 goes on" in result.stderr


def test_a_watch_outlives_a_moment_without_aws(desk: Desk) -> None:
    """A failed look or two is nobody's concern; the next one shows what was missed."""
    fail = Faults()
    fail.before("rollout", RetryLater("away"), RetryLater("away"))
    desk.ledger.faults = fail
    result = desk.type_in("watch", JOB)

    assert result.exit_code == 0
    assert result.stdout.startswith(LINES)


def test_a_watch_gives_up_when_aws_stays_away(desk: Desk) -> None:
    """It says so, and does not pretend that the rollout goes on."""
    fail = Faults()
    fail.before("rollout", *[RetryLater("DynamoDB is away")] * (FAILURES_MAX + 1))
    desk.ledger.faults = fail
    result = desk.type_in("watch", JOB)

    assert result.exit_code == 4
    assert result.stderr == "DynamoDB is away: try again, or check --region and --endpoint-url\n"


def test_whoever_stops_watching_stops_nothing_else(desk: Desk) -> None:
    """An interrupt ends the watch alone, and says that the rollout goes on."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    desk.later = [interrupt]
    result = desk.type_in("watch", JOB)

    assert result.exit_code == 130
    assert result.stderr == "no longer watching firmware-7, which goes on\n"
    assert desk.sent == []


def test_a_job_without_a_rollout_cannot_be_watched(desk: Desk) -> None:
    """Nothing is waited for that may never come."""
    assert desk.type_in("watch", "firmware-9").exit_code == 3


@pytest.mark.parametrize("width", [50, 120])
def test_what_is_drawn_says_in_words_what_bars_show(desk: Desk, width: int) -> None:
    """Figures stand beside their limits, so that neither colour nor length is needed."""
    desk.decide(rollout := desk.ledger.current([JOB])[JOB], held(2))
    glance = Glance(desk.ledger.rollout(rollout.key), held(2))
    console = Console(file=io.StringIO(), width=width)
    console.print(_picture(glance, NOW + 60))
    assert isinstance(console.file, io.StringIO)
    drawn = " ".join(console.file.getvalue().split())

    assert "firmware-7 ‖ held waits for operator hold by on-call" in drawn
    assert "0.4 of 1 beyond" in drawn
    assert "1.25 of the" in drawn
    assert "next review in 32 s" in drawn
    assert max(map(len, console.file.getvalue().splitlines())) <= width


def test_a_rollout_without_decisions_is_drawn_as_it_is(desk: Desk) -> None:
    """Before the first review there are no figures."""
    console = Console(file=io.StringIO(), width=80)
    console.print(_picture(Glance(desk.ledger.current([JOB])[JOB], None), NOW))
    assert isinstance(console.file, io.StringIO)

    assert "waits for its first review" in console.file.getvalue()
