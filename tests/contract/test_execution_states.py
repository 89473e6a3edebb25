"""The embedded cloud's executions, under reports and cancelations in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.executing import InTheCloud
from tests.property.execution_machine import ExecutionMachine

if TYPE_CHECKING:
    from tests.contract.samples import Cloud

#: Each is a job of its own, and each step a few requests.
EXAMPLES = 25
STEPS = 12


@pytest.mark.e2e
def test_an_execution_is_what_its_reports_make_of_it(cloud: Cloud) -> None:
    """In the cloud as in memory, executions go where Tidegate assumes, and nowhere else."""

    class InTheCloudMachine(ExecutionMachine):
        """What can happen to an execution in this cloud."""

        def world(self) -> InTheCloud:
            """Use the cloud again: each execution has names of its own."""
            return InTheCloud(cloud)

    run_state_machine_as_test(
        InTheCloudMachine,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS),
    )
