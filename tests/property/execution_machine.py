"""
One device's execution as Tidegate assumes it, against whoever runs executions.

Hypothesis plays a device, a second one that speaks for it with versions of any age, and an operator
who cancels; what the execution is afterwards must be what ``may_become`` and the versions say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tidegate.domain.executions import REPORTABLE, ExecutionUpdate, Updated, may_become, stands
from tidegate.domain.jobs import TERMINAL, ExecutionStatus
from tidegate.errors import Conflict, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.executing import World
    from tidegate.domain.executions import Execution

statuses = st.sampled_from(sorted(REPORTABLE)) | st.just(ExecutionStatus.IN_PROGRESS)
unreportable = st.sampled_from(sorted(set(ExecutionStatus) - REPORTABLE))
#: How far from the execution's own version the expected one is; None: no version is expected.
distances = st.none() | st.integers(-2, 1)
details = st.none() | st.dictionaries(
    st.sampled_from(["step", "reason", "tidegate:reason"]), st.sampled_from("abc"), max_size=2
)


class ExecutionMachine(RuleBasedStateMachine):
    """Everything that can happen to one execution, in any order."""

    def world(self) -> World:
        """Return who runs executions."""
        raise NotImplementedError

    @initialize()
    def be_told(self) -> None:
        """Tell the device of a job."""
        self._world = self.world()
        self._names = self._world.queued()
        self._status = ExecutionStatus.QUEUED
        self._version = 1
        self._details: Mapping[str, str] = {}
        self._has_started = False

    @rule(status=statuses, said=details, distance=distances, numbered=st.booleans())
    def report(
        self,
        status: ExecutionStatus,
        said: Mapping[str, str] | None,
        distance: int | None,
        *,
        numbered: bool,
    ) -> None:
        """Report anything, relying on whatever version."""
        expected = None if distance is None else max(1, self._version + distance)
        update = self._update(status, said, expected, number=1 if numbered else None)
        before = self._described()
        if expected in {None, self._version} and may_become(self._status, status):
            answer = self._world.executions.update(update)
            self._take(update)
        elif stands(update, before):
            answer = self._world.executions.update(update)
        else:
            assert self._is_refused(update) is Conflict
            return
        assert answer == Updated(self._status, self._version, self._details)

    @rule(status=unreportable)
    def report_what_is_not_the_devices(self, status: ExecutionStatus) -> None:
        """Report what only AWS sets."""
        assert self._is_refused(self._update(status, None, None)) is Refused

    @rule(distance=distances)
    def cancel(self, distance: int | None) -> None:
        """Cancel it as an operator would, relying on whatever version."""
        expected = None if distance is None else max(1, self._version + distance)
        is_waiting = self._status is ExecutionStatus.QUEUED
        thing_name, job_id = self._names
        try:
            self._world.executions.cancel(thing_name, job_id, expected_version=expected)
        except Conflict:
            assert self._status is not ExecutionStatus.CANCELED
            assert not is_waiting or expected not in {None, self._version}
            return
        if self._status is not ExecutionStatus.CANCELED:
            assert is_waiting
            assert expected in {None, self._version}
            self._status = ExecutionStatus.CANCELED
            self._version += 1

    @invariant()
    def is_as_assumed(self) -> None:
        """Status, version, details and start are what all that happened makes of them."""
        found = self._described()
        assert found.status is self._status
        assert found.version_number == self._version
        assert dict(found.status_details) == dict(self._details)
        assert (found.started_at is not None) is self._has_started
        assert found.is_terminal is (self._status in TERMINAL)
        assert found.execution_number == 1

    def _described(self) -> Execution:
        return self._world.executions.describe(*self._names)

    def _update(
        self,
        status: ExecutionStatus,
        said: Mapping[str, str] | None,
        expected: int | None,
        *,
        number: int | None = None,
    ) -> ExecutionUpdate:
        thing_name, job_id = self._names
        return ExecutionUpdate(
            job_id,
            thing_name,
            status,
            status_details=said,
            expected_version=expected,
            execution_number=number,
            include_state=True,
        )

    def _take(self, update: ExecutionUpdate) -> None:
        self._status = update.status
        self._version += 1
        if update.status_details is not None:
            self._details = update.status_details
        if update.status is not ExecutionStatus.REJECTED:
            self._has_started = True

    def _is_refused(self, update: ExecutionUpdate) -> type[Refused]:
        try:
            self._world.executions.update(update)
        except Refused as error:
            return type(error)
        message = f"{update} was taken at version {self._version}, {self._status}"
        raise AssertionError(message)
