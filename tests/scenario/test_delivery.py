"""Events come twice, in any order, late or not at all: what is counted and decided stays right."""

import json
from collections.abc import Callable

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import Delivery, World
from tidegate.documents.events import JOB_EXECUTION_STATUS_CHANGE
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.ports import BusEvent

MakeWorld = Callable[..., World]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(Delivery(doubled=1.0), id="each twice"),
        pytest.param(Delivery(delay_seconds=150.0, doubled=0.3), id="late and out of order"),
        pytest.param(Delivery(lost=0.5), id="half of them lost"),
        pytest.param(Delivery(lost=0.2, doubled=0.2, delay_seconds=60.0), id="all of it"),
    ],
)
def test_every_outcome_counts_once(make_world: MakeWorld, delivery: Delivery, seed: int) -> None:
    """Whatever happens to events, the ledger ends with what the devices reported."""
    world = make_world(things=300, devices=fleet(0.01), delivery=delivery, seed=seed)
    world.launch()
    world.run_to_the_end()
    world.run(10)

    assert world.end_states == ["RolloutCompleted"]
    assert world.recorded() == world.outcomes()
    assert world.dead_letters == {}


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_release_is_stopped_without_any_event(make_world: MakeWorld, seed: int) -> None:
    """The list alone is enough to stop a release within its budget."""
    world = make_world(things=2000, devices=fleet(0.4), delivery=Delivery(lost=1.0), seed=seed)
    world.launch()
    world.run_to_the_end()
    world.run(30)

    outcomes = world.outcomes()
    assert world.end_states == ["RolloutAborted"]
    assert outcomes[ExecutionStatus.FAILED] - 0.02 * outcomes.total() <= 50


@pytest.mark.parametrize("minutes", [2.0, 12.0])
def test_events_switched_off_midway_are_told_once(make_world: MakeWorld, minutes: float) -> None:
    """Outcomes are still counted, from lists; people hear of it once, with the remedy."""
    world = make_world(things=400, devices=fleet(0.005, minutes=minutes))
    world.launch()
    world.run_until(lambda: world.recorded()[ExecutionStatus.SUCCEEDED] > 20, 60)
    world.jobs.events["JOB_EXECUTION"] = False
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert world.recorded() == world.outcomes()
    (attention,) = world.announced("Rollout Needs Attention")
    assert "job-execution events are switched off" in attention["problem"]
    assert "aws iot update-event-configurations" in attention["remedy"]
    assert any(
        reason.code is ReasonCode.EVENTS_OFF for each in world.decisions for reason in each.reasons
    )


def test_events_switched_off_again_are_told_again(make_world: MakeWorld) -> None:
    """Mended and broken once more, it is news once more."""
    world = make_world(things=500, devices=fleet(minutes=10.0))
    world.launch()
    world.jobs.events["JOB_EXECUTION"] = False
    world.run_until(lambda: bool(world.problems()), 60)
    world.jobs.events["JOB_EXECUTION"] = True
    world.run(5)
    assert len(world.problems()) == 1
    world.jobs.events["JOB_EXECUTION"] = False
    world.run_to_the_end()

    assert len(world.problems()) == 2


def test_events_that_are_merely_late_alarm_nobody(make_world: MakeWorld) -> None:
    """A queue that lags is no reason to say that events are switched off."""
    world = make_world(things=300, delivery=Delivery(delay_seconds=120.0))
    world.launch()
    world.run_to_the_end()

    assert world.problems() == []


@pytest.mark.parametrize("body", ["", "null", "[]", "7", "{}", "{", '{"eventType": "THING"}'])
def test_a_body_that_is_no_event_is_set_aside_alone(make_world: MakeWorld, body: str) -> None:
    """Garbage among IoT's events ends in the dead-letter queue, and holds nothing else up."""
    world = make_world(things=100)
    world.launch()
    world.run(1)
    world.send("intake", body)
    world.run_to_the_end(30)
    world.run(20)

    assert world.dead_letters == {"intake": [body]}
    assert world.recorded() == world.outcomes()


@pytest.mark.parametrize("body", ["", "null", "[]", "7", "{}", "{", '{"detail-type": "Other"}'])
@pytest.mark.parametrize("queue", ["record", "signal"])
def test_a_body_from_elsewhere_is_set_aside_alone(
    make_world: MakeWorld, queue: str, body: str
) -> None:
    """What did not come from the bus fails alone; device reports and commands around it do not."""
    world = make_world(things=100)
    world.launch()
    for seconds in range(120):
        world.send(queue, body, seconds)
    world.run(2)
    world.hold()
    world.run(0.1)
    assert world.ledger.holds(world.rollout.key)
    world.resume()
    world.run_to_the_end()
    world.run(20)

    assert world.dead_letters == {queue: [body] * 120}
    assert world.recorded() == world.outcomes()


def test_an_event_of_a_job_that_is_not_enrolled_is_ignored(make_world: MakeWorld) -> None:
    """Other jobs of the account publish on the same topics; they are none of Tidegate's."""
    world = make_world(things=100)
    world.launch()
    world.existing_job("other", rate=50)
    world.run_to_the_end()
    world.run(20)

    assert world.ledger.current(["other"]) == {}
    assert {call.job_id for call in world.jobs.calls} == {JOB}
    assert world.dead_letters == {}


def test_events_that_a_busy_bus_refuses_come_again(make_world: MakeWorld) -> None:
    """What the bus did not take is published when SQS delivers it again."""
    world = make_world(things=60)
    refused: set[str] = set()

    def refuses(event: BusEvent) -> bool:
        text = json.dumps(event.detail)
        if event.detail_type != JOB_EXECUTION_STATUS_CHANGE or text in refused:
            return False
        refused.add(text)
        return True

    world.bus.refuses = refuses
    world.launch()
    world.run_to_the_end()
    world.run(20)

    assert world.end_states == ["RolloutCompleted"]
    assert world.dead_letters == {}
    assert len(refused) == 60
    assert len(world.announced(JOB_EXECUTION_STATUS_CHANGE)) == 60
