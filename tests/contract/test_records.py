"""What every ledger tells whoever looks at rollouts, in memory as in DynamoDB."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.contract.samples import FRESH, KEY, NOW, SEASONED, decision, enrolled
from tests.contract.tables import in_threads
from tidegate.console.view import detail, glances
from tidegate.domain.decision import Evidence, Verdict
from tidegate.domain.points import point_of
from tidegate.domain.rollout import Ending, RolloutKey
from tidegate.errors import Superseded
from tidegate.ports import CommandResult, Ledger, Records

if TYPE_CHECKING:
    from tidegate.domain.decision import Decision

NOBODY = RolloutKey("nobody", 1)
DONE = CommandResult()
REFUSED = CommandResult("no rollout of it is running", "Enroll it first.")


class Both(Ledger, Records, Protocol):
    """A ledger that can be looked at."""


def keys(count: int) -> list[RolloutKey]:
    """Return so many keys."""
    return [RolloutKey(f"job-{number:03}", 1_700_000_000 + number) for number in range(count)]


def end(ledger: Both, key: RolloutKey, at: float) -> None:
    """Let a rollout begin and end."""
    enrolled(ledger, key=key)
    ledger.conclude(key, generation=1, ending=Ending.COMPLETED, at=at)


def decide(ledger: Both, count: int) -> list[Decision]:
    """Store so many decisions on one rollout."""
    enrolled(ledger)
    made = [decision(revision) for revision in range(1, count + 1)]
    for each in made:
        ledger.store_decision(KEY, each, generation=1)
    return made


# rollouts that ended


def test_those_that_ended_last_come_first(ledger: Both) -> None:
    """Whatever order they began in, the newest ends are at the top, down to the millisecond."""
    first, second, third, fourth = keys(4)
    for key, at in ((second, NOW), (fourth, NOW + 0.002), (first, NOW + 0.001), (third, NOW - 9)):
        end(ledger, key, at)

    assert list(ledger.ended(limit=10)) == [fourth, first, second, third]
    assert list(ledger.ended(limit=2)) == [fourth, first]
    assert list(ledger.ended(limit=0)) == []


def test_what_goes_on_has_not_ended(ledger: Both) -> None:
    """A rollout is among those that go on or among those that ended, and has no end before."""
    going, gone = keys(2)
    enrolled(ledger, key=going)
    end(ledger, gone, NOW)

    assert [each.key for each in ledger.active()] == [going]
    assert list(ledger.ended(limit=10)) == [gone]
    assert ledger.rollout(going).ended_at is None
    assert ledger.rollout(gone).ended_at == NOW


def test_a_rollout_ends_once(ledger: Both) -> None:
    """Said again, later and after a decision, it ended when it did at first, and is listed once."""
    end(ledger, KEY, NOW + 1 / 3)
    ledger.store_decision(KEY, decision(1), generation=1)
    ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW + 60)

    assert list(ledger.ended(limit=10)) == [KEY]
    assert ledger.rollout(KEY).ended_at == NOW + 1 / 3


def test_a_generation_that_owns_nothing_ends_nothing(ledger: Both) -> None:
    """A rollout that somebody else owns by now is not listed as ended."""
    enrolled(ledger, generation=2)

    with pytest.raises(Superseded):
        ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW)

    assert list(ledger.ended(limit=10)) == []


def test_a_new_rollout_under_an_old_id_leaves_the_old_end(ledger: Both) -> None:
    """Job ids are reusable; the rollout before is still told apart, and still ended."""
    again = replace(KEY, created_at=KEY.created_at + 100)
    end(ledger, KEY, NOW)
    enrolled(ledger, key=again)

    assert list(ledger.ended(limit=10)) == [KEY]
    assert [each.key for each in ledger.active()] == [again]


# many rollouts at once


def test_rollouts_are_read_together(ledger: Both) -> None:
    """More than a batch takes, some of them twice or unknown: each that exists is there whole."""
    known = keys(101)
    for key in known:
        enrolled(ledger, key=key)
    ledger.claim(SEASONED, previous=None)

    found = ledger.rollouts([*known, KEY, known[0], NOBODY])

    assert found == {**{key: replace(FRESH, key=key) for key in known}, KEY: SEASONED}
    assert ledger.rollouts([]) == {}


def test_each_rollout_has_its_own_last_decision(ledger: Both) -> None:
    """The last one of each, as it was stored; one that was never reviewed is left out."""
    one, two, three = keys(3)
    for key in (one, two, three):
        enrolled(ledger, key=key)
    for revision in (1, 2):
        ledger.store_decision(one, decision(revision), generation=1)
    ledger.store_decision(two, decision(1, verdict=Verdict.HOLD), generation=1)

    last = ledger.last_decisions(ledger.rollouts([one, two, three]).values())

    assert last == {one: decision(2), two: decision(1, verdict=Verdict.HOLD)}
    assert ledger.last_decisions([]) == {}


# figures over time


def test_figures_come_oldest_first(ledger: Both) -> None:
    """Each decision's figures are there, in its order, whatever the number of digits."""
    made = decide(ledger, 12)

    assert list(ledger.points(KEY, limit=100)) == [point_of(each) for each in made]


