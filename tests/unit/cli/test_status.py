"""``tidegate status``: all rollouts and one of them, for people, pipes and scripts."""

import json
from dataclasses import replace

import pytest

from tests.contract.samples import NOW
from tests.unit.cli.desk import EVIDENCE, HOSTILE, JOB, Desk, going, held
from tidegate.cli.wording import span
from tidegate.console.worded import stamped
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import AtGate, Awaits, Decision, Verdict
from tidegate.domain.rollout import AbortRequest, Ending
from tidegate.domain.turn import Turn

HEADER = "job\tstate\texposed\tharmed\tbeyond acceptable\trate\twaits for\n"


@pytest.fixture
def desk() -> Desk:
    """Return an account with a rollout that goes on."""
    desk = Desk()
    desk.decide(desk.enroll(), going())
    return desk


def test_a_pipe_gets_a_line_for_each_rollout(desk: Desk) -> None:
    """Fields are divided by tabs, below one line of names; those that ended come last."""
    desk.decide(desk.enroll("aardvark"), held())
    desk.decide(desk.enroll("done"), going(evidence=replace(EVIDENCE, exposed=1000, harmed=7)))
    desk.end(desk.ledger.current(["done"])["done"])
    result = desk.type_in("status")

    assert result.exit_code == 0
    assert result.stdout == HEADER + (
        "aardvark\t‖ held\t120 of 1,000\t2\t0.4 of 1\t1/min\toperator hold by on-call\n"
        "firmware-7\t▶ going on\t120 of 1,000\t2\t0.4 of 1\t100/min\twhat devices report\n"
        "done\t✓ completed\t1,000 of 1,000\t7\t5.3 of 1\t\t\n"
    )


def test_people_get_a_table(desk: Desk) -> None:
    """At a terminal the same stands in columns."""
    result = desk.type_in("status", width=120)

    lines = [line.rstrip() for line in result.stdout.splitlines() if line.strip()]
    assert [line.split("  ")[0].strip() for line in lines[:1]] == ["job"]
    assert lines[2].split() == [
        *("firmware-7", "▶", "going", "on", "120", "of", "1,000", "2", "0.4", "of", "1"),
        *("100/min", "what", "devices", "report"),
    ]


def test_a_job_id_stays_whole(desk: Desk) -> None:
    """It is there to be copied; other columns break their words before it does."""
    desk.decide(desk.enroll("firmware-7-rollback-6ab13b81"), going(awaits=Awaits.STRAGGLERS))

    assert "firmware-7-rollback-6ab13b81" in desk.type_in("status", width=80).stdout


def test_a_narrow_terminal_gets_a_few_lines_for_each(desk: Desk) -> None:
    """No line is longer than the terminal, and no word is broken to fit a column."""
    result = desk.type_in("status", width=44)

    assert max(map(len, result.stdout.splitlines())) <= 44
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["firmware-7"],
        ["state", "▶", "going", "on"],
        ["exposed", "120", "of", "1,000"],
        ["harmed", "2"],
        ["beyond", "acceptable", "0.4", "of", "1"],
        ["rate", "100/min"],
        ["waits", "for", "what", "devices", "report"],
    ]


def test_scripts_get_a_document(desk: Desk) -> None:
    """The members of a rollout, whole: scripts rest on each of these names."""
    (told,) = json.loads(desk.type_in("status", "--json").stdout)["rollouts"]

    assert told == json.loads(desk.type_in("status", JOB, "--json").stdout)
    assert told == {
        "job_id": "firmware-7",
        "created_at": "2023-11-14T22:13:20Z",
        "state": "proceed",
        "state_text": "going on",
        "why": "nothing is known yet: starting at 10 per minute",
        "waits_for": "what devices report",
        "policy": "firmware",
        "policy_version": 1,
        "enrolled_at": "2023-11-14T22:13:20Z",
        "ended_at": None,
        "fleet_size": 1000,
        "exposed": 120,
        "started": 110,
        "in_flight": 18,
        "succeeded": 90,
        "harmed": 2,
        "harmed_beyond": pytest.approx(0.35),
        "budget": 1.0,
        "evidence": 1.25,
        "abort_at": 4.6,
        "upper_bound": 0.062,
        "rate_per_minute": 100,
        "revision": 1,
        "review_by": "2023-11-14T22:14:51Z",
        "holds": [],
        "questions": [],
        "overlaps": [],
        "rolls_back": None,
        "rolled_back_by": None,
    }


