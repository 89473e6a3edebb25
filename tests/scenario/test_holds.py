"""Holds by alarms, calendars, budgets and people: each for its own reason, until it is gone."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import ACCOUNT, JOB, REGION
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import HoldKind
from tidegate.domain.standing import AlarmState, CalendarReading
from tidegate.errors import Refused, RetryLater

MakeWorld = Callable[..., World]

ALARM = "checkout-errors"
CALENDAR = "peak-season"
FREEZES: Mapping[str, Any] = {**POLICY, "freeze": {"alarms": [ALARM], "calendars": [CALENDAR]}}


def going(make_world: MakeWorld, *, policy: Mapping[str, Any] = FREEZES, **choices: Any) -> World:  # noqa: ANN401
    """Return a world with a rollout that is well on its way, alarm OK and calendar open."""
    world = make_world(**{"things": 600, "policy": policy, **choices})
    world.set_alarm(ALARM)
    world.set_calendar(CALENDAR, is_open=True)
    world.launch()
    assert world.run_until(lambda: bool(world.jobs.updates()) and world.rate > 20, 30)
    return world


def held_by(world: World) -> list[tuple[str, str]]:
    """Return kind and owner of all holds of the last decision."""
    return [(each.kind.value, each.by) for each in world.decisions[-1].holds]


@pytest.mark.parametrize(("tells", "within"), [(True, 0.1), (False, 0.9)])
def test_an_alarm_holds_and_lets_go_by_itself(
    make_world: MakeWorld,
    tells: bool,  # noqa: FBT001 - a parameter of the test
    within: float,
) -> None:
    """Told at once by its event, or found at the next review; nobody has to resume."""
    world = going(make_world)
    world.set_alarm(ALARM, AlarmState.ALARM, reason="5xx above 1 %", tells=tells)
    world.run(within)
    assert world.rate == 1
    assert held_by(world) == [("alarm", ALARM)]
    held = world.announced("Rollout Held")[-1]["reasons"][0]["text"]
    assert ALARM in held
    assert "5xx above 1 %" in held
    assert world.last_execution.states[-1] == "AwaitRelease"

    exposed = world.exposed()
    world.run(20)
    assert world.rate == 1
    assert world.exposed() <= exposed + 21
    told = world.announced("Rollout Held")
    assert all(each["sent"] for each in told)

    world.set_alarm(ALARM, tells=tells)
    world.run(within)
    assert world.rate > 1
    (resumed,) = world.announced("Rollout Resumed")
    assert [each["by"] for each in resumed["lifted"]] == [ALARM]
    assert "by" not in resumed
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]


@pytest.mark.parametrize("state", [AlarmState.INSUFFICIENT_DATA, None])
def test_an_alarm_that_says_nothing_holds(make_world: MakeWorld, state: AlarmState | None) -> None:
    """Without data, or deleted, an alarm gives no leave to go on; a policy may say otherwise."""
    ignoring = {**FREEZES, "freeze": {"alarms": [ALARM], "missing_data": "ignore"}}
    worlds = [going(make_world), going(make_world, policy=ignoring)]
    for world in worlds:
        if state is None:
            del world.alarms.readings[ALARM]
        else:
            world.set_alarm(ALARM, state, tells=False)
        world.run(0.9)
    strict, lenient = worlds

    assert held_by(strict) == [("alarm", ALARM)]
    assert strict.rate == 1
    assert held_by(lenient) == []
    assert lenient.rate > 1


def test_a_closed_calendar_freezes_and_its_opening_thaws(make_world: MakeWorld) -> None:
    """Closed over night, nothing but AWS's one a minute goes out; opened, it goes on."""
    world = going(make_world, things=800)
    world.set_calendar(CALENDAR, is_open=False)
    world.run(0.1)
    exposed = world.exposed()
    assert held_by(world) == [("calendar", CALENDAR)]
    world.run(300)
    assert world.exposed() <= exposed + 301
    world.set_calendar(CALENDAR, is_open=True)
    world.run(0.1)

    assert world.rate > 1
    world.run_to_the_end()
    assert world.end_states[-1] == "RolloutCompleted"


def test_a_calendar_named_by_its_arn_is_told_of_too(make_world: MakeWorld) -> None:
    """A policy may name a calendar of another account by ARN; its event wakes all the same."""
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/{CALENDAR}"
    policy = {**POLICY, "freeze": {"calendars": [arn]}}
    world = make_world(things=600, policy=policy)
    world.calendars.readings[arn] = CalendarReading(is_open=True)
    world.launch()
    world.run_until(lambda: bool(world.jobs.updates()) and world.rate > 20)
    world.set_calendar(CALENDAR, is_open=False)
    world.calendars.readings[arn] = CalendarReading(is_open=False)
    world.run(0.1)

    assert held_by(world) == [("calendar", arn)]


