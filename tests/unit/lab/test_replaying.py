"""A rollout that has been is kept line by line, and played again under any policy."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.jobs import HARMFUL, ExecutionStatus, ExecutionSummary
from tidegate.domain.policy import Cohorts, Policy
from tidegate.domain.rollout import Ending, Rollout, RolloutKey
from tidegate.errors import Refused
from tidegate.lab.behaviours import AWS_LIKE
from tidegate.lab.devices import JOB, START, _Tidegate, _World
from tidegate.lab.fates import FAILED, SUCCEEDED, TIMED_OUT
from tidegate.lab.recorded import RecordedJob, doings_of
from tidegate.lab.recording import Recorded, Recording, read_recording, record_of, to_lines
from tidegate.lab.replaying import headline, lines, notes, render, replay
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import Trial

POLICIES = Path(__file__).parents[3] / "policies"
MINUTES_MAX = 2880


def policy(name: str = "firmware") -> Policy:
    """Return one of the policies to copy."""
    path = POLICIES / f"{name}.yaml"
    return parse_policy_yaml(path.read_text(), source=path.name).compile()


@cache
def simulated(scenario: str, seed: int = 3) -> tuple[Trial, Recording]:
    """Return a rollout that went through the real services device by device, and its recording."""
    fleet = replace(SCENARIOS[scenario].with_size(1000), cohorts=())
    world = _World(fleet, seed, AWS_LIKE)
    _Tidegate(world, policy(), stops_at=None).launch(fleet.retries)
    trial = world.play("firmware", MINUTES_MAX)
    executions = [each for page in world.jobs.executions(JOB) for each in page]
    rollout = Rollout(
        key=RolloutKey(JOB, int(START)),
        job_arn="",
        policy=policy(),
        generation=1,
        execution_arn="",
        enrolled_at=START,
        fleet_size=fleet.size,
        ending=Ending.ABORTED if trial.stopped else Ending.COMPLETED,
        ended_at=world.clock.now(),
    )
    return trial, record_of(rollout, executions, last=None, cohorts={}, now=world.clock.now())


def recording(*devices: Recorded, minutes: float = 600.0, **members: object) -> Recording:
    """Return a recording of these devices."""
    made = Recording("job", policy(), devices, minutes, timeout_minutes=60)
    return replace(made, **members)  # type: ignore[arg-type]


def succeeded(at: float = 0.0, *, cohort: str = "") -> Recorded:
    """Return a device that takes a minute to start and eight to succeed."""
    return Recorded(at, at + 1, at + 9, ExecutionStatus.SUCCEEDED, cohort)


@pytest.mark.parametrize("scenario", ["bad-20", "bad-60", "good"])
def test_a_rollout_under_its_own_policy_goes_as_it_went(scenario: str) -> None:
    """Played again under its own policy, a rollout ends alike, at about the same time and size."""
    trial, recorded = simulated(scenario)
    again = replay(recorded, policy(), runs=1).first

    assert again.stopped_by == trial.stopped_by
    assert again.exposed == pytest.approx(trial.exposed, rel=0.05, abs=10)
    if trial.minutes_to_stop is not None:
        assert again.minutes_to_stop == pytest.approx(trial.minutes_to_stop, abs=4)
    else:
        assert again.minutes_to_finish == pytest.approx(trial.minutes_to_finish, abs=4)
        assert again.harmed == recorded.harmed


def test_a_slower_policy_exposes_fewer_to_a_bad_release() -> None:
    """Another policy gives another rollout: a smaller start means fewer devices that had it."""
    _, recorded = simulated("bad-20")
    slower = replay(recorded, policy("cautious"), runs=1)

    assert slower.first.stopped
    assert slower.first.exposed < recorded.exposed


def test_what_was_never_notified_is_said_to_be_drawn() -> None:
    """A replay that goes beyond what happened says for how many devices it knows nothing."""
    _, recorded = simulated("bad-20")
    bolder = replace(policy(), harm=replace(policy().harm, tolerated_rate=0.5, acceptable_rate=0.5))
    found = replay(recorded, bolder, runs=2)
    said = " ".join(notes(found))

    assert found.first.exposed == 1000
    assert found.supposed >= 1000 - recorded.exposed
    assert f"{1000 - recorded.exposed} devices were never notified" in said
    assert found.summary.trials == 2


def test_nothing_is_drawn_where_all_was_seen() -> None:
    """A rollout whose devices all came to an outcome is replayed without chance, in one trial."""
    found = replay(recording(*[succeeded(n // 40) for n in range(200)], fleet_size=200), policy())

    assert found.supposed == 0
    assert found.summary.trials == 1
    assert any("All devices exposed" in each for each in notes(found))


def test_a_recording_is_read_as_it_was_written() -> None:
    """What is exported comes back unchanged, but for names where they were left out."""
    _, recorded = simulated("bad-20")
    anonymous = replace(
        recorded, devices=tuple(replace(each, name="") for each in recorded.devices)
    )

    assert read_recording("\n".join(to_lines(recorded, with_names=True)), source="x") == recorded
    unnamed = read_recording("\n".join(to_lines(recorded, with_names=False)), source="x")
    # Devices of one minute stand in the order of their names, which are gone.
    assert unnamed == anonymous


def test_names_stay_out_unless_asked_for() -> None:
    """An export that is handed on tells of no thing by its name."""
    _, recorded = simulated("bad-20")

    assert "thing-" not in "\n".join(to_lines(recorded, with_names=False))
    assert "thing-" in "\n".join(to_lines(recorded, with_names=True))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "nothing in it"),
        ("{}", ":1: no rollout of version 1"),
        ("no json", ":1: no JSON object"),
        ('{"tidegate":"rollout","version":9}', ":1: no rollout of version 1"),
        ('{"tidegate":"rollout","version":1}', ":1: not as it was written"),
    ],
)
def test_what_is_no_recording_is_refused(text: str, problem: str) -> None:
    """A file of something else is refused with its line, and how to get the right one."""
    with pytest.raises(Refused, match=re.escape(problem)) as refusal:
        read_recording(text, source="x.jsonl")
    assert "tidegate export" in str(refusal.value)


@pytest.mark.parametrize(
    ("member", "value"), [("notified", -1), ("status", "DONE"), ("started", "soon")]
)
def test_a_device_that_is_none_is_refused_with_its_line(member: str, value: object) -> None:
    """Faults are told with the line of the device."""
    head, device = to_lines(recording(succeeded()), with_names=False)
    broken = re.sub(rf'"{member}":[^,}}]+', f'"{member}":"{value}"', device)

    with pytest.raises(Refused, match=r"x\.jsonl:2: no device"):
        read_recording(f"{head}\n{broken}", source="x.jsonl")


def test_the_latest_execution_of_a_thing_counts() -> None:
    """A thing that ran the job twice is one device, as it ended."""
    rollout = Rollout(RolloutKey("job", 0), "", policy(), 1, "", 0.0)
    first = ExecutionSummary("a", ExecutionStatus.FAILED, 0.0, 60.0, 30.0, 1)
    second = ExecutionSummary("a", ExecutionStatus.SUCCEEDED, 120.0, 300.0, 180.0, 2)
    found = record_of(rollout, [second, first], last=None, cohorts={"a": "B"}, now=600.0)

    assert found.devices == (Recorded(2.0, 3.0, 5.0, ExecutionStatus.SUCCEEDED, "B", "a"),)
    assert found.minutes == 10


def test_what_had_no_outcome_takes_at_least_as_long() -> None:
    """A device at work is drawn from slower ones, or times out; one that waits, likewise."""
    quick = [succeeded() for _ in range(20)]
    slow = Recorded(0.0, 1.0, 41.0, ExecutionStatus.FAILED)
    at_work = Recorded(0.0, 1.0, None, ExecutionStatus.IN_PROGRESS)
    waiting = Recorded(0.0, None, 20.0, ExecutionStatus.CANCELED)
    done = doings_of(
        [*quick, slow, at_work, waiting],
        fleet_size=23,
        until_minutes=30.0,
        timeout_minutes=60,
        rng=default_rng(1),
    )

    assert done.outcomes[:22].tolist() == [SUCCEEDED] * 20 + [FAILED, FAILED]
    assert done.lasts[21] == 40
    assert np.isinf(done.acts_after[22])
    assert done.supposed.tolist() == [False] * 21 + [True, True]


def test_a_shorter_time_out_cuts_what_takes_longer() -> None:
    """Under a policy with another time-out, slow successes are TIMED_OUT at that time."""
    slow = Recorded(0.0, 1.0, 41.0, ExecutionStatus.SUCCEEDED)
    done = doings_of(
        [slow], fleet_size=1, until_minutes=60.0, timeout_minutes=30, rng=default_rng(1)
    )

    assert done.outcomes.tolist() == [TIMED_OUT]
    assert done.lasts.tolist() == [30]


def test_devices_act_as_long_after_their_notification_as_they_did() -> None:
    """A device notified later starts and ends later by just as much."""
    rejected = Recorded(0.0, None, 3.0, ExecutionStatus.REJECTED)
    done = doings_of(
        [succeeded(), rejected],
        fleet_size=2,
        until_minutes=60.0,
        timeout_minutes=60,
        rng=default_rng(1),
    )
    job = RecordedJob(done, minutes_max=100, timeout_minutes=60)
    for minute in range(40):
        job.arrive()
        if minute == 10:
            job.notify(1000)
        job.pass_minute()
    sight = job.sight()

    assert np.flatnonzero(sight.started[0, 0]).tolist() == [11]
    assert np.flatnonzero(sight.arrived[SUCCEEDED]).tolist() == [19]
    assert np.flatnonzero(sight.arrived[3]).tolist() == [13]
    assert np.flatnonzero(sight.rejected[0]).tolist() == [10]


def test_a_cohort_set_apart_gets_the_release_no_more() -> None:
    """Where the policy sets a failing cohort apart, its devices are left out of the replay too."""
    devices = []
    for number in range(900):
        at = float(number // 30)
        bad = number % 10 == 0
        status = ExecutionStatus.FAILED if bad else ExecutionStatus.SUCCEEDED
        devices.append(Recorded(at, at + 1, at + 4, status, "old" if bad else "new"))
    asking = replace(policy(), cohorts=Cohorts(("thing.type",), quarantines=True))
    found = replay(recording(*devices, fleet_size=900), asking)

    assert found.first.quarantined == ("old",)
    assert found.first.harmed < sum(each.status in HARMFUL for each in devices)


@pytest.mark.parametrize(
    ("ending", "is_told"), [(None, True), (Ending.ABORTED, True), (Ending.COMPLETED, False)]
)
def test_devices_that_may_be_missing_are_told_of(ending: Ending | None, *, is_told: bool) -> None:
    """Of what was recorded on its way, as of what was stopped, nobody knows who was yet to come."""
    found = replay(recording(*[succeeded(n // 40) for n in range(200)], ending=ending), policy())

    assert any("How large the fleet is was not told" in each for each in notes(found)) is is_told
    assert ("had come to no end" in headline(found)) is (ending is None)


def test_nothing_to_go_by_is_refused() -> None:
    """Where no device came to an outcome, nothing can be said."""
    with pytest.raises(Refused, match="nothing to go by"):
        replay(recording(Recorded(0.0, None, None, ExecutionStatus.QUEUED)), policy())


def test_both_sides_stand_in_words_and_on_the_page() -> None:
    """People read what happened beside what would have been, and outside text stays text."""
    mischief = "</script><script>alert(1)</script>"
    _, recorded = simulated("bad-20")
    found = replay(replace(recorded, job_id=mischief, why=(mischief,)), policy(), runs=1)
    by_name = {name: (was, would) for name, was, would in lines(found)}
    page = render(found, command="tidegate replay x")

    assert by_name["came to"] == ("aborted", "aborted")
    assert by_name["exposed"][0] == str(recorded.exposed)
    assert mischief not in page
    assert "As it was, and replayed" in page
    assert "notified, as it was" in page
