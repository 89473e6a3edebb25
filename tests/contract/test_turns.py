"""Launches that wait for their turn: every ledger keeps what was written last, over what was."""

from dataclasses import replace

import pytest

from tidegate.domain.rollout import AbortRequest
from tidegate.domain.turn import Phase, Turn
from tidegate.errors import Contention
from tidegate.ports import Ledger

ARN = "arn:aws:states:eu-central-1:111122223333:execution:tidegate-rollout"
TURN = Turn("firmware-8", f"{ARN}:firmware-8-a", "firmware", ("firmware-7",), 1_790_000_000.25)
GIVEN_UP = replace(TURN, given_up=AbortRequest("release-desk", "wrong image", 1_790_000_060.0))


def test_a_launch_that_waits_is_read_back(ledger: Ledger) -> None:
    """Whatever there is to it, of each execution its own, until it is over."""
    other = replace(GIVEN_UP, execution_arn=f"{ARN}:firmware-8-b", behind=("a", "b"))
    assert list(ledger.turns()) == []
    for each in (TURN, other):
        ledger.write_turn(each, previous=None)

    assert sorted(ledger.turns(), key=lambda each: each.execution_arn) == [TURN, other]
    begun = replace(TURN, phase=Phase.BEGINNING)
    ledger.write_turn(begun, previous=TURN)
    ledger.write_turn(replace(other, phase=Phase.OVER), previous=other)
    assert list(ledger.turns()) == [begun]


@pytest.mark.parametrize("previous", [None, replace(TURN, phase=Phase.BEGINNING), GIVEN_UP])
def test_a_launch_is_written_over_what_was_read(ledger: Ledger, previous: Turn | None) -> None:
    """One that was given up in the meantime does not begin, nor the other way round."""
    ledger.write_turn(TURN, previous=None)

    with pytest.raises(Contention):
        ledger.write_turn(replace(TURN, behind=("x",)), previous=previous)
    assert list(ledger.turns()) == [TURN]


def test_a_launch_that_is_over_may_be_begun_anew(ledger: Ledger) -> None:
    """Somebody may let a failed execution go on."""
    over = replace(TURN, phase=Phase.OVER)
    ledger.write_turn(over, previous=None)
    ledger.write_turn(TURN, previous=None)

    assert list(ledger.turns()) == [TURN]
