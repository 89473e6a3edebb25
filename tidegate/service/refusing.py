"""Refusing: which commands are in vain as a rollout stands, and what to do instead."""

import math
from collections.abc import Sequence

from tidegate.documents.commands import (
    AbortRollout,
    AdjustPolicy,
    CommandError,
    GiveAnswer,
    HoldRollout,
    ReleaseCohort,
    ResumeRollout,
)
from tidegate.documents.record import moment
from tidegate.domain.course import About, Answer, Question
from tidegate.domain.policy import Action
from tidegate.domain.rollout import Rollout
from tidegate.domain.turn import Turn

Request = HoldRollout | ResumeRollout | AbortRollout | GiveAnswer | AdjustPolicy | ReleaseCohort

_UNDO_IT = (
    "To undo the release, abort the rollout under a policy whose on_abort has a rollback: Adjust "
    "Policy gives it one; or launch a job that does."
)
_LAUNCH_ANEW = (
    "What has ended is not begun again: to undo the release, or to go on with it, launch another "
    "job. If a new job has this id, send Enroll Job first."
)
_ENROLL_FIRST = (
    "Check the job id; if its launch was asked for just now, send this again in a minute. To have "
    "a running job steered, send Enroll Job first."
)


def require_ongoing(
    command: AbortRollout | GiveAnswer | AdjustPolicy | ReleaseCohort, rollout: Rollout, at: float
) -> None:
    """Refuse what is about a rollout that is over, or about another one before this."""
    if rollout.ending is not None:
        raise has_ended(command, f"ended: {rollout.ending}")
    # Delivered late, or replayed from an archive; a hold errs on the safe side, nothing else does.
    if at < rollout.key.created_at:
        raise no_rollout(command, "asked before the job that has this id now was created")


def refuse_while_stopping(command: Request, rollout: Rollout) -> None:
    """Refuse what is about a release that is being stopped, or undone."""
    _refuse_while_rolling_back(command, rollout)
    if rollout.aborting or rollout.abort_request is not None:
        problem = f"{asked(command)}, but the rollout is being stopped"
        raise CommandError(problem, "Nothing to do: an abort is not taken back.")


def refuse_in_vain(command: HoldRollout | AbortRollout, rollout: Rollout) -> None:
    """Refuse what there is nothing left for, to hold or to stop."""
    _refuse_while_rolling_back(command, rollout)
    course, is_hold = rollout.course, isinstance(command, HoldRollout)
    if course.soaked_until is not None and (is_hold or not _can_be_undone(rollout)):
        problem = (
            f"{asked(command)}, but AWS is done with the job: its devices have the release, and "
            "are only watched"
        )
        raise CommandError(problem, _UNDO_IT)
    if course.is_guarding and is_hold:
        problem = (
            f"{asked(command)}, but nothing is left to hold: AWS gives the job to devices that "
            "join its targets at once, whatever its rate"
        )
        raise CommandError(problem, "To keep it from them, abort the rollout.")


def _refuse_while_rolling_back(command: Request, rollout: Rollout) -> None:
    if rollout.course.rollback_until is None:
        return
    undone_by = f"job {rollout.rolled_back_by}" if rollout.rolled_back_by else "the job to come"
    problem = f"{asked(command)}, but its release is stopped, and {undone_by} undoes it"
    remedy = f"The rollback is a rollout of its own: to hold or to stop it, name {undone_by}."
    raise CommandError(problem, remedy)


def _can_be_undone(rollout: Rollout) -> bool:
    return rollout.policy.on_abort.rollback is not None and rollout.rolls_back is None


