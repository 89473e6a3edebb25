"""One device's execution, under reports and cancelations in any order."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.executing import InMemory
from tests.property.execution_machine import ExecutionMachine


class InMemoryMachine(ExecutionMachine):
    """What can happen to an execution in memory."""

    def world(self) -> InMemory:
        """Begin anew."""
        return InMemory()


def test_an_execution_is_what_its_reports_make_of_it() -> None:
    """In memory, no order of updates and cancelations leads where Tidegate would not look."""
    run_state_machine_as_test(
        InMemoryMachine,
        settings=settings(max_examples=max(200, settings().max_examples), stateful_step_count=20),
    )
