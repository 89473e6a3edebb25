"""What operators ask for at the terminal: what goes onto the bus, and what they are told."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.contract.samples import NOW
from tests.unit.cli.desk import HOSTILE, JOB, Desk
from tidegate.cli.account import Access
from tidegate.domain.course import About, Course, Question
from tidegate.domain.rollout import Ending
from tidegate.errors import Denied, NotFound, Refused, RetryLater
from tidegate.ports import CommandResult

REASON = ("--reason", "support is short")
COMMENT = ("--comment", "tickets are quiet")

POLICY_YAML = """\
name: cautious
harm: {tolerated_rate: 2%, acceptable_rate: 2%, budget: 5}
"""


@pytest.fixture
def desk() -> Desk:
    """Return an account with a rollout that goes on."""
    desk = Desk()
    desk.enroll()
    return desk


def asking(desk: Desk, *questions: Question) -> None:
    """Let the rollout wait for answers."""
    rollout = desk.ledger.current([JOB])[JOB]
    changed = replace(rollout, course=Course(questions=questions))
    desk.ledger.claim(replace(changed, generation=2), previous=rollout)


GATE = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW)
SYSTEM = Question("canary-answer", About.GATE_ANSWER, "canary", NOW)
DECISION = Question("decision-31", About.DECISION, "speed_up", NOW)


@pytest.mark.parametrize(
    ("typed", "command", "said"),
    [
        ("hold", "Hold Rollout", "firmware-7 is to be held: its review begins now\n"),
        (
            "resume",
            "Resume Rollout",
            "operators' holds of firmware-7 are lifted: its review begins now\n",
        ),
        (
            "abort",
            "Abort Rollout",
            "firmware-7 is to be stopped for good: its review begins now\n",
        ),
    ],
)
def test_what_is_asked_for_goes_onto_the_bus(
    desk: Desk, typed: str, command: str, said: str
) -> None:
    """A word and a reason become the command, by the caller's own name, and its end is told."""
    result = desk.type_in(typed, JOB, *REASON)

    assert (result.exit_code, result.stdout) == (0, said)
    detail = {"version": "1", "jobId": JOB, "by": "night-shift", "reason": "support is short"}
    assert desk.sent == [(command, detail)]


def test_a_hold_is_in_the_ledger_under_the_name_that_is_given(desk: Desk) -> None:
    """--by says who asks, for those who share an identity."""
    desk.type_in("hold", JOB, *REASON, "--by", "on-call")

    (hold,) = desk.ledger.holds(desk.ledger.current([JOB])[JOB].key)
    assert (hold.by, hold.reason) == ("on-call", "support is short")


def test_what_became_of_a_command_is_a_document_too(desk: Desk) -> None:
    """--json has the same members whether a command is done or refused."""
    done = json.loads(desk.type_in("hold", JOB, *REASON, "--json").stdout)
    refused = desk.type_in("hold", "firmware-9", *REASON, "--json")
    told = json.loads(refused.stdout)

    assert done == {
        "command": "Hold Rollout",
        "job_id": JOB,
        "event_id": "event-1",
        "outcome": "done",
        "problem": None,
        "remedy": None,
    }
    assert refused.exit_code == 1
    assert told.keys() == done.keys()
    assert (told["outcome"], told["job_id"]) == ("refused", "firmware-9")
    assert "never enrolled" in told["problem"]
    assert told["remedy"].startswith("Check the job id")


def test_a_refusal_is_one_line_with_its_remedy(desk: Desk) -> None:
    """Whoever types learns on stderr what is wrong and what to do; nothing was done."""
    result = desk.type_in("abort", "firmware-9", *REASON)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Abort Rollout of job firmware-9 is refused: night-shift asked to abort job firmware-9, "
        "but no rollout of it is running (never enrolled). Check the job id; if its launch was "
        "asked for just now, send this again in a minute. To have a running job steered, send "
        "Enroll Job first.\n"
    )


def test_a_command_that_is_not_taken_up_is_waited_for_so_long(desk: Desk) -> None:
    """When nothing is known in time, that is said with the event's id, and is no success."""
    desk.is_deaf = True
    result = desk.type_in("hold", JOB, *REASON, "--timeout", "7")

    assert result.exit_code == 5
    assert desk.clock.now() == pytest.approx(NOW + 67, abs=1)
    assert "is on the bus as event-1, but nothing is known of it after 7 s" in result.stderr


