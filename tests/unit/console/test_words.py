"""What policies promise and how rollouts stand, in words."""

from dataclasses import replace

from tests.contract.samples import FRESH, NOW, POLICY
from tests.unit.console.rollouts import decided, seen
from tidegate.console.promised import promised
from tidegate.console.view import Glance
from tidegate.console.worded import (
    awaited,
    devices,
    figure,
    hold_worded,
    lasting,
    share,
    stamped,
    standing,
    state_of,
    when,
)
from tidegate.domain.course import Course
from tidegate.domain.decision import Awaits, Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import (
    AdaptiveTimeout,
    Asking,
    Authorities,
    Authority,
    Cohorts,
    Completion,
    Fallback,
    Freeze,
    Gate,
    OnAbort,
    Overlap,
    Rollback,
    Soak,
    Stragglers,
    Stuck,
)
from tidegate.domain.rollout import AbortRequest, Ending, HoldKind

FULL = replace(
    POLICY,
    authority=Authorities(abort=Authority.APPROVE, speed_up=Authority.RECOMMEND),
    gates=(
        Gate(
            "canary",
            after_share=0.01,
            bake_minutes=90,
            alarms=("errors",),
            answer=Asking(60, Fallback.PASS),
            approval=Asking(2880, Fallback.ABORT, Fallback.HOLD),
        ),
    ),
    freeze=Freeze(alarms=("latency",), calendars=("holidays",)),
    complete=Completion(at=0.95, stragglers=Stragglers.CANCEL, grace_minutes=60),
    overlap=Overlap.WAIT,
    on_abort=OnAbort(
        force=True,
        rollback=Rollback(("document", "{}"), "undo", frozenset({ExecutionStatus.SUCCEEDED})),
    ),
    stuck=Stuck(after_minutes=45),
    cohorts=Cohorts(("thing.type",), quarantines=True),
    timeout=AdaptiveTimeout(sets=True),
    soak=Soak(30),
)


def test_every_part_of_a_policy_is_promised_in_words() -> None:
    """Figures are those of the policy, and shares are turned into devices where that is known."""
    said = {each.about: each.text for each in promised(FULL, 10_000)}

    assert said["Harm"].startswith("At most 10 devices are harmed beyond 1.5%")
    assert "What counts as harm: FAILED and TIMED_OUT." in said["Harm"]
    assert "no more than 2% is stopped with a probability of at most 1%" in said["Tolerance"]
    assert said["Gate canary"] == (
        "With 100 devices (1% of the fleet) exposed: watched for 90 min; alarms OK: errors; a "
        "system says yes (after 60 min of silence it goes on all the same, and a no stops the "
        "release); a person says yes (after 48 h of silence the release is stopped, and a no holds "
        "the rollout until somebody resumes it)."
    )
    assert said["Alarms"] == "It holds while one of these is in ALARM or has no data: latency."
    assert said["Calendars"] == "It holds while one of these is closed: holidays."
    assert "It proposes to stop the release, and waits for a yes." in said["Authority"]
    assert (
        "95% of its devices have an outcome; the others are canceled after 60 min"
        in (said["Completion"])
    )
    assert said["Overlap"].startswith("It waits for rollouts that came first")
    assert said["Abort"] == (
        "When it is stopped, devices at work are stopped too. Another job follows for devices that "
        "ended SUCCEEDED under policy undo."
    )
    assert {"Cohorts", "Soak", "Stuck", "Time-out", "Time-out from delays"} <= said.keys()


def test_a_share_stays_one_where_nobody_knows_of_what() -> None:
    """Without the fleet's size, a budget and a gate are told as the shares that they are."""
    said = {each.about: each.text for each in promised(FULL)}

    assert said["Harm"].startswith("At most 0.1% of all devices")
    assert said["Gate canary"].startswith("With 1% of the fleet exposed")


def test_every_state_has_a_sign_and_words_of_its_own() -> None:
    """Nothing that a rollout can be is told by colour alone, or by a name of the code."""
    states = ["enrolled", *Verdict, *Ending]
    shown = [state_of(each) for each in states]

    assert all(each.sign and each.words for each in shown)
    assert len({each.words for each in shown}) == len(states)
    assert "_" not in "".join(each.words for each in shown)
    assert state_of("unheard-of").words == "unheard-of"
    assert all(awaited(seen([replace(decided(1), awaits=each)]).glance) for each in Awaits)
    assert all(hold_worded(each) for each in HoldKind)


def test_a_rollout_stands_where_people_and_gates_have_it() -> None:
    """A request to abort shows before the next decision, a gate is named, a guard guards."""
    going = seen([decided(1)]).glance
    at_gate = seen([decided(1, Verdict.GATE)]).glance
    asked = replace(going.rollout, abort_request=AbortRequest("release-desk", "image", NOW))
    guarding = replace(going.rollout, course=Course(is_guarding=True))

    assert standing(going).words == "going on"
    assert standing(at_gate).words == "at gate canary"
    assert standing(Glance(asked, going.last)).words == "stopping"
    assert standing(Glance(guarding, going.last)).words == "guarding"
    assert (
        standing(Glance(replace(asked, ending=Ending.COMPLETED), going.last)).words == "completed"
    )
    assert standing(Glance(FRESH, None)).words == "enrolled"


def test_figures_are_told_with_the_digits_that_count() -> None:
    """Whatever the number is, there is something short to read."""
    assert devices(1_234_567) == "1,234,567"
    assert devices(0.25) == "0.2"
    assert devices(12.5) == "12"
    assert devices(float("inf")) == "not known"
    assert devices(float("nan")) == "-"
    assert devices(None) == "-"
    assert share(0.0) == "0%"
    assert share(0.0295) == "2.9%"
    assert share(1.0) == "100%"
    assert share(1e-12) == "0%"
    assert share(float("inf")) == "-"
    assert figure(5.2983) == "5.30"
    assert figure(-0.004) == "0.00"
    assert figure(float("-inf")) == "-∞"
    assert figure(float("nan")) == "-"
    assert lasting(0) == "0 min"
    assert lasting(150) == "2.5 h"
    assert lasting(10_080) == "7 days"
    assert when(NOW) == "2023-11-14 22:13:20 UTC"
    assert when(1e30) == "-"
    assert when(None) == "-"
    assert stamped(NOW) == "2023-11-14T22:13:20Z"
    assert stamped(None) == ""
