"""Laws of the model that hold for any fleet and any treatment of it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from tests.unit.lab.scripted import FAILED, REJECTED, TIMED_OUT
from tidegate.lab.behaviours import Behaviours, Spacing
from tidegate.lab.delays import DelayLaw, Exponential, Fixed, QuantileTable, Uniform
from tidegate.lab.fleet import Cohort, Drift, FailureKind, Failures, Fleet, Offline
from tidegate.lab.model import CountedJob

MINUTES_MAX = 400

delays: st.SearchStrategy[DelayLaw] = st.sampled_from(
    [Fixed(0), Fixed(7.5), Exponential(3), Uniform(0, 40), QuantileTable((0, 0.5), (0, 9))]
)
shares = st.sampled_from([0.0, 0.1, 0.5, 1.0])
kinds = st.sampled_from(
    [
        (FailureKind(FAILED, 1.0, Exponential(4)),),
        (FailureKind(FAILED, 0.5, Uniform(0, 30)), FailureKind(TIMED_OUT, 0.5)),
        (FailureKind(REJECTED, 0.3, Fixed(1)), FailureKind(FAILED, 0.7, Fixed(0))),
    ]
)
fleets = st.builds(
    Fleet,
    name=st.just("any"),
    size=st.integers(1, 400),
    timeout_minutes=st.sampled_from([1, 20]),
    start=delays,
    success=delays,
    failures=st.builds(Failures, rate=shares, kinds=kinds, mended=shares),
    offline=st.none() | st.builds(Offline, share=shares, start=delays, failure_rate=shares),
    cohorts=st.sampled_from([(), (Cohort("a", 0.3, 1.0), Cohort("b", 0.7)), (Cohort("a", 0.2),)]),
    drift=st.sampled_from([(), (Drift(0.3, 1.0), Drift(0.6, 0.0))]),
    retries=st.integers(0, 3),
)
steps = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["go", "go", "go", "quarantine", "stop"])),
    max_size=40,
)
behaviours = st.builds(
    Behaviours,
    rollout_spacing=st.sampled_from(Spacing),
    timeout_lag_minutes=st.integers(0, 2),
)


def take_step(job: CountedJob, rate_per_minute: int, action: str) -> None:
    """Let a minute go by, with what is done to the job in it."""
    job.arrive()
    if action == "quarantine":
        job.quarantine(frozenset({0}))
    if action == "stop":
        job.stop()
    job.notify(rate_per_minute)
    job.pass_minute()


@settings(max_examples=60, deadline=None)
@given(fleet=fleets, behaves=behaviours, seed=st.integers(0, 9), steps=steps)
def test_no_device_is_lost_or_counted_twice(
    fleet: Fleet, behaves: Behaviours, seed: int, steps: list[tuple[int, str]]
) -> None:
    """Whatever a fleet is like and whatever is done to it, each device is in one place."""
    job = CountedJob(fleet, behaves, default_rng(seed), minutes_max=MINUTES_MAX)
    harmed_before = 0
    for rate_per_minute, action in steps:
        take_step(job, rate_per_minute, action)
        sight = job.sight()
        ended = int((sight.succeeded + sight.failed + sight.timed_out).sum())
        waiting = job.awaited + job.unreachable + job.canceled
        assert job.notified == waiting + job.in_flight + ended + sight.rejected.sum()
        assert job.notified <= fleet.size
        assert min(job.awaited, job.unreachable, job.in_flight, job.left) >= 0
        assert harmed_before <= job.harmed.sum() <= job.started + sight.rejected.sum()
        assert sight.arrived.sum() >= job.outcomes.sum()
        harmed_before = int(job.harmed.sum())


@settings(max_examples=30, deadline=None)
@given(fleet=fleets, seed=st.integers(0, 9), steps=steps)
def test_harm_told_at_a_stop_is_what_comes_of_it(
    fleet: Fleet, seed: int, steps: list[tuple[int, str]]
) -> None:
    """Once a rollout is stopped its harm is certain: all who were at work have come to that end."""
    job = CountedJob(fleet, Behaviours(), default_rng(seed), minutes_max=MINUTES_MAX)
    for rate_per_minute, action in steps:
        take_step(job, rate_per_minute, action)
    job.arrive()
    job.stop()
    told = job.harmed.tolist()
    for _ in range(fleet.timeout_minutes + 2):
        take_step(job, 50, "go")

    assert job.in_flight == 0
    assert job.harmed.tolist() == told
    assert job.outcomes[1:].sum() == sum(told)
