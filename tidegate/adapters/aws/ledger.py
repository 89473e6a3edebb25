"""The ledger in a DynamoDB table."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from tidegate.adapters.aws.errors import ConditionFailed
from tidegate.adapters.aws.ledger_cells import Cells
from tidegate.adapters.aws.ledger_items import (
    ACTIVE,
    ALERTS,
    ANSWERS,
    COUNTS,
    CURRENT,
    DECISIONS,
    ENDED,
    HOLDS,
    REASONS,
    RELEASES,
    RESULT,
    ROLLOUTS,
    SETTLED,
    STATE,
    STEPS,
    TOTALS,
    TURNS,
    abort_request_members,
    active_members,
    active_of,
    answer_members,
    answer_of,
    answer_sk,
    applied_of,
    bookmark_members,
    bucket_of_sk,
    cell_counter,
    cell_counts_of,
    command_pk,
    connected_members,
    count_sk,
    decision_members,
    decision_sk,
    decoded,
    decoded_members,
    ended_sk,
    entry_of,
    hold_members,
    hold_of,
    hold_sk,
    job_pk,
    key_members,
    lift_members,
    lift_of,
    lifted_sk,
    listing_members,
    park_members,
    point_members,
    point_sk,
    policy_sk,
    reason_counter,
    reason_counts_of,
    reason_sk,
    record_members,
    record_of,
    release_members,
    release_sk,
    report_pk,
    reports_pk,
    result_members,
    rollout_members,
    rollout_of,
    rollout_pk,
    step_members,
    step_of,
    step_sk,
    tagged_members,
    tagged_of,
    tags_sk,
    thing_sk,
    total_sk,
    turn_members,
    turn_of,
    turn_sk,
    vouched_of,
)
from tidegate.adapters.aws.ledger_records import Records
from tidegate.adapters.aws.ledger_soaking import Soaks
from tidegate.adapters.aws.ledger_table import IS_NEW, Table
from tidegate.adapters.aws.ledger_writes import Change
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import UNJOINED
from tidegate.domain.points import point_of
from tidegate.domain.progress import (
    adjusted,
    concluded,
    decided,
    enlisted,
    is_unheard,
    reviewed,
)
from tidegate.domain.rollout import Counted, Counts, Hold, HoldKind, Lift, Rollout, RolloutKey
from tidegate.domain.turn import Phase
from tidegate.errors import Contention, NotFound, Refused, Superseded
from tidegate.ports import CHANGES_MAX, TOTALS_BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.domain.course import Answer
    from tidegate.domain.decision import Decision
    from tidegate.domain.outcomes import (
        CellKey,
        CounterKey,
        Moved,
        ReasonKey,
        ThingRecord,
        Transition,
        VouchedKey,
    )
    from tidegate.domain.points import Point
    from tidegate.domain.policy import Policy
    from tidegate.domain.rollout import AbortRequest, Active, Bookmark, Ending, Listing, Park, Step
    from tidegate.domain.things import Connected
    from tidegate.domain.turn import Turn
    from tidegate.ports import Clock, CommandResult, Entry, Soaking, Tagged

#: Shards of each counter. A shard takes one transaction at a time, some ten milliseconds long, so
#: eight take hundreds of commits a second; each one more makes ``counted`` read more items.
SHARDS = 8

#: Thing records go some time after their last write. AWS keeps a job's executions for 730 days:
#: a record that went before them would be counted again when the list is read anew.
RECORD_DAYS = 800
_DAY_SECONDS = 86_400

#: What has ended, or is no longer wrong, goes after a day, since the functions may delete nothing.
#: What a job's tag says goes after a week, unless it was looked at again.
ENDED_DAYS = 1

#: An alert that nobody clears goes after so long, and is news again if it still is one: longer than
#: the bus keeps events to replay, so that no command is answered twice.
ALERT_DAYS = 100
TAGS_DAYS = 7

#: A launch waits for a week at most; what is known of it goes some days later.
TURN_DAYS = 10

#: What became of a command is kept so long for the same reason.
COMMAND_DAYS = 100

#: The list of rollouts that ended goes back for so long: last year's releases are in it.
ENDED_LIST_DAYS = 400

#: What was reported for devices goes after so long, for the same reason.
REPORT_DAYS = 100

#: Who read something that changed before it was written reads again, so often. A rollout has one
#: owner and few people who adjust it; what else changes it comes once a second at most.
REREADS_MAX = 5

#: Steps in one transaction: their texts are short, and DynamoDB takes 100 actions and 4 MB.
STEPS_AT_ONCE = 25


_Key = TypeVar("_Key")

#: Members of a rollout that an end, a decision, and an adjustment, change.
_CONCLUDED = ("ending", "ended_at")
_DECIDED = ("revision", "upper_bound", "memory", "course", "aborting")
_ADJUSTED = (
    "policy",
    "policy_version",
    "fleet_size",
    "signals",
    "upper_bound",
    "bound_from_signal",
)


class DynamoLedger:
    """
    The rollouts, decisions, holds and outcomes of one table, and what is known of devices.

    Every write carries its condition, those that belong together go in one transaction, and every
    read is consistent. A query over several items is no snapshot, though: a thing that moves from
    one start bucket to another meanwhile may be counted in both or in neither; the next look tells.
    """

    def __init__(self, table_name: str, client: DynamoDBClient, clock: Clock) -> None:
        """Bind a table to the client that reaches it, and to the clock that old records go by."""
        self._table = Table(table_name, client)
        self._clock = clock
        self._cells = Cells(self._table)
        self._records = Records(self._table)
        self._soaks = Soaks(self._table, lambda: self._expiry(RECORD_DAYS))

    # rollouts

    def current(self, job_ids: Iterable[str]) -> dict[str, Rollout]:
        """Return the newest rollout of each job that has one."""
        pointers = self._table.get_all([(job_pk(job_id), CURRENT) for job_id in set(job_ids)])
        keys = [
            RolloutKey(members["job_id"], members["created_at"])
            for members in map(decoded_members, pointers)
        ]
        return {key.job_id: rollout for key, rollout in self.rollouts(keys).items()}

    def rollout(self, key: RolloutKey) -> Rollout:
        """Return a rollout; raises NotFound."""
        item = self._table.get(rollout_pk(key), STATE)
        if item is None:
            raise _unknown(key)
        return rollout_of(item)

    def claim(self, rollout: Rollout, *, previous: Rollout | None) -> None:
        """Make this rollout its job's current one; raises Contention."""
        key = rollout.key
        stored = self._table.get(rollout_pk(key), STATE)
        claimed = f"the rollout of job {key.job_id} was claimed or changed meanwhile"
        if (None if stored is None else rollout_of(stored)) != previous:
            raise Contention(claimed)
        version = 0 if stored is None else decoded(stored["version"])
        state = self._table.put(
            rollout_pk(key),
            STATE,
            {**rollout_members(rollout), "version": version + 1},
            condition=IS_NEW if stored is None else "version = :version",
            values=None if stored is None else {"version": version},
        )
        pointer = self._table.put(
            job_pk(key.job_id),
            CURRENT,
            key_members(key),
            condition=f"{IS_NEW} OR created_at <= :created_at",
            values={"created_at": key.created_at},
        )
        # A rollout that is taken over stays in the list as it is.
        listed = Change(sets_once=active_members(enlisted(rollout)), creates=True)
        active = self._active_change(key, self._off_the_list() if rollout.ending else listed)
        try:
            self._table.write(f"claim job {key.job_id}", state, pointer, active)
        except ConditionFailed as error:
            raise Contention(claimed) from error

    def active(self) -> Sequence[Active]:
        """Return all rollouts that have not ended, in no order."""
        items = self._table.query(ACTIVE, ROLLOUTS)
        return [active_of(item) for item in items if "ended" not in item]

    def note_heal(self, key: RolloutKey, *, at: float) -> None:
        """Note that the rollout's workflow is started anew; raises NotFound."""
        healed = Change(sets={"healed_at": at}, adds={"heals": 1})
        try:
            self._table.write(f"heal job {key.job_id}", self._active_change(key, healed))
        except ConditionFailed as error:
            raise _unknown(key) from error

    def conclude(
        self,
        key: RolloutKey,
        *,
        generation: int,
        ending: Ending,
        at: float,
        signals: int | None = None,
    ) -> None:
        """Mark the rollout as ended; raises Superseded by another owner, or what was asked."""
        for _ in range(REREADS_MAX):
            before = self._owned(key, generation)
            if is_unheard(before, signals):
                message = f"job {key.job_id} was asked for more meanwhile: review it again"
                raise Superseded(message)
            after = concluded(before, ending, at)
            unread = Change(
                sets=_members_of(after, _CONCLUDED),
                where={"generation": generation, "signals": before.signals},
                where_any=_members_of(after, ("ended_at",)),
            )
            try:
                self._table.write(
                    f"conclude job {key.job_id}",
                    self._state_change(key, unread),
                    self._active_change(key, self._off_the_list()),
                    self._ended_put(after),
                )
            except ConditionFailed:
                continue  # the next look tells who took it over, or when it ended before
            return
        message = f"job {key.job_id} changed in {REREADS_MAX} attempts to conclude it: try again"
        raise Contention(message)

    def adjust(
        self,
        key: RolloutKey,
        policy: Policy,
        *,
        keeps_bound: bool,
        at: float,
        fleet_size: int | None = None,
    ) -> None:
        """Give the rollout another policy; raises Contention."""
        for _ in range(REREADS_MAX):
            stored = self._table.get(rollout_pk(key), STATE)
            if stored is None:
                raise _unknown(key)
            rollout = rollout_of(stored)
            if policy == rollout.policy or at < self._adjusted_at(rollout):
                return
            after = adjusted(rollout, policy, keeps_bound=keeps_bound, fleet_size=fleet_size)
            unread = Change(
                sets=_members_of(after, _ADJUSTED), where={"version": decoded(stored["version"])}
            )
            before = self._table.put(
                rollout_pk(key),
                policy_sk(rollout.policy_version),
                {"policy": json.dumps(rollout.policy.to_compiled()), "replaced_at": at},
                condition=IS_NEW,
            )
            try:
                self._table.write(
                    f"adjust job {key.job_id}", self._state_change(key, unread), before
                )
            except ConditionFailed:
                continue
            return
        message = f"job {key.job_id} changed in {REREADS_MAX} attempts to adjust it: try again"
        raise Contention(message)

    def link_rollback(self, key: RolloutKey, job_id: str) -> None:
        """Note which job undoes the rollout; the first one stays."""
        self._update_state(key, Change(sets_once={"rolled_back_by": job_id}))

    # decisions

    def store_decision(self, key: RolloutKey, decision: Decision, *, generation: int) -> None:
        """Store a decision and make it the rollout's last; raises Superseded."""
        for _ in range(REREADS_MAX):
            rollout = self._owned(key, generation)
            if decision.revision != rollout.revision + 1:
                self._require_stored(key, decision)
                return
            try:
                self._table.write(
                    f"store decision {decision.revision} of job {key.job_id}",
                    *self._decision_writes(rollout, decision),
                )
            except ConditionFailed:
                continue  # the next look tells what was stored, taken over or adjusted meanwhile
            return
        message = (
            f"the policy of job {key.job_id} changed in {REREADS_MAX} attempts to store decision "
            f"{decision.revision}: try again"
        )
        raise Contention(message)

    def decision(self, key: RolloutKey, revision: int) -> Decision:
        """Return a decision; raises NotFound."""
        return self.entry(key, revision).decision

    def decisions(self, key: RolloutKey, *, limit: int) -> Sequence[Decision]:
        """Return the newest decisions, newest first."""
        return [each.decision for each in self.entries(key, limit=limit)]

    def entry(self, key: RolloutKey, revision: int) -> Entry:
        """Return a decision with what applying it came to; raises NotFound."""
        item = self._table.get(rollout_pk(key), decision_sk(revision))
        if item is None:
            raise _no_decision(key, revision)
        return entry_of(item)

    def entries(self, key: RolloutKey, *, limit: int) -> Sequence[Entry]:
        """Return the newest decisions likewise, newest first."""
        items = self._table.query(rollout_pk(key), DECISIONS, newest=limit)
        return [entry_of(item) for item in items]

    def mark_applied(
        self, key: RolloutKey, revision: int, *, at: float, result: Mapping[str, Any]
    ) -> None:
        """Note what applying a decision came to; the last note stays."""
        sets = {"applied": json.dumps(dict(result)), "applied_at": at}
        note = self._table.change(rollout_pk(key), decision_sk(revision), Change(sets=sets))
        try:
            self._table.write(f"note what decision {revision} of job {key.job_id} came to", note)
        except ConditionFailed as error:
            raise _no_decision(key, revision) from error

    def applied(self, key: RolloutKey, revision: int) -> Mapping[str, Any] | None:
        """Return what applying a decision came to, None if it was not applied."""
        item = self._table.get(rollout_pk(key), decision_sk(revision))
        return None if item is None else applied_of(item)

    # launches that wait for their turn

    def turns(self) -> Sequence[Turn]:
        """Return all launches that had to wait and are not over, in no order."""
        found = map(turn_of, self._table.query(TURNS))
        return [each for each in found if each.phase is not Phase.OVER]

    def write_turn(self, turn: Turn, *, previous: Turn | None) -> None:
        """Keep how a launch stands; raises Contention."""
        if previous is None:
            condition, values = f"{IS_NEW} OR phase = :over", {"over": Phase.OVER.value}
        else:
            condition, values = "content = :content AND phase = :phase", turn_members(previous)
        put = self._table.put(
            TURNS,
            turn_sk(turn),
            {**turn_members(turn), "expires_at": self._expiry(TURN_DAYS)},
            condition=condition,
            values=values,
        )
        if not self._noted(f"write the turn of job {turn.job_id}", put):
            message = f"the launch of job {turn.job_id} changed meanwhile"
            raise Contention(message)

    # people's requests

    def holds(self, key: RolloutKey) -> Sequence[Hold]:
        """Return the holds in force, oldest first."""
        return _in_force(self._table.query(rollout_pk(key), HOLDS))

    def place_hold(self, key: RolloutKey, hold: Hold) -> None:
        """Put a hold in force; an older one of the same kind and owner is replaced."""
        put = self._table.put(
            rollout_pk(key),
            hold_sk(hold),
            hold_members(hold),
            condition=f"{IS_NEW} OR since <= :since",
            values={"since": hold.since},
        )
        self._signal_with(key, f"hold job {key.job_id}", put)

    def lift_holds(self, key: RolloutKey, kind: HoldKind, lift: Lift) -> int:
        """Lift the holds of a kind placed before ``lift.at``; return how many."""
        standing = [each for each in self.holds(key) if each.kind is kind]
        mark = self._table.put(
            rollout_pk(key),
            lifted_sk(kind),
            lift_members(kind, lift),
            condition=f"{IS_NEW} OR lifted_until <= :until",
            values={"until": lift.at},
        )
        self._signal_with(key, f"lift holds of job {key.job_id}", mark)
        return sum(each.since < lift.at for each in standing)

    def lift(self, key: RolloutKey, kind: HoldKind) -> Lift | None:
        """Return the latest lift of that kind of hold, None if there was none."""
        item = self._table.get(rollout_pk(key), lifted_sk(kind))
        return None if item is None else lift_of(item)

    def answers(self, key: RolloutKey) -> Sequence[Answer]:
        """Return all answers to the rollout's questions, oldest first."""
        found = [answer_of(item) for item in self._table.query(rollout_pk(key), ANSWERS)]
        return sorted(found, key=lambda each: (each.at, each.question_id))

    def give_answer(self, key: RolloutKey, answer: Answer) -> Answer:
        """Note an answer, and count one signal; return the answer that stands: the first one."""
        place = rollout_pk(key), answer_sk(answer.question_id)
        put = self._table.put(*place, answer_members(answer), condition=IS_NEW)
        signal = self._state_change(key, Change(adds={"signals": 1}))
        try:
            self._table.write(f"answer a question of job {key.job_id}", signal, put)
        except ConditionFailed as error:
            standing = self._table.get(*place)
            if standing is None:
                raise _unknown(key) from error
            return answer_of(standing)
        return answer

    def signal(self, key: RolloutKey) -> None:
        """Count something else that a review must look at."""
        self._update_state(key, Change(adds={"signals": 1}))

    def request_abort(self, key: RolloutKey, request: AbortRequest) -> None:
        """Note that somebody wants the rollout stopped; the first request stays."""
        once = {"abort_request": abort_request_members(request)}
        self._update_state(key, Change(sets_once=once, adds={"signals": 1}))

    # what became of commands

    def note_command(self, event_id: str, result: CommandResult, *, at: float) -> bool:
        """Note, for some months, what became of a command; the first note stays."""
        expiry = {"noted_at": at, "expires_at": self._expiry(COMMAND_DAYS)}
        put = self._table.put(
            command_pk(event_id),
            RESULT,
            {**result_members(result), **expiry},
            condition="attribute_not_exists(noted_at)",
        )
        return self._noted(f"note command {event_id}", put)

    # outcomes

    def things(self, key: RolloutKey, names: Iterable[str]) -> dict[str, ThingRecord]:
        """Return the records of those things that have one."""
        prefix = thing_sk("")
        items = self._table.get_all([(rollout_pk(key), thing_sk(name)) for name in set(names)])
        return {decoded(item["sk"]).removeprefix(prefix): record_of(item) for item in items}

    def commit(
        self,
        key: RolloutKey,
        changes: Sequence[Transition],
        moved: Moved,
    ) -> None:
        """Write changed records and move the counters with them; raises Contention."""
        if not changes:
            return
        if len(changes) > CHANGES_MAX:
            message = (
                f"{len(changes)} changes in one commit, but it takes {CHANGES_MAX}: split them"
            )
            raise Refused(message)
        shard = zlib.crc32(changes[0].thing_name.encode()) % SHARDS
        actions = [self._record_write(key, change) for change in changes]
        actions += self._counter_moves(key, moved, shard)
        actions += self._reason_moves(key, moved.reasons, shard)
        try:
            self._table.write(f"commit outcomes of job {key.job_id}", *actions)
        except ConditionFailed as error:
            message = f"things of job {key.job_id} were reported by somebody else meanwhile"
            raise Contention(message) from error

    def counted(self, key: RolloutKey) -> Counted:
        """Return all counters of a rollout but those of reasons."""
        return self._counted(key, COUNTS)

    def reasons(self, key: RolloutKey) -> Mapping[ReasonKey, int]:
        """Return how many failed devices gave each reason, per cell."""
        summed: Counter[ReasonKey] = Counter()
        for item in self._table.query(rollout_pk(key), REASONS):
            for cell, number in reason_counts_of(item):
                summed[decoded(item["text"]), cell] += number
        return _counting(summed)

    def cells(self, key: RolloutKey) -> Mapping[int, tuple[str, ...]]:
        """Return the values that each cell stands for, in the order of the policy's keys."""
        return self._cells.known(key)

    def cell_of(self, key: RolloutKey, values: tuple[str, ...]) -> int:
        """Return the cell of these values, a new one if there is none and room; else REST_CELL."""
        return self._cells.of(key, values)

    def unjoined(self, key: RolloutKey, *, limit: int) -> Sequence[str]:
        """Return things whose traits could not be read yet, in no order."""
        return self._cells.unjoined(key, limit=limit)

    def note_unjoined(self, key: RolloutKey, names: Sequence[str], *, joined: bool) -> None:
        """Remember things whose traits could not be read, or that by now they were."""
        self._cells.note_unjoined(key, names, joined=joined)

    def soaking(self, key: RolloutKey, *, until: float, limit: int) -> Sequence[Soaking]:
        """Return devices whose soak ends before ``until`` and is not settled, the oldest first."""
        return self._soaks.due(key, until=until, limit=limit)

    def note_soaking(self, key: RolloutKey, soaking: Sequence[Soaking]) -> None:
        """Remember when the soak of devices ends; raises NotFound, Contention."""
        self._soaks.note(key, soaking)

    def note_connected(self, key: RolloutKey, connected: Connected) -> None:
        """Remember how many things are connected; raises Contention."""
        for _ in range(REREADS_MAX):
            stored = self._table.get(rollout_pk(key), STATE)
            if stored is None:
                raise _unknown(key)
            before = rollout_of(stored).connected
            if connected == before:
                return
            is_news = (connected.outage is None) != (before.outage is None)
            noted = Change(
                sets={"connected": connected_members(connected)},
                adds={"signals": int(is_news)},
                where={"version": decoded(stored["version"])},
            )
            with suppress(ConditionFailed):
                self._table.write(f"update job {key.job_id}", self._state_change(key, noted))
                return
        message = f"job {key.job_id} changed in {REREADS_MAX} attempts to update it: try again"
        raise Contention(message)

    def released(self, key: RolloutKey) -> frozenset[str]:
        """Return the cohorts that people have released."""
        items = self._table.query(rollout_pk(key), RELEASES)
        return frozenset(decoded(item["cohort"]) for item in items)

    def release(self, key: RolloutKey, cohort: str, *, by: str, reason: str, at: float) -> None:
        """Note that people want a cohort treated like all others; again it changes nothing."""
        place = rollout_pk(key), release_sk(cohort)
        members = release_members(cohort, by=by, reason=reason, at=at)
        put = self._table.put(*place, members, condition=IS_NEW)
        signal = self._state_change(key, Change(adds={"signals": 1}))
        try:
            self._table.write(f"release a cohort of job {key.job_id}", signal, put)
        except ConditionFailed as error:
            if self._table.get(*place) is None:
                raise _unknown(key) from error

    def totals(self, key: RolloutKey) -> Counted:
        """Return the counters summed over start buckets and cells."""
        return self._counted(key, TOTALS)

    def note_bookmark(self, key: RolloutKey, status: ExecutionStatus, bookmark: Bookmark) -> None:
        """Remember where the executions in a status are read on; raises NotFound."""
        self._update_state(key, Change(sets=bookmark_members({status: bookmark})))

    def note_listing(self, key: RolloutKey, listing: Listing) -> None:
        """Remember how far the job's executions were read."""
        self._update_state(key, Change(sets={"listing": listing_members(listing)}))

    # reports for devices

    def settle_report(self, report_id: str, *, at: float) -> bool:
        """Note, for some months, that a device's report is done with; False if it was before."""
        members = {"settled_at": at, "expires_at": self._expiry(REPORT_DAYS)}
        put = self._table.put(report_pk(report_id), SETTLED, members, condition=IS_NEW)
        return self._noted(f"settle report {report_id}", put)

    def is_settled(self, report_id: str) -> bool:
        """Return whether a device's report is done with."""
        return self._table.get(report_pk(report_id), SETTLED) is not None

    def advance_reports(self, thing_name: str, job_id: str, *, at: float) -> bool:
        """Note when a thing's latest report on a job was made; False if a later one is known."""
        put = self._table.put(
            reports_pk(job_id),
            thing_sk(thing_name),
            {"reported_at": at, "expires_at": self._expiry(REPORT_DAYS)},
            condition=f"{IS_NEW} OR reported_at <= :at",
            values={"at": at},
        )
        return self._noted(f"advance the reports of {thing_name} on job {job_id}", put)

    # the timeline

    def note_steps(self, key: RolloutKey, steps: Sequence[Step]) -> None:
        """Add to the rollout's timeline; the same step again changes nothing."""
        puts = {
            step_sk(step): self._table.put(rollout_pk(key), step_sk(step), step_members(step))
            for step in steps
        }
        actions = list(puts.values())
        for start in range(0, len(actions), STEPS_AT_ONCE):
            batch = actions[start : start + STEPS_AT_ONCE]
            self._table.write(f"note {len(batch)} steps of job {key.job_id}", *batch)

    def steps(self, key: RolloutKey, *, limit: int) -> Sequence[Step]:
        """Return the timeline, oldest first; if it is longer than the limit, its newest part."""
        newest_first = self._table.query(rollout_pk(key), STEPS, newest=limit)
        return [step_of(item) for item in newest_first][::-1]

    # what sweeping remembers

    def tagged(self, jobs: Iterable[RolloutKey]) -> dict[RolloutKey, Tagged]:
        """Return what is remembered of these jobs' tags; a job that was never seen is missing."""
        places = [(job_pk(job.job_id), tags_sk(job)) for job in set(jobs)]
        return dict(map(tagged_of, self._table.get_all(places)))

    def note_tagged(self, job: RolloutKey, tagged: Tagged) -> None:
        """Remember a job's tag for some days; the latest look stays."""
        put = self._table.put(
            job_pk(job.job_id),
            tags_sk(job),
            {**tagged_members(job, tagged), "expires_at": self._expiry(TAGS_DAYS)},
            condition=f"{IS_NEW} OR looked_at <= :looked_at",
            values={"looked_at": tagged.at},
        )
        with suppress(ConditionFailed):
            self._table.write(f"note the tag of job {job.job_id}", put)

    def is_alerted(self, name: str) -> bool:
        """Return whether something is known to be wrong."""
        return "raised_at" in (self._table.get(ALERTS, name) or {})

    def raise_alert(self, name: str, *, at: float) -> bool:
        """Note that something is wrong; return whether that is news."""
        put = self._table.put(
            ALERTS,
            name,
            {"raised_at": at, "expires_at": self._expiry(ALERT_DAYS)},
            condition="attribute_not_exists(raised_at)",
        )
        return self._noted(f"raise alert {name}", put)

    def clear_alert(self, name: str) -> None:
        """Note that it is no longer wrong."""
        cleared = Change(sets={"expires_at": self._expiry(ENDED_DAYS)}, removes=("raised_at",))
        with suppress(ConditionFailed):
            self._table.write(f"clear alert {name}", self._table.change(ALERTS, name, cleared))

    # waiting

    def park(self, key: RolloutKey, park: Park) -> None:
        """Remember a waiting task token; raises Superseded if another generation owns it."""
        owned = Change(sets={"park": park_members(park)}, where={"generation": park.generation})
        try:
            self._table.write(f"park job {key.job_id}", self._state_change(key, owned))
        except ConditionFailed:
            self._owned(key, park.generation)
            raise

    def unpark(self, key: RolloutKey, token: str) -> None:
        """Forget a task token, if it is still the remembered one."""
        forgotten = Change(removes=("park",), where={"park.token": token})
        with suppress(ConditionFailed):
            self._table.write(f"unpark job {key.job_id}", self._state_change(key, forgotten))

    # what people look at

    def ended(self, *, limit: int) -> Sequence[RolloutKey]:
        """Return the rollouts that ended last, newest first."""
        return self._records.ended(limit=limit)

    def rollouts(self, keys: Sequence[RolloutKey]) -> dict[RolloutKey, Rollout]:
        """Return those of these rollouts that exist."""
        return self._records.rollouts(keys)

    def last_decisions(self, rollouts: Iterable[Rollout]) -> dict[RolloutKey, Decision]:
        """Return the last decision of each rollout that has one."""
        return self._records.last_decisions(rollouts)

    def points(self, key: RolloutKey, *, limit: int) -> Sequence[Point]:
        """Return the rollout's decisions in figures, oldest first; of too many, the newest."""
        return self._records.points(key, limit=limit)

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""
        return self._records.command(event_id)

    # underneath

    def _counted(self, key: RolloutKey, prefix: str) -> Counted:
        counts: Counter[CounterKey] = Counter()
        cells: Counter[CellKey] = Counter()
        vouched: Counter[VouchedKey] = Counter()
        for item in self._table.query(rollout_pk(key), prefix):
            bucket = bucket_of_sk(item["sk"]["S"]) if prefix == COUNTS else TOTALS_BUCKET
            for status, number in _statuses_of(item):
                counts[bucket, status] += number
                cells[bucket, status, UNJOINED] += number
            for status, cell, number in cell_counts_of(item):
                cells[bucket, status, cell] += number
                cells[bucket, status, UNJOINED] -= number
            for what, cell, number in vouched_of(item):
                vouched[bucket, what, cell] += number
        return Counted(Counts(_counting(counts)), _counting(cells), _counting(vouched))

    def _owned(self, key: RolloutKey, generation: int) -> Rollout:
        rollout = self.rollout(key)
        if rollout.generation != generation:
            message = (
                f"generation {generation} of job {key.job_id} was succeeded by {rollout.generation}"
            )
            raise Superseded(message)
        return rollout

    def _require_stored(self, key: RolloutKey, decision: Decision) -> None:
        """Raise Superseded unless this very decision is stored."""
        item = self._table.get(rollout_pk(key), decision_sk(decision.revision))
        if item is None:
            message = f"revision {decision.revision} of job {key.job_id} does not follow the last"
            raise Superseded(message)
        document = json.dumps(decision.to_document())
        if json.loads(decoded(item["document"])) != json.loads(document):
            message = f"revision {decision.revision} of job {key.job_id} says something else"
            raise Superseded(message)

    def _adjusted_at(self, rollout: Rollout) -> float:
        """Return when the policy was last adjusted, in epoch seconds; long ago if it never was."""
        item = self._table.get(rollout_pk(rollout.key), policy_sk(rollout.policy_version - 1))
        return -math.inf if item is None else float(decoded(item["replaced_at"]))

    def _expiry(self, days: int) -> int:
        """Return when something goes that is to be kept for so many days, in epoch seconds."""
        return int(self._clock.now()) + days * _DAY_SECONDS

    def _ended_put(self, rollout: Rollout) -> TransactWriteItemTypeDef:
        members = {**key_members(rollout.key), "expires_at": self._expiry(ENDED_LIST_DAYS)}
        place = ended_sk(rollout.key, rollout.ended_at or 0.0)
        return self._table.put(ENDED, place, members)

    def _off_the_list(self) -> Change:
        sets = {"ended": True, "expires_at": self._expiry(ENDED_DAYS)}
        return Change(sets=sets, creates=True)

    def _update_state(self, key: RolloutKey, change: Change) -> None:
        try:
            self._table.write(f"update job {key.job_id}", self._state_change(key, change))
        except ConditionFailed as error:
            raise _unknown(key) from error

    def _noted(self, operation: str, put: TransactWriteItemTypeDef) -> bool:
        """Write an item unless its condition keeps it out; return whether it is written."""
        try:
            self._table.write(operation, put)
        except ConditionFailed:
            return False
        return True

    def _state_change(self, key: RolloutKey, change: Change) -> TransactWriteItemTypeDef:
        """Return a change of the rollout, with the count of writes that ``claim`` compares."""
        versioned = replace(change, adds={**change.adds, "version": 1})
        return self._table.change(rollout_pk(key), STATE, versioned)

    def _active_change(self, key: RolloutKey, change: Change) -> TransactWriteItemTypeDef:
        return self._table.change(ACTIVE, rollout_pk(key), change)

    def _decision_writes(
        self, rollout: Rollout, decision: Decision
    ) -> Iterator[TransactWriteItemTypeDef]:
        """Yield what stores a decision, on condition that the rollout is as it was read."""
        key = rollout.key
        unread = Change(
            sets=_members_of(decided(rollout, decision), _DECIDED),
            where={"generation": rollout.generation, "revision": rollout.revision},
            where_any={"policy_version": rollout.policy_version},
        )
        yield self._state_change(key, unread)
        pk, revision = rollout_pk(key), decision.revision
        content, figures = decision_members(decision), point_members(point_of(decision))
        yield self._table.put(pk, decision_sk(revision), content, condition=IS_NEW)
        yield self._table.put(pk, point_sk(revision), figures)
        if rollout.ending is None:
            listed = active_members(reviewed(enlisted(rollout), decision, rollout.policy))
            del listed["healed_at"]  # which only healing changes
            yield self._active_change(key, Change(sets=listed, creates=True))

    def _signal_with(self, key: RolloutKey, operation: str, put: TransactWriteItemTypeDef) -> None:
        """Write an item and count a signal; only count it if something newer stands there."""
        signal = Change(adds={"signals": 1})
        try:
            self._table.write(operation, self._state_change(key, signal), put)
        except ConditionFailed as error:
            if 0 in error.actions:
                raise _unknown(key) from error
            self._update_state(key, signal)

    def _record_write(self, key: RolloutKey, change: Transition) -> TransactWriteItemTypeDef:
        """Return the write of a record in place of the one before; when it soaks, it keeps."""
        after = {**record_members(change.after), "expires_at": self._expiry(RECORD_DAYS)}
        before: dict[str, Any] = {"status": None}
        if change.before is not None:
            before = record_members(change.before)
        written = Change(
            sets=_known(after),
            removes=tuple(name for name in _known(before) if after[name] is None),
            where=_known(before),
            lacks=tuple(name for name, value in before.items() if value is None),
            creates=True,
        )
        return self._table.change(rollout_pk(key), thing_sk(change.thing_name), written)

    def _counter_moves(
        self, key: RolloutKey, moved: Moved, shard: int
    ) -> list[TransactWriteItemTypeDef]:
        places: dict[str, Counter[str]] = {}
        for (bucket, status), by in moved.counts.items():
            for sk in (count_sk(bucket, shard), total_sk(shard)):
                places.setdefault(sk, Counter())[status.value] += by
        for (bucket, status, cell), by in moved.cells.items():
            places.setdefault(count_sk(bucket, shard), Counter())[cell_counter(cell, status)] += by
        vouched_totals: Counter[str] = Counter()
        for (bucket, vouched, cell), by in moved.vouched.items():
            places.setdefault(count_sk(bucket, shard), Counter())[cell_counter(cell, vouched)] += by
            vouched_totals[cell_counter(UNJOINED, vouched)] += by
        # A device that is joined to its cell moves no total.
        if totals := _counting(vouched_totals):
            places.setdefault(total_sk(shard), Counter()).update(totals)
        return [
            self._table.change(rollout_pk(key), sk, Change(adds=moves, creates=True))
            for sk, moves in places.items()
        ]

    def _reason_moves(
        self, key: RolloutKey, moved: Mapping[ReasonKey, int], shard: int
    ) -> list[TransactWriteItemTypeDef]:
        places: dict[str, dict[str, int]] = {}
        for (reason, cell), by in moved.items():
            places.setdefault(reason, {})[reason_counter(cell)] = by
        return [
            self._table.change(
                rollout_pk(key),
                reason_sk(reason, shard),
                Change(sets_once={"text": reason}, adds=moves, creates=True),
            )
            for reason, moves in places.items()
        ]