def test_whoever_stops_waiting_learns_that_the_command_stays(desk: Desk) -> None:
    """Ctrl-C ends the wait, not what was asked for: that is said, and is an interruption."""
    desk.is_deaf = True

    def interrupt() -> None:
        raise KeyboardInterrupt

    desk.later = [interrupt]
    result = desk.type_in("hold", JOB, *REASON)

    assert result.exit_code == 130
    assert "Hold Rollout of job firmware-7 stays on the bus as event-1" in result.stderr


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_an_abort_that_is_not_meant_is_told_as_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Who says no, or leaves, is told that the rollout goes on; "Aborted!" would say otherwise."""
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("tidegate.cli.requests.sys", terminal)
    result = desk.type_in("abort", JOB, *REASON, answer=answer)

    assert result.exit_code == 1
    assert "nothing was asked of firmware-7: it goes on as it was" in result.stderr
    assert "Aborted" not in result.output
    assert desk.sent == []


def test_an_abort_that_is_meant_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes at the terminal is as good as --yes."""
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("tidegate.cli.requests.sys", terminal)

    assert desk.type_in("abort", JOB, *REASON, answer="y\n").exit_code == 0
    assert [kind for kind, _ in desk.sent] == ["Abort Rollout"]


def test_nothing_is_waited_for_where_nobody_wants_to(desk: Desk) -> None:
    """--no-wait is done once the bus has the command."""
    desk.is_deaf = True
    result = desk.type_in("hold", JOB, *REASON, "--no-wait")

    assert result.exit_code == 0
    assert result.stdout == "Hold Rollout of job firmware-7 is on the bus as event-1\n"
    assert desk.clock.now() == NOW + 60


def test_a_command_that_is_done_a_little_later_is_done(desk: Desk) -> None:
    """Queues take a moment: whoever waits hears of it as soon as it is known."""

    def note() -> None:
        desk.ledger.note_command("event-1", CommandResult(), at=NOW)

    desk.is_deaf = True
    desk.later = [lambda: None, lambda: None, note]
    result = desk.type_in("hold", JOB, *REASON)

    assert result.exit_code == 0
    assert desk.clock.now() < NOW + 63


def test_a_faulty_command_is_not_sent(desk: Desk) -> None:
    """What the service would refuse for its form is refused here, as a fault of the input."""
    result = desk.type_in("hold", JOB, "--reason", "two\nlines")

    assert result.exit_code == 2
    assert "reason holds control characters or line breaks" in result.stderr
    assert desk.sent == []


def test_a_reason_is_needed(desk: Desk) -> None:
    """No hold without a word why: others read it."""
    result = desk.type_in("hold", JOB)

    assert result.exit_code == 2
    assert "--reason" in result.stderr
    assert desk.sent == []


# answers


@pytest.mark.parametrize(
    ("typed", "question", "command"),
    [
        ("approve", GATE, "Approve Gate"),
        ("approve", SYSTEM, "Approve Gate"),
        ("reject", GATE, "Reject Gate"),
        ("approve", DECISION, "Approve Decision"),
        ("reject", DECISION, "Reject Decision"),
    ],
)
def test_the_only_question_need_not_be_named(
    desk: Desk, typed: str, question: Question, command: str
) -> None:
    """What is asked tells which command answers it."""
    asking(desk, question)
    result = desk.type_in(typed, JOB, *COMMENT)

    assert result.exit_code == 0, result.stderr
    ((sent, detail),) = desk.sent
    assert sent == command
    assert detail == {
        "version": "1",
        "jobId": JOB,
        "by": "night-shift",
        "correlationId": question.question_id,
        "comment": "tickets are quiet",
    }


def test_of_several_questions_one_has_to_be_named(desk: Desk) -> None:
    """Nobody approves more, or something else, than is meant."""
    asking(desk, GATE, DECISION)
    result = desk.type_in("approve", JOB, *COMMENT)

    assert result.exit_code == 2
    assert result.stderr == (
        "firmware-7 asks more than one thing: name one of canary-approval, decision-31 behind "
        "the job\n"
    )
    assert desk.sent == []


def test_a_question_that_is_named_is_answered(desk: Desk) -> None:
    """The others stay."""
    asking(desk, GATE, DECISION)
    result = desk.type_in("reject", JOB, "decision-31", *COMMENT)

    assert result.stdout == "no to decision-31 of firmware-7 is noted: its review begins now\n"
    assert desk.sent[0][0] == "Reject Decision"