def test_one_rollout_is_told_in_detail(desk: Desk) -> None:
    """State, why, figures against their limits, and when the next review is due."""
    result = desk.type_in("status", JOB)

    assert result.stdout == (
        "firmware-7  ▶ going on\n"
        "why\tnothing is known yet: starting at 10 per minute\n"
        "waits for\twhat devices report\n"
        "policy\tfirmware, version 1\n"
        "devices\t120 of 1,000 exposed: 90 succeeded, 2 harmed, 18 in flight\n"
        "budget\t0.4 of 1 devices harmed beyond the acceptable 1.5%\n"
        "evidence\t1.25 of the 4.60 that stops it\n"
        "failure rate\tat most 6.2%\n"
        "rate\t100/min\n"
        "enrolled\t2023-11-14 22:13:20 UTC\n"
        "next review\tby 2023-11-14 22:14:51 UTC\n"
    )


def test_a_rollout_that_was_never_reviewed_is_shown(desk: Desk) -> None:
    """Right after it began there is nothing to say but that."""
    desk.enroll("new")
    told = json.loads(desk.type_in("status", "new", "--json").stdout)

    assert (told["state"], told["waits_for"]) == ("enrolled", "its first review")
    assert (told["review_by"], told["rate_per_minute"]) == (None, None)
    assert "○ enrolled" in desk.type_in("status", "new").stdout


GATE = AtGate("canary", is_new=False, waits_for=("bake", "approval"), bake_until=NOW + 600)
QUESTION = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW, NOW + 3600)


@pytest.mark.parametrize(
    ("decision", "course", "state", "waits"),
    [
        (
            going(verdict=Verdict.GATE, gate=GATE, awaits=Awaits.BAKE),
            Course(),
            "◆ at gate canary",
            "gate canary, watched until 2023-11-14 22:23:20 UTC",
        ),
        (
            going(
                verdict=Verdict.GATE,
                gate=replace(GATE, waits_for=("alarms",)),
                awaits=Awaits.BAKE,
            ),
            Course(),
            "◆ at gate canary",
            "alarms of gate canary to be OK",
        ),
        (
            going(verdict=Verdict.GATE, gate=GATE, awaits=Awaits.APPROVAL),
            Course(questions=(QUESTION,)),
            "◆ at gate canary",
            "approval of canary-approval by 2023-11-14 23:13:20 UTC",
        ),
        (
            going(verdict=Verdict.GATE, gate=GATE, awaits=Awaits.APPROVAL),
            Course(questions=(replace(QUESTION, is_open=False),)),
            "◆ at gate canary",
            "somebody to resume it, after a no",
        ),
        (
            going(awaits=Awaits.JOINERS),
            Course(is_guarding=True),
            "▶ guarding",
            "devices that join late",
        ),
        (going(verdict=Verdict.ABORT, awaits=Awaits.STOP), Course(), "■ stopping", "AWS to stop"),
    ],
)
def test_what_it_waits_for_is_named(
    decision: Decision, course: Course, state: str, waits: str
) -> None:
    """A gate by its name, a question by what answers it, each with its time."""
    desk = Desk()
    desk.decide(desk.enroll(), replace(decision, course=course))
    line = desk.type_in("status").stdout.splitlines()[1].split("\t")

    assert line[1] == state
    assert line[6].startswith(waits)


def test_an_abort_that_was_asked_for_shows_before_it_is_reviewed(desk: Desk) -> None:
    """Whoever aborts sees at once that it is taken."""
    desk.ledger.request_abort(desk.ledger.current([JOB])[JOB].key, AbortRequest("ops", "no", NOW))

    assert "■ stopping" in desk.type_in("status").stdout


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (None, 20),
        (Ending.COMPLETED, 0),
        (Ending.ABORTED, 10),
        (Ending.FENCED, 11),
        (Ending.CANCELED_OUTSIDE, 12),
        (Ending.DELETED_OUTSIDE, 13),
    ],
)
def test_the_exit_status_tells_how_it_stands(
    desk: Desk, ending: Ending | None, status: int
) -> None:
    """Scripts that want it need not read anything; all others get 0 for an answer."""
    if ending is not None:
        desk.end(desk.ledger.current([JOB])[JOB], ending)

    assert desk.type_in("status", JOB, "--exit-code").exit_code == status
    assert desk.type_in("status", JOB).exit_code == 0


def test_an_exit_status_is_of_one_rollout(desk: Desk) -> None:
    """Of many there is none to tell."""
    result = desk.type_in("status", "--exit-code")

    assert result.exit_code == 2
    assert "name its job" in result.stderr


def test_ended_rollouts_can_be_left_out(desk: Desk) -> None:
    """--active is what goes on."""
    desk.end(desk.enroll("done"))

    assert "done" in desk.type_in("status").stdout
    assert "done" not in desk.type_in("status", "--active").stdout
    assert JOB in desk.type_in("status", "--active").stdout