def test_holds_stack_and_only_the_last_to_go_lets_it_on(make_world: MakeWorld) -> None:
    """Alarm, calendar and two people hold at once; each lifted alone changes nothing."""
    world = going(make_world)
    world.set_alarm(ALARM, AlarmState.ALARM)
    world.set_calendar(CALENDAR, is_open=False)
    world.hold(by="night-shift")
    world.hold(by="site-3")
    world.run(0.2)
    assert sorted(held_by(world)) == [
        ("alarm", ALARM),
        ("calendar", CALENDAR),
        ("operator", "night-shift"),
        ("operator", "site-3"),
    ]

    lifts: list[Callable[[], None]] = [
        lambda: world.set_alarm(ALARM),
        world.resume,
        lambda: world.set_calendar(CALENDAR, is_open=True),
    ]
    for lift in lifts:
        assert world.rate == 1
        assert world.announced("Rollout Resumed") == []
        lift()
        world.run(2)
    assert world.rate > 1
    (resumed,) = world.announced("Rollout Resumed")
    assert [each["kind"] for each in resumed["lifted"]] == ["calendar"]


def test_alarms_and_calendars_that_cannot_be_read_hold(make_world: MakeWorld) -> None:
    """Throttled or forbidden, what the policy asks for is not known: not going on."""
    world = going(make_world)
    world.alarms.faults.before("read", *[RetryLater("Rate exceeded")] * 3)
    world.run(0.9)
    assert world.rate == 1
    assert any("not readable: Rate exceeded" in each for each in reasons(world))
    world.run(5)
    assert held_by(world) == []
    assert world.rate > 1


def reasons(world: World) -> list[str]:
    """Return what the last decision rests on, in words."""
    return [each.text for each in world.decisions[-1].reasons]


def test_an_alarm_that_nobody_asked_about_wakes_nobody(make_world: MakeWorld) -> None:
    """Events of other alarms of the account are none of the rollout's."""
    world = going(make_world)
    reviews = len(world.decisions)
    for name in ("cpu", "memory", "disk"):
        world.set_alarm(name, AlarmState.ALARM)
    world.run(0.2)

    assert len(world.decisions) <= reviews + 1
    assert world.rollout.signals == 0


def test_evidence_that_cannot_be_read_holds(make_world: MakeWorld) -> None:
    """While AWS throttles the list of executions, what devices report is stale: a hold like any."""
    world = make_world(things=600, devices=fleet(minutes=4.0))
    world.launch()
    world.run_until(lambda: bool(world.jobs.updates()) and world.rate > 20)
    world.jobs.faults.before("executions", *[RetryLater("Rate exceeded")] * 10)
    world.run(1)

    last = world.decisions[-1]
    assert last.verdict is Verdict.HOLD
    assert [(each.kind, each.by) for each in last.holds] == [(HoldKind.EVIDENCE, "outcomes")]
    assert "not readable: Rate exceeded" in last.summary
    assert world.rate == 1
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]
    assert world.problems() == []
    (resumed,) = world.announced("Rollout Resumed")
    assert [each["kind"] for each in resumed["lifted"]] == ["evidence"]


def test_evidence_that_stays_unreadable_is_told(make_world: MakeWorld) -> None:
    """Where AWS refuses the list, the rollout holds under one workflow, and people hear of it."""
    world = make_world(things=600, devices=fleet(minutes=4.0))
    world.launch()
    world.run(8)
    world.jobs.faults.before("executions", *[Refused("AccessDenied")] * 1000)
    world.run(14)
    assert world.rate == 1
    assert world.problems() == []
    world.run(46)

    (problem,) = world.problems()
    assert "not readable: AccessDenied" in problem
    assert world.end_states == [None]


def test_a_hold_does_not_blind_the_rollout_to_bad_news(make_world: MakeWorld) -> None:
    """Frozen by a calendar, a release that turns out bad is aborted all the same."""
    world = make_world(policy=FREEZES, devices=fleet(1.0, minutes=6.0))
    world.set_alarm(ALARM)
    world.set_calendar(CALENDAR, is_open=False)
    world.launch()
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutAborted"]


def test_frozen_at_its_launch_a_rollout_begins_with_the_lowest_rate(
    make_world: MakeWorld,
) -> None:
    """What is closed already lets no more than the first settings' minute out."""
    world = make_world(policy=FREEZES)
    world.set_alarm(ALARM)
    world.set_calendar(CALENDAR, is_open=False)
    world.launch()
    world.run(10)

    assert world.rate == 1
    assert world.exposed() <= 10 + 10


def test_the_accounts_budget_holds_all_rollouts(make_world: MakeWorld) -> None:
    """What all rollouts harm together is limited: one that fails holds those that do not."""
    world = make_world(things=2000)
    world.account_budget = 1.0
    world.jobs.groups["other"] = {f"gateway-{number}" for number in range(300)}
    others = [world.targets[0].replace("fleet", "other")]
    world.devices["bad-one"] = fleet(0.1, minutes=1.0)
    world.launch()
    world.run(6)
    assert world.rate > 1
    world.launch("bad-one", targets=others)
    assert world.run_until(lambda: held_by(world) == [("account", "all rollouts")], 30)
    world.run(1)

    assert world.rate == 1
    assert world.rate_of("bad-one") == 1
    assert "spent their budget of 1 devices" in world.decisions[-1].summary
    world.abort(job_id="bad-one")
    world.run(2)
    assert world.rate > 1
    assert world.announced("Rollout Held", JOB)
