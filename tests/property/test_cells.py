"""Laws of cells, cohorts, soaks and stuck executions, whatever comes."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import (
    STARTED,
    policies,
    running,
    start_buckets,
    with_cohorts,
)
from tests.unit.domain.examples import POLICY
from tidegate.domain.cells import Cells, counts_apart, share_of, tallies, values_of
from tidegate.domain.cohorts import Remedy, suspects_by_key
from tidegate.domain.decision import Verdict
from tidegate.domain.delays import AGES
from tidegate.domain.durations import Durations
from tidegate.domain.executions import (
    STATUS_DETAILS_MAX,
    Execution,
    ExecutionUpdate,
    refusals,
)
from tidegate.domain.failures import REASON_LENGTH_MAX, REASONS_MAX, bounded, reason_of
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import LATE, REST_CELL, UNJOINED, CellKey, Vouched, VouchedKey
from tidegate.domain.policy import AdaptiveTimeout, Failures, Policy, Rescue, Stuck
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.situation import Situation
from tidegate.domain.soak import judge, soaked, soaked_cells
from tidegate.domain.stuck import Patience, rescue
from tidegate.domain.things import Presence, Traits
from tidegate.domain.timeouts import suggested

KEYS = ("thing.type", "thing.attributes.revision", "statusDetails.region")
HARM = POLICY.harm

values = st.tuples(*(st.sampled_from("abc") for _ in KEYS))
cells = st.lists(values, unique=True, max_size=8).map(
    lambda found: Cells(KEYS, dict(enumerate(found, REST_CELL + 1)))
)
#: Of cells that are known, are not, and will never be.
numbers = st.dictionaries(
    st.tuples(start_buckets, st.sampled_from(STARTED), st.integers(UNJOINED, 10)),
    st.integers(1, 30),
    max_size=25,
)
vouching = st.dictionaries(
    st.tuples(start_buckets, st.sampled_from(Vouched), st.integers(UNJOINED, 10)),
    st.integers(-2, 40),
    max_size=15,
)


def prompt(counters: Mapping[CellKey, int]) -> Counter[ExecutionStatus]:
    """Return the devices that started soon after their notification, by status."""
    found: Counter[ExecutionStatus] = Counter()
    for (bucket, status, _), number in counters.items():
        if 0 <= bucket < LATE:
            found[status] += number
    return found


def cohorts_of(known: Cells) -> set[str]:
    """Return the names of all cohorts of cells that have devices of their own."""
    return {name for cell in known.values for name in known.cohorts_of(cell)}


@given(cells, numbers)
def test_the_cohorts_of_a_key_are_all_devices(
    known: Cells, counters: Mapping[CellKey, int]
) -> None:
    """Each device is of one cohort of each key; none is lost, whether it is known or not."""
    devices = prompt(counters)
    for of_key in tallies(known, counters, HARM.once_started).values():
        if of_key:
            assert sum(each.started for each in of_key.values()) == devices.total()
            assert sum(each.harmed for each in of_key.values()) == sum(
                devices[status] for status in HARM.once_started
            )


@given(cells, numbers)
def test_a_look_at_a_cohort_is_a_part_of_the_whole(
    known: Cells, counters: Mapping[CellKey, int]
) -> None:
    """Looks grow from bucket to bucket, and see no more than there is."""
    for of_key in tallies(known, counters, HARM.once_started).values():
        for tally in of_key.values():
            whole, *parts = tally.looks
            looks = [(0, 0), *parts, whole]
            assert looks == sorted(looks)
            assert all(harmed <= started for started, harmed in looks)
            assert whole[0] <= prompt(counters).total()


@given(cells, numbers, st.data())
def test_joining_a_device_never_makes_a_failure_of_it(
    known: Cells, counters: Mapping[CellKey, int], data: st.DataObject
) -> None:
    """However joining is ordered, a cohort shows no more than when all its devices are known."""
    for key, of_key in tallies(known, counters, HARM.once_started).items():
        for name, tally in of_key.items():
            hidden = {
                (bucket, status, UNJOINED if data.draw(st.booleans()) else cell)
                for bucket, status, cell in counters
                if name in known.cohorts_of(known.known(cell))
            }
            mixed: Counter[CellKey] = Counter()
            for (bucket, status, cell), number in counters.items():
                back = (bucket, status, UNJOINED)
                mixed[back if back in hidden else (bucket, status, cell)] += number
            later = tallies(known, mixed, HARM.once_started)[key].get(name)
            unknown = name in known.cohorts_of(UNJOINED)
            if later is not None and not unknown:
                assert later.harmed <= tally.harmed
                assert later.looks[0][0] >= tally.started


@given(cells, numbers, st.data())
def test_what_is_set_apart_and_what_is_left_are_all(
    known: Cells, counters: Mapping[CellKey, int], data: st.DataObject
) -> None:
    """Devices apart are counted once, whatever cohorts overlap, and are in no other cohort."""
    names = sorted(cohorts_of(known))
    apart = data.draw(st.frozensets(st.sampled_from(names)) if names else st.just(frozenset()))
    gone = counts_apart(known, counters, apart)
    left = {
        key: n for key, n in counters.items() if known.known(key[2]) not in known.covering(apart)
    }

    assert sum(gone.by_bucket.values()) + sum(left.values()) == sum(counters.values())
    for key, of_key in tallies(known, counters, HARM.once_started, apart=apart).items():
        others = {name: each for name, each in of_key.items() if name not in apart}
        assert sum(each.started for each in others.values()) <= prompt(left).total()
        assert all(name.startswith(f"{key}=") for name in of_key)


@given(cells, numbers, st.sampled_from([Remedy.QUARANTINE, Remedy.HOLD]), st.data())
def test_only_known_cohorts_are_left_out_and_released_ones_never(
    known: Cells, counters: Mapping[CellKey, int], remedy: Remedy, data: st.DataObject
) -> None:
    """Whatever fails: those of which nobody knows who they are wait for people."""
    names = sorted({*cohorts_of(known), *known.cohorts_of(UNJOINED)})
    released = data.draw(st.frozensets(st.sampled_from(names)))
    found = suspects_by_key(
        tallies(known, counters, HARM.once_started),
        tolerated_rate=HARM.tolerated_rate,
        risk=HARM.false_abort_risk,
        risk_of_others=HARM.false_abort_risk,
        remedy=remedy,
        released=released,
    )

    assert not {each.cohort for each in found} & released
    for suspect in found:
        if suspect.remedy is Remedy.QUARANTINE:
            assert remedy is Remedy.QUARANTINE
            assert not suspect.cohort.endswith(("(unknown)", "(rest)"))
            assert suspect.log_e >= suspect.limit
    # One explanation at a time.
    keys = {each.cohort.split("=")[0] for each in found if each.remedy is Remedy.QUARANTINE}
    assert len(keys) <= 1


@given(st.integers(0, 100_000))
def test_shares_of_the_risk_never_rise_nor_run_out(place: int) -> None:
    """Each cohort that may come up has some, and no more than those before it."""
    assert 0 < share_of(place + 1) <= share_of(place) <= 1 / 16


@given(policies(), running().flatmap(with_cohorts), st.sampled_from(["old", "new", ""]))
def test_a_cohort_stays_apart_until_it_is_released(
    policy: Policy, situation: Situation, name: str
) -> None:
    """No review takes one back by itself, and none sets one apart that was released."""
    released = frozenset({name})
    apart = set(situation.memory.quarantined) - released
    given_apart = situation.apart if apart else Counts()
    decision = review(policy, replace(situation, apart=given_apart, released=released), 0)

    assert apart <= set(decision.memory.quarantined)
    assert not released & set(decision.memory.quarantined)
    assert not released & {each.cohort for each in decision.suspects}


# Soak


@given(
    st.dictionaries(st.tuples(start_buckets, st.sampled_from(STARTED)), st.integers(1, 30)),
    vouching,
)
def test_a_soak_never_makes_more_outcomes_than_devices(
    by_bucket: dict[tuple[int, ExecutionStatus], int], vouched: Mapping[VouchedKey, int]
) -> None:
    """Each device is seen once, in its bucket, whatever counters say of each other."""
    seen = soaked(Counts(by_bucket), vouched, HARM).by_bucket

    before, after = (Counter[int](), Counter[int]())
    for (bucket, _), number in by_bucket.items():
        before[bucket] += number
    for (bucket, _), number in seen.items():
        assert number > 0
        after[bucket] += number
    assert after == before
    for bucket in before:
        good = (bucket, ExecutionStatus.SUCCEEDED)
        assert seen.get(good, 0) <= by_bucket.get(good, 0)


@given(numbers, vouching)
def test_cells_soak_as_the_whole_does(
    counters: Mapping[CellKey, int], vouched: Mapping[VouchedKey, int]
) -> None:
    """No device changes its cell or its bucket by it."""
    before, after = (Counter[tuple[int, int]](), Counter[tuple[int, int]]())
    for (bucket, _, cell), number in counters.items():
        before[bucket, cell] += number
    for (bucket, _, cell), number in soaked_cells(counters, vouched, HARM).items():
        after[bucket, cell] += number
    assert after == before


@given(
    st.none() | st.builds(Presence, st.booleans(), st.floats(-1e6, 1e6)),
    st.floats(60, 1e5),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_a_device_is_judged_once_and_later_is_never_now(
    presence: Presence | None, soak_seconds: float, late: float, pickup_seconds: float
) -> None:
    """A look ends it, or says when to look again; a habit never makes a device dark."""
    now = soak_seconds + late
    asked = {"since": 0.0, "soak_seconds": soak_seconds, "now": now}
    plain = judge(presence, **asked)
    judged = judge(presence, **asked, pickup_seconds=pickup_seconds)

    assert (judged.outcome is None) == (judged.until is not None)
    assert judged.until is None or judged.until > now
    if judged.outcome is Vouched.DARK:
        assert plain.outcome is Vouched.DARK
        assert presence is not None
        assert not presence.is_connected


# Stuck


details = st.dictionaries(
    st.text("abc:_-", min_size=1, max_size=6)
    | st.sampled_from(["tidegate:reason", "tidegate:extended"]),
    st.text("0123456789 x", min_size=1, max_size=12),
    max_size=STATUS_DETAILS_MAX,
)


@st.composite
def executions(draw: st.DrawFn) -> Execution:
    """Draw an execution as it may be described."""
    updated_at = draw(st.floats(0, 1e5))
    return Execution(
        job_id="firmware-7",
        thing_name="pump-1",
        status=draw(st.sampled_from(ExecutionStatus) | st.just(ExecutionStatus.IN_PROGRESS)),
        execution_number=draw(st.integers(1, 5)),
        version_number=draw(st.integers(1, 50)),
        queued_at=0.0,
        updated_at=updated_at,
        started_at=draw(st.none() | st.floats(0, updated_at)),
        status_details=draw(details),
        seconds_left=draw(st.none() | st.floats(0, 1e6)),
    )


@given(
    executions(),
    st.sampled_from(Rescue),
    st.integers(1, 10_080),
    st.none() | st.integers(1, 10_080),
    st.floats(0, 2e5),
)
def test_nothing_is_updated_but_the_very_version_that_was_stuck(
    execution: Execution, then: Rescue, extend_minutes: int, timeout: int | None, now: float
) -> None:
    """AWS takes it, the device's own details stay, and no extension passes the job's time-out."""
    patience = Patience(Stuck(then=then, extend_minutes=extend_minutes), 45.0, timeout)
    update = rescue(execution, patience, now)
    if not isinstance(update, ExecutionUpdate):
        assert update.why
        return

    assert refusals(update) == ()
    assert update.expected_version == execution.version_number
    assert update.execution_number == execution.execution_number
    assert execution.status is ExecutionStatus.IN_PROGRESS
    assert now - execution.updated_at >= 45 * 60
    kept = update.status_details or {}
    own = {key for key in execution.status_details if not key.startswith("tidegate:")}
    assert len(own - set(kept)) <= 1
    if then is Rescue.EXTEND:
        minutes = update.step_timeout_minutes
        assert minutes is not None
        assert execution.seconds_left is not None
        assert execution.seconds_left < minutes * 60
        assert own <= set(kept)
        if timeout is not None and execution.started_at is not None:
            assert now + minutes * 60 <= execution.started_at + timeout * 60 + 1e-3


# Time-outs, reasons, values


@st.composite
def durations(draw: st.DrawFn) -> Durations:
    """Draw how long devices take: nearly all are done at some age, or at none."""
    devices, done = draw(st.integers(0, 20_000)), draw(st.integers(0, AGES))
    left = draw(st.integers(0, devices // 1000))
    unfinished = (devices // 10,) * done + (left,) * (AGES - done)
    return Durations((devices,) * AGES, unfinished, draw(st.floats(0, 5000)))


@given(durations(), st.none() | st.integers(1, 10_080), st.integers(1, 600))
def test_a_suggested_time_out_is_within_limits_and_settles(
    known: Durations, standing: int | None, at_least: int
) -> None:
    """Put in force, it suggests nothing else: no UpdateJob follows the other for ever."""
    within = AdaptiveTimeout(at_least=at_least, at_most=9000)
    found = suggested(known, within, standing_minutes=standing)
    if found is None:
        return

    assert within.at_least <= found.minutes <= within.at_most
    assert found.minutes >= min(within.at_most, known.at_work_minutes)
    assert suggested(known, within, standing_minutes=found.minutes) is None


@given(st.dictionaries(st.sampled_from(["reason", "error", "name"]), st.text(max_size=200)))
def test_a_reason_is_one_short_line_and_nothing_secret(told: dict[str, str]) -> None:
    """Whatever a device reports."""
    failures = Failures(("reason", "name", "error"), never_stored=("name",))
    reason = reason_of(told, failures)

    assert len(reason) <= REASON_LENGTH_MAX
    assert reason == reason.strip()
    assert reason.isprintable() or not reason.isascii()
    assert reason_of({"reason": reason}, failures) == reason
    assert reason == reason_of({k: v for k, v in told.items() if k != "name"}, failures)


@given(st.lists(st.text("ab", min_size=1, max_size=8), max_size=200))
def test_reasons_are_bounded_however_many_come(texts: list[str]) -> None:
    """One more for all others."""
    known: set[str] = set()
    for text in texts:
        known.add(bounded(text, known))

    assert len(known) <= REASONS_MAX + 1


@given(
    st.dictionaries(st.sampled_from(["revision", "line"]), st.text(max_size=300)),
    st.none() | st.text(min_size=1, max_size=300),
    st.dictionaries(st.just("region"), st.text(min_size=1, max_size=300)),
)
def test_every_thing_has_a_cell_in_the_end(
    attributes: dict[str, str], thing_type: str | None, told: dict[str, str]
) -> None:
    """One value for each key, none of them empty or long."""
    found = values_of(KEYS, Traits(attributes, thing_type), told)

    assert found is not None
    assert len(found) == len(KEYS)
    assert all(1 <= len(value) <= 120 for value in found)


@given(policies(), running())
def test_devices_are_attended_to_only_where_the_rollout_goes_on(
    policy: Policy, situation: Situation
) -> None:
    """At once where it is due, and not again before its time."""
    unsettled = replace(situation, unsettled=True)
    first = review(policy, unsettled, 0)
    again = review(policy, replace(unsettled, course=first.course), 60)
    later = review(policy, replace(unsettled, course=first.course), 121)

    goes_on = first.verdict in {Verdict.PROCEED, Verdict.HOLD, Verdict.GATE}
    assert first.attends == goes_on
    assert not again.attends or not first.attends
    if later.verdict in {Verdict.PROCEED, Verdict.HOLD, Verdict.GATE}:
        assert later.attends
    assert math.isclose(later.at, 121)