def test_a_job_without_a_rollout_is_not_found(desk: Desk) -> None:
    """The message says how to find those that there are."""
    result = desk.type_in("status", "firmware-9")

    assert result.exit_code == 3
    assert result.stderr.startswith("job firmware-9 has no rollout in this account and region: ")


def test_an_account_without_rollouts_says_so() -> None:
    """People are told how to begin; scripts get an empty list, and pipes the names alone."""
    desk = Desk()

    assert "no rollouts yet" in desk.type_in("status", width=100).stdout
    assert json.loads(desk.type_in("status", "--json").stdout) == {"rollouts": [], "waiting": []}
    assert desk.type_in("status").stdout == HEADER


@pytest.mark.parametrize("width", [None, 60, 100])
def test_nothing_from_outside_steers_the_terminal(width: int | None) -> None:
    """Escapes, turns of direction and markup in a reason are shown, not obeyed."""
    desk = Desk()
    hostile = held(why=HOSTILE)
    hold = replace(hostile.holds[0], by=HOSTILE)
    desk.decide(desk.enroll(), replace(hostile, holds=(hold,)))
    shown = desk.type_in("status", width=width).stdout + desk.type_in("status", JOB).stdout

    assert "[red]x[/]" in shown
    assert ":smile:" in shown
    assert not {"\x1b", "\u202e", "\x9b"} & set(shown)
    assert desk.type_in("status", "--json").stdout.isascii()


def test_long_reasons_wrap_and_stay_whole() -> None:
    """No line is longer than the terminal, and no word gets lost."""
    desk = Desk()
    why = " ".join(f"word{number}" for number in range(200))
    long = held(why=why)
    desk.decide(desk.enroll(), replace(long, attention=None))
    for width in (40, 60, 100):
        shown = desk.type_in("status", width=width).stdout
        assert max(map(len, shown.splitlines())) <= width
    explained = desk.type_in("explain", JOB, width=60).stdout
    assert max(map(len, explained.splitlines())) <= 60


def test_two_hundred_rollouts_are_two_hundred_lines() -> None:
    """A large account is shown whole, oldest first, in order."""
    desk = Desk()
    names = [f"job-{number:03}" for number in range(200)]
    for name in reversed(names):
        desk.decide(desk.enroll(name), going())
    piped = desk.type_in("status").stdout.splitlines()[1:]
    told = json.loads(desk.type_in("status", "--json").stdout)["rollouts"]

    assert [line.split("\t")[0] for line in piped] == names
    assert [each["job_id"] for each in told] == names
    assert all(name in desk.type_in("status", width=100).stdout for name in names[:3])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_lengths_of_time_have_two_units(seconds: float, told: str) -> None:
    """As exact as people need, and never negative."""
    assert span(seconds) == told


TURN = Turn("firmware-9", "arn:execution:firmware-9-a", "firmware", (JOB, "other"), NOW)


def test_launches_that_wait_are_shown_with_whom_they_wait_for(desk: Desk) -> None:
    """They are no rollouts yet, but asked for; one that was given up waits no more."""
    given_up = replace(
        TURN, execution_arn="b", given_up=AbortRequest("release-desk", "wrong image", NOW)
    )
    for each in (TURN, given_up):
        desk.ledger.write_turn(each, previous=None)

    assert desk.type_in("status").stdout.splitlines()[1] == (
        "firmware-9\t… waiting to be launched\t\t\t\t\tthe end of firmware-7, other"
    )
    (document,) = json.loads(desk.type_in("status", "--json").stdout)["waiting"]
    assert (document["job_id"], document["behind"]) == ("firmware-9", [JOB, "other"])


def test_a_launch_that_waits_is_shown_by_its_job(desk: Desk) -> None:
    """Since when, for whom, and how to give it up; a script can tell that it is not over."""
    desk.ledger.write_turn(TURN, previous=None)
    shown = desk.type_in("status", "firmware-9", "--exit-code")

    assert shown.exit_code == 20
    assert "the end of firmware-7, other" in shown.stdout
    assert "tidegate abort firmware-9" in shown.stdout


@pytest.mark.parametrize("command", ["watch", "explain", "history", "report", "export"])
def test_of_a_launch_that_waits_there_is_nothing_else_to_see(desk: Desk, command: str) -> None:
    """It is not mistaken for a job that nobody has enrolled: it is told what it waits for."""
    desk.ledger.write_turn(TURN, previous=None)
    refused = desk.type_in(command, "firmware-9")

    assert refused.exit_code == 3
    assert (
        "its launch waits for the end of firmware-7, other and begins by itself" in refused.stderr
    )
    assert "enroll" not in refused.stderr
    document = json.loads(desk.type_in("status", "firmware-9", "--json").stdout)
    assert (document["state"], document["since"]) == ("waiting", stamped(NOW))
