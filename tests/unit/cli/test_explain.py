"""``tidegate explain`` and ``tidegate history``: why, what was changed, and what can be done."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.samples import NOW
from tests.unit.cli.desk import JOB, SUSPECT, Desk, going, held
from tidegate.domain.course import About, Answer, Course, Question
from tidegate.domain.decision import AtGate, Awaits, Decision, Verdict, Withheld
from tidegate.domain.policy import Action, Authority
from tidegate.domain.reasons import ReasonCode, reason
from tidegate.domain.rollout import Ending, Rollout, RolloutKey, Step, Tripwires
from tidegate.domain.settings import JobSettings, RolloutRate

ABORT = reason(
    ReasonCode.EVIDENCE_ABOVE_TOLERATED,
    harmed=9,
    started=40,
    log_e=4.7,
    limit=4.6,
    tolerated=0.02,
)
GATE = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW)


@pytest.fixture
def desk() -> Desk:
    """Return an account with a rollout that was held after a while."""
    desk = Desk()
    rollout = desk.enroll()
    desk.decide(rollout, going(1, tripwires=Tripwires(harmed=4, succeeded=100)), held(2))
    desk.ledger.mark_applied(
        rollout.key, 1, at=NOW, result={"outcome": "applied", "sent": {"abortConfig": {}}}
    )
    return desk


def rollout_in(desk: Desk) -> Rollout:
    """Return the rollout as the ledger has it."""
    return desk.ledger.current([JOB])[JOB]


def test_the_last_decision_tells_why_it_is_where_it_is(desk: Desk) -> None:
    """Reasons, figures against limits, what changes, what wakes it, and what to type."""
    result = desk.type_in("explain", JOB)

    assert result.exit_code == 0
    assert result.stdout == (
        "firmware-7  ‖ held\n"
        "decision 2 (its last), 2023-11-14 22:13:52 UTC: hold\n"
        "\n"
        "Why\n"
        "- operator hold by Zoë since 06:13: lunch\n"
        "\n"
        "Evidence against limits\n"
        "devices\t120 exposed, 110 started, 90 succeeded, 2 harmed, 18 in flight\n"
        "evidence\t1.25, stops the release at 4.60 (tolerated 2%)\n"
        "failure rate\tat most 6.2%, acceptable 1.5%\n"
        "\n"
        "Settings of the job\n"
        "setting\tbefore\tafter\n"
        "rate\t10 per minute\t1 per minute\n"
        "- not applied yet, or overtaken by the next decision\n"
        "\n"
        "What wakes it\n"
        "- time: a review is due by 2023-11-14 22:14:52 UTC\n"
        "- harm: 3 harmed devices, 2 by now\n"
        "- what it waits for: operator hold by on-call\n"
        "- people: any command below\n"
        "\n"
        "What you can do\n"
        "lift operators' holds\ttidegate resume firmware-7 --reason TEXT\n"
        "adjust it\ttidegate adjust firmware-7 --policy NAME --reason TEXT\n"
        "stop it for good\ttidegate abort firmware-7 --reason TEXT\n"
    )


def test_a_past_decision_tells_what_it_changed_and_sent(desk: Desk) -> None:
    """Of the past there is nothing to wake and nothing to do, but what AWS was sent."""
    shown = desk.type_in("explain", JOB, "--revision", "1").stdout

    assert "decision 1 (of 2), 2023-11-14 22:13:51 UTC: proceed\n" in shown
    assert "rate\t10 per minute\t100 per minute\n" in shown
    assert "abort at FAILED\tnot set\t12.5% of 40 executed things\n" in shown
    assert "- sent to AWS: abortConfig\n" in shown
    assert "What wakes it" not in shown


def test_a_revision_that_is_not_there_is_not_found(desk: Desk) -> None:
    """The message says which is the last."""
    result = desk.type_in("explain", JOB, "--revision", "9")

    assert (result.exit_code, result.stderr) == (3, "firmware-7 has no decision 9: its last is 2\n")


def test_a_stopped_rollout_is_explained_by_what_stopped_it(desk: Desk) -> None:
    """Whoever asks afterwards reads of the evidence, not only that the job is canceled."""
    abort = going(3, verdict=Verdict.ABORT, reasons=(ABORT,))
    ended = going(4, verdict=Verdict.ENDED, ending=Ending.ABORTED)
    desk.decide(rollout_in(desk), abort, ended)
    desk.end(rollout_in(desk), Ending.ABORTED)
    shown = desk.type_in("explain", JOB).stdout
    told = json.loads(desk.type_in("explain", JOB, "--json").stdout)

    assert "■ stopped by Tidegate" in shown
    assert "What stopped it: decision 3, 2023-11-14 22:13:53 UTC\n" in shown
    assert f"- {ABORT.text}\n" in shown
    assert "What you can do" not in shown
    assert told["stopped_by"]["revision"] == 3
    assert told["stopped_by"]["summary"] == ABORT.text
    assert told["choices"] == []


def test_what_stopped_it_is_found_however_long_ago_it_was(desk: Desk) -> None:
    """Rolling back takes many decisions; the first that aborted is still the cause."""
    stop = going(3, verdict=Verdict.ABORT, reasons=(ABORT,))
    undoing = [going(4 + each, verdict=Verdict.ROLL_BACK) for each in range(150)]
    desk.decide(rollout_in(desk), stop, *undoing)

    told = json.loads(desk.type_in("explain", JOB, "--json").stdout)

    assert told["stopped_by"]["revision"] == 3
    assert told["choices"] == []
    assert "any command below" not in desk.type_in("explain", JOB).stdout


@pytest.mark.parametrize("command", ["explain", "history", "report"])
def test_an_older_rollout_of_the_job_is_told_by_its_creation(desk: Desk, command: str) -> None:
    """A job's id is used again: what `status --json` calls created_at tells which one is meant."""
    desk.end(rollout_in(desk), Ending.ABORTED)
    older = json.loads(desk.type_in("status", JOB, "--json").stdout)["created_at"]
    desk.enroll(key=RolloutKey(JOB, rollout_in(desk).key.created_at + 1))
    output = ("--format", "markdown") if command == "report" else ()

    told = desk.type_in(command, JOB, *output, "--created-at", older, width=120)
    newest = desk.type_in(command, JOB, *output, width=120)
    unknown = desk.type_in(command, JOB, *output, "--created-at", "2001-01-01T00:00:00Z")

    assert "stopped by Tidegate" in told.stdout
    assert "stopped by Tidegate" not in newest.stdout
    assert unknown.exit_code == 3


