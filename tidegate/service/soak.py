"""
Soak: a device counts as good only if it is still there some time after its success.

Whoever is gone may be gone with many others: where the account loses more devices than the rollout
can explain, it is an outage, and nothing is held against the release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.documents.announcements import needs_attention
from tidegate.domain.jobs import HARMFUL, ExecutionStatus
from tidegate.domain.outcomes import ThingRecord, Vouched
from tidegate.domain.rollout import Rollout
from tidegate.domain.soak import Judged, judge
from tidegate.domain.things import Presence
from tidegate.errors import NotFound
from tidegate.ports import Bus, Clock, Executions, Ledger, Presences, Soaking
from tidegate.service.folding import change_things
from tidegate.service.telling import tell_once

#: Devices looked at in one pass.
SOAKS_PER_PASS_MAX = 500
#: Of those, devices that are asked how long they took to pick the job up: a request each.
PICKUPS_PER_PASS_MAX = 200

_UNJUDGED = "Nothing to do if these devices do not connect by MQTT; else look at fleet indexing."


def note_soaking(
    rollout: Rollout,
    records: Mapping[str, ThingRecord],
    *,
    ledger: Ledger,
    minute_seconds: float,
) -> None:
    """
    Note which devices are to be looked at later, where the policy asks for it.

    Again for the same devices it changes nothing: whoever dies after folding does both again.
    """
    soak = rollout.policy.soak
    if soak is None:
        return
    seconds = soak.minutes * minute_seconds
    soaking = [
        Soaking(name, each.at, each.at + seconds)
        for name, each in records.items()
        if each.status is ExecutionStatus.SUCCEEDED and each.vouched is None
    ]
    if soaking:
        ledger.note_soaking(rollout.key, soaking)


@dataclass(frozen=True, slots=True)
class Vouching:
    """The ports that looking after soaking devices needs."""

    ledger: Ledger
    presences: Presences
    executions: Executions
    bus: Bus
    clock: Clock
    minute_seconds: float

    def vouch(self, rollout: Rollout) -> Mapping[str, int]:
        """
        Find out what became of devices whose soak is over; return how many of each kind.

        Raises:
            Refused: Fleet indexing does not tell who is connected.
            RetryLater: AWS or the ledger throttles; those that were judged before stay so.
        """
        soak, now = rollout.policy.soak, self.clock.now()
        if soak is None:
            return {}
        due = self.ledger.soaking(rollout.key, until=now, limit=SOAKS_PER_PASS_MAX)
        looked = self._look(due, rollout, now)
        present = self._settle(rollout, looked.present, Vouched.PRESENT)
        if looked.later:
            self.ledger.note_soaking(rollout.key, looked.later)
        self._tell_of_unjudged(rollout, looked.untold, now)
        # Before anything is held against the release: it may be an outage.
        is_outage = self._is_outage(rollout, looked)
        dark = 0 if is_outage else self._settle(rollout, looked.dark, Vouched.DARK)
        return {"present": present, "dark": dark, "later": len(looked.later)}

    def _look(self, due: Sequence[Soaking], rollout: Rollout, now: float) -> "_Looked":
        looked = _Looked()
        if not due:
            return looked
        presences = self.presences.read([each.thing_name for each in due])
        pickups = 0
        for each in due:
            presence = presences.get(each.thing_name)
            judged = self._judge(each, presence, rollout, now)
            if judged.outcome is Vouched.DARK:
                if pickups == PICKUPS_PER_PASS_MAX:
                    # The next pass has room for it.
                    looked.untouched += 1
                    continue
                pickups += 1
                habit = self._pickup_seconds(each.thing_name, rollout.key.job_id)
                judged = self._judge(each, presence, rollout, now, habit)
            looked.take(each, judged)
        return looked

    def _judge(
        self,
        each: Soaking,
        presence: Presence | None,
        rollout: Rollout,
        now: float,
        pickup_seconds: float = 0.0,
    ) -> Judged:
        minutes = rollout.policy.soak.minutes if rollout.policy.soak else 0.0
        return judge(
            presence,
            since=each.since,
            soak_seconds=minutes * self.minute_seconds,
            now=now,
            pickup_seconds=pickup_seconds,
        )

    def _pickup_seconds(self, thing_name: str, job_id: str) -> float:
        """Return how long the device took to start once it was notified, 0 if nobody knows."""
        try:
            execution = self.executions.describe(thing_name, job_id)
        except NotFound:
            return 0.0
        started_at = execution.started_at
        return 0.0 if started_at is None else max(0.0, started_at - execution.queued_at)

    def _settle(self, rollout: Rollout, soaked: Sequence[Soaking], outcome: Vouched) -> int:
        since = {each.thing_name: each.since for each in soaked}

        def vouched(name: str, record: ThingRecord) -> ThingRecord:
            same = record.status is ExecutionStatus.SUCCEEDED and record.at == since[name]
            if not same or record.vouched is not None:
                return record
            return replace(record, vouched=outcome)

        return len(change_things(rollout.key, since, vouched, ledger=self.ledger).changes)

    def _is_outage(self, rollout: Rollout, looked: "_Looked") -> bool:
        """Whether more things are gone than the release can have disconnected."""
        dark = len(looked.dark) + looked.untouched
        connected = rollout.connected.after(
            self.presences.connected(),
            dark=dark,
            explained=self._explained(rollout, looked) if dark else 0.0,
        )
        if connected != rollout.connected:
            self.ledger.note_connected(rollout.key, connected)
        return connected.outage is not None

    def _explained(self, rollout: Rollout, looked: "_Looked") -> float:
        """
        Return how many things may be disconnected because of the rollout.

        Those at work may be restarting, those that failed may be gone; of those that soak as many
        as of the ones that were looked at.
        """
        counted = self.ledger.counted(rollout.key)
        counts, vouched = counted.counts, counted.vouched
        known_dark = sum(n for (_, what, _), n in vouched.items() if what is Vouched.DARK)
        soaking = counts.of(ExecutionStatus.SUCCEEDED) - sum(vouched.values())
        away = len(looked.dark) + looked.untouched + len(looked.later)
        share = away / max(1, away + len(looked.present))
        at_work = counts.of(ExecutionStatus.IN_PROGRESS, *HARMFUL)
        return at_work + known_dark + max(away, share * soaking)

    def _tell_of_unjudged(self, rollout: Rollout, devices: int, now: float) -> None:
        if not devices:
            return
        key = rollout.key
        told = needs_attention(
            key.job_id,
            f"{devices} devices were not connected by MQTT when they succeeded, so whether they "
            "are still there is not known: they, and those like them, count as good",
            _UNJUDGED,
            now,
            key=key,
        )
        name = f"unjudged {key.job_id} {key.created_at}"
        tell_once(name, told, ledger=self.ledger, bus=self.bus, at=now)


@dataclass(slots=True)
class _Looked:
    """
    What a look at soaking devices came to.

    Attributes:
        present: Still there, or not known to be gone.
        dark: Gone.
        later: To be looked at again.
        untold: Of those present, devices whose connection tells nothing.
        untouched: Seem to be gone; there was no room to ask about their habits.
    """

    present: list[Soaking] = field(default_factory=list)
    dark: list[Soaking] = field(default_factory=list)
    later: list[Soaking] = field(default_factory=list)
    untold: int = 0
    untouched: int = 0

    def take(self, each: Soaking, judged: Judged) -> None:
        if judged.outcome is Vouched.PRESENT:
            self.present.append(each)
            self.untold += 0 if judged.is_told else 1
        elif judged.outcome is Vouched.DARK:
            self.dark.append(each)
        elif judged.until is not None:
            self.later.append(replace(each, until=judged.until))