def _members_of(rollout: Rollout, names: Iterable[str]) -> dict[str, Any]:
    """Return those of a rollout's members that it has."""
    members = rollout_members(rollout)
    return {name: members[name] for name in names if members[name] is not None}


def _known(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _statuses_of(item: Item) -> Iterator[tuple[ExecutionStatus, int]]:
    for status in ExecutionStatus:
        if status.value in item:
            yield status, decoded(item[status.value])


def _counting(counters: Mapping[_Key, int]) -> dict[_Key, int]:
    """Return the counters that count something."""
    return {key: number for key, number in counters.items() if number}


def _in_force(items: Iterable[Item]) -> list[Hold]:
    placed: list[Hold] = []
    lifted: dict[str, float] = {}
    for item in items:
        if "lifted_until" in item:
            lifted[decoded(item["kind"])] = decoded(item["lifted_until"])
        else:
            placed.append(hold_of(item))
    standing = [each for each in placed if each.since >= lifted.get(each.kind.value, each.since)]
    return sorted(standing, key=lambda each: (each.since, each.kind, each.by))


def _unknown(key: RolloutKey) -> NotFound:
    return NotFound(f"job {key.job_id} of {key.created_at} has no rollout")


def _no_decision(key: RolloutKey, revision: int) -> NotFound:
    return NotFound(f"job {key.job_id} has no decision {revision}")