def test_before_the_first_review_the_document_has_the_same_members() -> None:
    """Whoever reads it finds nothing decided, and what can be asked all the same."""
    desk = Desk()
    desk.enroll()
    told = json.loads(desk.type_in("explain", JOB, "--json").stdout)

    assert told.keys() == {"rollout", "decision", "applied", "stopped_by", "choices"}
    assert told["decision"] is told["applied"] is told["stopped_by"] is None
    assert [each["what"] for each in told["choices"]] == [
        "hold it",
        "adjust it",
        "stop it for good",
    ]
    assert "not reviewed yet" in desk.type_in("explain", JOB).stdout


def test_a_gate_that_was_refused_can_be_asked_again() -> None:
    """Resuming is all that opens it; holding it more would be no way on."""
    desk = Desk()
    gate = AtGate("canary", is_new=False, waits_for=("approval",), bake_until=NOW)
    refused = Course(questions=(replace(GATE, is_open=False),))
    at_gate = going(verdict=Verdict.GATE, gate=gate, awaits=Awaits.APPROVAL, course=refused)
    desk.decide(desk.enroll(), at_gate)
    told = json.loads(desk.type_in("explain", JOB, "--json").stdout)

    assert told["choices"][0] == {
        "what": "have it asked again",
        "command": f"tidegate resume {JOB} --reason TEXT",
    }
    assert not any("approve" in each["command"] for each in told["choices"])


def test_the_document_has_the_decision_whole(desk: Desk) -> None:
    """Scripts get what the ledger has, with what applying it came to."""
    told = json.loads(desk.type_in("explain", JOB, "--revision", "1", "--json").stdout)

    assert told.keys() == {"rollout", "decision", "applied", "stopped_by", "choices"}
    assert told["rollout"]["job_id"] == JOB
    assert told["decision"]["verdict"] == "proceed"
    assert told["decision"]["evidence"]["harmed"] == 2
    assert told["decision"]["tripwires"] == {"harmed": 4, "succeeded": 100}
    assert told["applied"] == {"outcome": "applied", "sent": {"abortConfig": {}}}
    assert told["stopped_by"] is None


def test_a_rollout_without_decisions_has_nothing_to_explain() -> None:
    """Right after it began."""
    desk = Desk()
    desk.enroll()

    assert "not reviewed yet" in desk.type_in("explain", JOB).stdout
    assert json.loads(desk.type_in("explain", JOB, "--json").stdout)["decision"] is None