def test_where_nothing_is_asked_nothing_is_answered(desk: Desk) -> None:
    """An answer that is too late, or for the wrong job, is no success."""
    result = desk.type_in("approve", JOB, *COMMENT)

    assert result.exit_code == 3
    assert result.stderr == "firmware-7 asks nothing: see `tidegate status firmware-7`\n"


def test_what_waits_no_more_is_refused_by_the_service(desk: Desk) -> None:
    """A named question that is gone gets the service's answer, of the kind that its id tells."""
    result = desk.type_in("approve", JOB, "decision-4", *COMMENT)

    assert result.exit_code == 1
    assert desk.sent[0][0] == "Approve Decision"
    assert "nothing waits for an answer under that correlation id" in result.stderr


# policies and cohorts


def test_a_policy_goes_along_by_name_or_whole(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A name is looked up there; a file is read here, and sent as what it says."""
    path = tmp_path_factory.mktemp("policies") / "cautious.yaml"
    path.write_text(POLICY_YAML)
    desk.policies.documents["calm"] = json.dumps({"name": "calm"})

    for named in ("calm", str(path)):
        assert desk.type_in("adjust", JOB, "--policy", named, *REASON).exit_code == 0

    by_name, whole = (detail["policy"] for _, detail in desk.sent)  # type: ignore[index]
    assert by_name == "calm"
    assert whole["name"] == "cautious"
    assert whole["harm"]["budget"] == 5
    assert desk.ledger.current([JOB])[JOB].policy.name == "cautious"


def test_a_policy_file_that_is_not_there_is_told(desk: Desk) -> None:
    """A slip in a path is told before anything is sent."""
    result = desk.type_in("adjust", JOB, "--policy", "no/such.yaml", *REASON)

    assert result.exit_code == 2
    assert result.stderr == ("no/such.yaml: the policy cannot be read: No such file or directory\n")
    assert desk.sent == []


def test_a_cohort_is_released_by_its_name(desk: Desk) -> None:
    """What is not suspected is refused by the service, which knows."""
    result = desk.type_in("release", JOB, "--cohort", "thing.type=pump", *REASON)

    assert result.exit_code == 1
    assert desk.sent[0][0] == "Release Cohort"
    assert "neither set apart nor suspected" in result.stderr


# the account


def test_the_account_is_chosen_as_with_other_tools(desk: Desk) -> None:
    """Profile, region, address and environment reach whoever connects."""
    desk.type_in(
        *("status", "--profile", "prod", "--region", "eu-west-1"),
        *("--endpoint-url", "http://localhost:4566", "--environment", "blue"),
    )

    assert desk.accesses == [Access("prod", "eu-west-1", "http://localhost:4566", "blue")]
    assert desk.accesses[0].stack_name == "Tidegate-blue"
    assert Access().stack_name == "Tidegate"


@pytest.mark.parametrize(
    ("refusal", "status", "told"),
    [
        (NotFound("there is no stack Tidegate"), 3, "there is no stack Tidegate\n"),
        (
            RetryLater("DescribeStacks: AWS is away."),
            4,
            "DescribeStacks: AWS is away: try again, or check --region and --endpoint-url\n",
        ),
        (
            Denied("DescribeStacks: AccessDenied: no"),
            4,
            (
                "DescribeStacks: AccessDenied: no: check your credentials, --profile, --region and "
                "--endpoint-url\n"
            ),
        ),
        (
            Refused(f"DescribeStacks: {HOSTILE}\n"),
            4,
            (
                "DescribeStacks: [red]x[/]�[31m��:smile: : check your credentials, "
                "--profile, --region and --endpoint-url\n"
            ),
        ),
    ],
)
def test_an_account_that_is_not_reached_is_told_in_one_line(
    desk: Desk, refusal: RetryLater, status: int, told: str
) -> None:
    """Whatever AWS answers, there is a status for scripts, a line for people and no traceback."""
    desk.refuses = refusal
    result = desk.type_in("status")

    assert (result.exit_code, result.stdout, result.stderr) == (status, "", told)


def test_a_rollout_that_is_over_takes_no_commands(desk: Desk) -> None:
    """What ended stays as it is."""
    desk.end(desk.ledger.current([JOB])[JOB], Ending.ABORTED)
    result = desk.type_in("resume", JOB, *REASON)

    assert result.exit_code == 1
    assert "(ended: aborted)" in result.stderr