@pytest.mark.parametrize("limit", [0, 1, 5, 12])
def test_of_too_many_figures_the_newest_are_told(ledger: Both, limit: int) -> None:
    """A picture of a rollout that was too long to draw ends with the present."""
    made = decide(ledger, 12)

    assert list(ledger.points(KEY, limit=limit)) == [point_of(each) for each in made[12 - limit :]]


def test_who_was_never_reviewed_has_no_figures(ledger: Both) -> None:
    """Neither a rollout without a decision nor one that never was is an error."""
    enrolled(ledger)

    assert list(ledger.points(KEY, limit=10)) == []
    assert list(ledger.points(NOBODY, limit=10)) == []


def test_figures_may_be_infinite(ledger: Both) -> None:
    """What evidence can be, its figures can be: they come back as they went in."""
    enrolled(ledger)
    evidence = Evidence(log_e=float("-inf"), abort_at=float("inf"))
    each = replace(decision(1), evidence=evidence)
    ledger.store_decision(KEY, each, generation=1)

    assert list(ledger.points(KEY, limit=10)) == [point_of(each)]


# what became of commands


@pytest.mark.parametrize("result", [DONE, REFUSED])
def test_what_became_of_a_command_is_known(ledger: Both, result: CommandResult) -> None:
    """Whoever sent it can ask by the id that the bus gave it, and is told nothing before."""
    assert ledger.command("event-1") is None

    assert ledger.note_command("event-1", result, at=NOW)

    assert ledger.command("event-1") == result
    assert ledger.command("event-2") is None


def test_the_first_result_of_a_command_stays(ledger: Both) -> None:
    """One that was done and cannot be done again is not refused, however often it comes."""
    noted = [ledger.note_command("event-1", each, at=NOW) for each in (DONE, REFUSED, REFUSED)]

    assert noted == [True, False, False]
    assert ledger.command("event-1") == DONE


def test_of_results_at_the_same_moment_one_is_the_first(
    ledger: Both, request: pytest.FixtureRequest
) -> None:
    """Of several Lambdas that refuse the same command at once, one tells of it."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's writes are not safe across threads")
    firsts: list[bool] = []

    in_threads(lambda _: firsts.append(ledger.note_command("event-1", REFUSED, at=NOW)))

    assert firsts.count(True) == 1


# what is shown


def test_a_console_sees_what_goes_on_and_what_ended(ledger: Both) -> None:
    """Rollouts that go on come first, then the others, each with how it stands."""
    going, gone, new = keys(3)
    end(ledger, gone, NOW)
    for key in (going, new):
        enrolled(ledger, key=key)
    ledger.store_decision(going, decision(1), generation=1)

    seen = [(each.rollout.key, each.state) for each in glances(ledger)]

    assert seen == [(going, "proceed"), (new, "enrolled"), (gone, "completed")]


def test_a_console_sees_one_rollout_whole(ledger: Both) -> None:
    """Its page has the last decision in front, and all of them in figures."""
    made = decide(ledger, 3)
    ledger.mark_applied(KEY, 2, at=NOW, result={"outcome": "applied"})

    seen = detail(KEY.job_id, ledger=ledger, records=ledger)

    assert seen.glance.last == made[-1]
    assert [each.revision for each in seen.decisions] == [3, 2, 1]
    assert seen.applied == {2: {"outcome": "applied"}}
    assert list(seen.points) == [point_of(each) for each in made]