def test_what_is_asked_and_withheld_and_suspected_is_told() -> None:
    """Each question comes with the command that answers it."""
    desk = Desk()
    withheld = Withheld(Action.SPEED_UP, Authority.APPROVE, JobSettings(rollout=RolloutRate(500)))
    decision = going(suspects=(SUSPECT,), withheld=withheld, course=Course(questions=(GATE,)))
    desk.decide(desk.enroll(), decision)
    shown = desk.type_in("explain", JOB).stdout

    assert "- thing.type=pump: 9 of 40 harmed; quarantine\n" in shown
    assert "- not done: speed_up, as its authority is approve\n" in shown
    assert (
        "say yes to canary (canary-approval)\t"
        "tidegate approve firmware-7 canary-approval --comment TEXT\n"
    ) in shown
    assert "hold it\ttidegate hold firmware-7 --reason TEXT\n" in shown
    assert (
        "treat thing.type=pump like all others\t"
        "tidegate release firmware-7 --cohort thing.type=pump --reason TEXT\n"
    ) in shown


def test_a_problem_in_applying_is_told_with_its_remedy(desk: Desk) -> None:
    """What AWS refused is part of why the settings are as they are."""
    note: dict[str, Any] = {"outcome": "refused", "sent": {}, "problem": "no", "remedy": "mend it"}
    desk.ledger.mark_applied(rollout_in(desk).key, 2, at=NOW, result=note)

    assert "- sent to AWS: nothing; no: mend it\n" in desk.type_in("explain", JOB).stdout


@pytest.mark.parametrize("width", [40, 79, 120])
def test_a_terminal_of_any_width_holds_the_explanation(desk: Desk, width: int) -> None:
    """Nothing is cut off and nothing runs over the edge."""
    words = [f"word{number}" for number in range(120)]
    decision: Decision = replace(
        held(3), reasons=(reason(ReasonCode.ABORT_REQUESTED, by="ops", why=" ".join(words)),)
    )
    desk.decide(rollout_in(desk), decision)
    shown = desk.type_in("explain", JOB, width=width).stdout

    assert max(map(len, shown.splitlines())) <= width
    assert set(words) <= set(shown.split())


# history


def steps() -> list[Step]:
    """Return two lines of a timeline, one of which moved settings."""
    sent = JobSettings(rollout=RolloutRate(100)).to_request()
    return [
        Step(NOW, "Rollout Steered", "starting", 1, sent),
        Step(NOW + 60, "Policy Adjusted", "a storm is coming"),
    ]


def test_the_history_has_timeline_settings_and_answers(desk: Desk) -> None:
    """What happened, what AWS was sent, and who said what."""
    key = rollout_in(desk).key
    desk.ledger.note_steps(key, steps())
    desk.ledger.give_answer(key, Answer("canary-approval", True, "release-desk", "quiet", NOW))  # noqa: FBT003 - yes

    assert desk.type_in("history", JOB).stdout == (
        "\n"
        "Timeline\n"
        "when\tdecision\twhat\ttext\n"
        "2023-11-14 22:13:20 UTC\t1\tRollout Steered\tstarting\n"
        "2023-11-14 22:14:20 UTC\t\tPolicy Adjusted\ta storm is coming\n"
        "\n"
        "Settings that AWS was sent\n"
        "when\tdecision\tsettings\n"
        "2023-11-14 22:13:20 UTC\t1\trate: 100 per minute\n"
        "\n"
        "Answers\n"
        "when\tquestion\tanswer\tby\tcomment\n"
        "2023-11-14 22:13:20 UTC\tcanary-approval\tyes\trelease-desk\tquiet\n"
    )


def test_the_history_as_a_document(desk: Desk) -> None:
    """Times are texts, settings are in AWS's own shape."""
    key = rollout_in(desk).key
    desk.ledger.note_steps(key, steps())
    told = json.loads(desk.type_in("history", JOB, "--json").stdout)

    assert told.keys() == {"rollout", "timeline", "settings", "answers"}
    assert told["timeline"][1] == {
        "at": "2023-11-14T22:14:20Z",
        "what": "Policy Adjusted",
        "text": "a storm is coming",
        "revision": 0,
        "sent": {},
    }
    assert [each["revision"] for each in told["settings"]] == [1]
    assert told["settings"][0]["sent"] == {"jobExecutionsRolloutConfig": {"maximumPerMinute": 100}}


def test_the_newest_lines_can_be_asked_for(desk: Desk) -> None:
    """--limit keeps the end of a long story."""
    desk.ledger.note_steps(rollout_in(desk).key, steps())
    shown = desk.type_in("history", JOB, "--limit", "1", width=100).stdout

    assert "Policy Adjusted" in shown
    assert "Rollout Steered" not in shown