def require_pending(command: GiveAnswer, rollout: Rollout, at: float) -> None:
    """Refuse an answer to what nobody asks, does not ask yet, or asks no longer."""
    waiting = [e for e in rollout.course.pending if _is_about_gate(e) is command.about_gate]
    question = next((each for each in waiting if each.question_id == command.question_id), None)
    is_of_rollback = question is not None and question.subject == Action.ROLL_BACK.value
    # Whether to roll back is asked once the abort is decided.
    if command.about_gate or not is_of_rollback:
        refuse_while_stopping(command, rollout)
    if question is None:
        pending = ", ".join(each.question_id for each in waiting) or "nothing"
        problem = f"{asked(command)}, but nothing waits for an answer under that correlation id"
        remedy = f"Answer what waits: {pending}. What was answered or overtaken waits no more."
        raise CommandError(problem, remedy)
    # The bus tells whole seconds.
    if at < math.floor(question.asked_at):
        problem = f"{asked(command)}, but before it was asked, at {moment(question.asked_at)}"
        raise CommandError(problem, "Look at what is asked, and answer that.")
    if question.due_at is not None and at > question.due_at:
        problem = f"{asked(command)}, but an answer was due by {moment(question.due_at)}"
        remedy = "The policy says what follows where no answer comes in time; see what is decided."
        raise CommandError(problem, remedy)


def _is_about_gate(question: Question) -> bool:
    return question.about in (About.GATE_ANSWER, About.GATE_APPROVAL)


def answered(command: GiveAnswer, standing: Answer) -> CommandError:
    """Return the refusal of an answer to what somebody answered before."""
    said = "yes" if standing.yes else "no"
    problem = (
        f"{asked(command)}, but {standing.by} answered {said} at {moment(standing.at)} already: "
        f"{standing.comment}"
    )
    otherwise = (
        "To stop the rollout all the same, hold or abort it."
        if standing.yes
        else "If the rollout goes on, resume it to have the question asked anew."
    )
    return CommandError(problem, f"The first answer stands. {otherwise}")


def gates_passed_before(command: AdjustPolicy, names: Sequence[str]) -> CommandError:
    """Return the refusal of a policy whose gates would hold nothing."""
    problem = (
        f"{asked(command)}, but gates named {', '.join(names)} were passed before, so those that "
        "lie ahead would hold nothing"
    )
    remedy = (
        "Give each gate that lies ahead a name that no gate had before; without a name, gates are "
        "called gate-1 and so on by their position. Nothing was changed."
    )
    return CommandError(problem, remedy)


def no_rollout(command: Request, state: str) -> CommandError:
    """Return the refusal of what is asked of no rollout that goes on; ``state`` says why not."""
    return CommandError(_not_running(command, state), _ENROLL_FIRST)


def has_ended(command: Request, state: str) -> CommandError:
    """Return the refusal of what is asked of a rollout that is over; ``state`` says how."""
    return CommandError(_not_running(command, state), _LAUNCH_ANEW)


def _not_running(command: Request, state: str) -> str:
    return f"{asked(command)}, but no rollout of it is running ({state})"


def not_launched(command: Request, turn: Turn) -> CommandError:
    """Return the refusal of what is asked of a job that is not there yet."""
    if turn.given_up is not None:
        return no_rollout(command, given_up_before(turn))
    problem = (
        f"{asked(command)}, but its launch waits for its turn behind {', '.join(turn.behind)}: the "
        "job is not created yet"
    )
    remedy = "To give the launch up, abort it; ask for anything else once its job is there."
    return CommandError(problem, remedy)


def given_up_before(turn: Turn) -> str:
    """Return why there is no rollout of a launch that had to wait."""
    if turn.given_up is None:
        return "asked before the launch that waits now"
    return f"{turn.given_up.by} gave up its launch"


def asked(command: Request) -> str:
    """Return who asked for what."""
    return f"{command.by} asked to {verb(command)} job {command.job_id}"


def verb(command: Request) -> str:
    """Return what is asked for, as words before the job's."""
    match command:
        case HoldRollout():
            return "hold"
        case ResumeRollout():
            return "resume"
        case AbortRollout():
            return "abort"
        case GiveAnswer():
            return f"{'approve' if command.yes else 'reject'} {command.question_id} of"
        case AdjustPolicy():
            return "adjust the policy of"
        case ReleaseCohort():
            return f"release cohort {command.cohort} of"
