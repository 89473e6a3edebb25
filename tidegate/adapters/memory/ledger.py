"""The ledger in memory: the same conditions and the same refusals as the table's."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

from tidegate.adapters.memory.faults import Faults
from tidegate.domain.course import Answer, Course
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import (
    REST_CELL,
    UNJOINED,
    CellKey,
    CounterKey,
    Moved,
    ReasonKey,
    ThingRecord,
    Transition,
    VouchedKey,
)
from tidegate.domain.points import Point, point_of
from tidegate.domain.policy import Policy
from tidegate.domain.progress import (
    adjusted,
    concluded,
    decided,
    enlisted,
    is_unheard,
    reviewed,
)
from tidegate.domain.rollout import (
    AbortRequest,
    Active,
    Bookmark,
    Counted,
    Counts,
    Ending,
    Hold,
    HoldKind,
    Lift,
    Listing,
    Park,
    Rollout,
    RolloutKey,
    Step,
)
from tidegate.domain.things import Connected
from tidegate.domain.turn import Phase, Turn
from tidegate.errors import Contention, NotFound, Refused, Superseded
from tidegate.ports import (
    CELLS_MAX,
    CHANGES_MAX,
    TOTALS_BUCKET,
    UNJOINED_MAX,
    CommandResult,
    Entry,
    Soaking,
    Tagged,
)

_Key = TypeVar("_Key")

#: A step's place in its timeline: milliseconds, revision, what, text.
_StepPlace = tuple[int, int, str, str]


class MemoryLedger:
    """
    What the table would hold, as values; each method is atomic, across threads too.

    Documents go through JSON, so nothing comes back that a table could not have kept.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.faults = Faults()
        self._lock = Lock()
        self._current: dict[str, RolloutKey] = {}
        self._rollouts: dict[RolloutKey, Rollout] = {}
        self._active: dict[RolloutKey, Active] = {}
        self._policies: dict[RolloutKey, list[tuple[Policy, float]]] = {}
        self._decisions: dict[RolloutKey, dict[int, str]] = {}
        self._applied: dict[tuple[RolloutKey, int], str] = {}
        self._holds: dict[RolloutKey, dict[tuple[HoldKind, str], Hold]] = {}
        self._lifts: dict[RolloutKey, dict[HoldKind, Lift]] = {}
        self._answers: dict[RolloutKey, dict[str, Answer]] = {}
        self._things: dict[RolloutKey, dict[str, ThingRecord]] = {}
        self._counters: dict[RolloutKey, Counter[CounterKey]] = {}
        self._cell_counters: dict[RolloutKey, Counter[CellKey]] = {}
        self._vouched: dict[RolloutKey, Counter[VouchedKey]] = {}
        self._reasons: dict[RolloutKey, Counter[ReasonKey]] = {}
        self._cells: dict[RolloutKey, list[tuple[str, ...]]] = {}
        self._unjoined: dict[RolloutKey, set[str]] = {}
        self._soaking: dict[RolloutKey, dict[str, Soaking]] = {}
        self._released: dict[RolloutKey, set[str]] = {}
        self._settled: set[str] = set()
        self._reported_at: dict[tuple[str, str], float] = {}
        self._steps: dict[RolloutKey, dict[_StepPlace, Step]] = {}
        self._tagged: dict[RolloutKey, Tagged] = {}
        self._alerts: set[str] = set()
        self._commands: dict[str, CommandResult] = {}
        self._turns: dict[str, Turn] = {}

    # rollouts

    def current(self, job_ids: Iterable[str]) -> dict[str, Rollout]:
        """Return the newest rollout of each job that has one."""
        with self.faults.around("current"), self._lock:
            return {
                job_id: self._rollouts[self._current[job_id]]
                for job_id in job_ids
                if job_id in self._current
            }

    def rollout(self, key: RolloutKey) -> Rollout:
        """Return a rollout; raises NotFound."""
        with self.faults.around("rollout"), self._lock:
            return self._known(key)

    def claim(self, rollout: Rollout, *, previous: Rollout | None) -> None:
        """Make this rollout its job's current one; raises Contention."""
        with self.faults.around("claim"), self._lock:
            key = rollout.key
            standing = self._current.get(key.job_id, key)
            if self._rollouts.get(key) != previous or standing.created_at > key.created_at:
                message = f"the rollout of job {key.job_id} was claimed or changed meanwhile"
                raise Contention(message)
            self._current[key.job_id] = key
            self._rollouts[key] = rollout
            self._active.setdefault(key, enlisted(rollout))

    def active(self) -> Sequence[Active]:
        """Return all rollouts that have not ended, in no order."""
        with self.faults.around("active"), self._lock:
            return [
                each for key, each in self._active.items() if self._rollouts[key].ending is None
            ]

    def note_heal(self, key: RolloutKey, *, at: float) -> None:
        """Note that the rollout's workflow is started anew; raises NotFound."""
        with self.faults.around("note_heal"), self._lock:
            self._known(key)
            active = self._active[key]
            self._active[key] = replace(active, heals=active.heals + 1, healed_at=at)

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
        with self.faults.around("conclude"), self._lock:
            before = self._owned(key, generation)
            if is_unheard(before, signals):
                message = f"job {key.job_id} was asked for more meanwhile: review it again"
                raise Superseded(message)
            self._rollouts[key] = concluded(before, ending, at)

    def adjust(
        self,
        key: RolloutKey,
        policy: Policy,
        *,
        keeps_bound: bool,
        at: float,
        fleet_size: int | None = None,
    ) -> None:
        """Give the rollout another policy."""
        with self.faults.around("adjust"), self._lock:
            rollout = self._known(key)
            replaced = self._policies.setdefault(key, [])
            is_late = bool(replaced) and at < replaced[-1][1]
            if policy == rollout.policy or is_late:
                return
            replaced.append((rollout.policy, at))
            policy = Policy.from_compiled(json.loads(json.dumps(policy.to_compiled())))
            self._rollouts[key] = adjusted(
                rollout, policy, keeps_bound=keeps_bound, fleet_size=fleet_size
            )

    def link_rollback(self, key: RolloutKey, job_id: str) -> None:
        """Note which job undoes the rollout; the first one stays."""
        with self.faults.around("link_rollback"), self._lock:
            rollout = self._known(key)
            first = rollout.rolled_back_by or job_id
            self._rollouts[key] = replace(rollout, rolled_back_by=first)

    # decisions

    def store_decision(self, key: RolloutKey, decision: Decision, *, generation: int) -> None:
        """Store a decision and make it the rollout's last; raises Superseded."""
        with self.faults.around("store_decision"), self._lock:
            rollout = self._owned(key, generation)
            decisions = self._decisions.setdefault(key, {})
            document = json.dumps(decision.to_document())
            if decision.revision in decisions:
                if json.loads(decisions[decision.revision]) == json.loads(document):
                    return
                message = f"revision {decision.revision} of job {key.job_id} says something else"
                raise Superseded(message)
            if decision.revision != rollout.revision + 1:
                message = (
                    f"revision {decision.revision} of job {key.job_id} does not follow "
                    f"{rollout.revision}, the last one"
                )
                raise Superseded(message)
            decisions[decision.revision] = document
            self._active[key] = reviewed(self._active[key], decision, rollout.policy)
            self._rollouts[key] = replace(
                decided(rollout, decision),
                memory=Memory.from_document(json.loads(json.dumps(decision.memory.to_document()))),
                course=Course.from_document(json.loads(json.dumps(decision.course.to_document()))),
            )

    def decision(self, key: RolloutKey, revision: int) -> Decision:
        """Return a decision; raises NotFound."""
        with self.faults.around("decision"), self._lock:
            return self._decision(key, revision)

    def decisions(self, key: RolloutKey, *, limit: int) -> Sequence[Decision]:
        """Return the newest decisions, newest first."""
        with self.faults.around("decisions"), self._lock:
            revisions = sorted(self._decisions.get(key, {}), reverse=True)
            return [self._decision(key, each) for each in revisions[:limit]]

    def entry(self, key: RolloutKey, revision: int) -> Entry:
        """Return a decision with what applying it came to; raises NotFound."""
        with self.faults.around("entry"), self._lock:
            return self._entry(key, revision)

    def entries(self, key: RolloutKey, *, limit: int) -> Sequence[Entry]:
        """Return the newest decisions likewise, newest first."""
        with self.faults.around("entries"), self._lock:
            revisions = sorted(self._decisions.get(key, {}), reverse=True)
            return [self._entry(key, each) for each in revisions[:limit]]

    def mark_applied(
        self, key: RolloutKey, revision: int, *, at: float, result: Mapping[str, Any]
    ) -> None:
        """Note what applying a decision came to; the last note stays."""
        del at  # nobody asks for it
        with self.faults.around("mark_applied"), self._lock:
            self._decision(key, revision)
            self._applied[key, revision] = json.dumps(dict(result))

    def applied(self, key: RolloutKey, revision: int) -> Mapping[str, Any] | None:
        """Return what applying a decision came to, None if it was not applied."""
        with self.faults.around("applied"), self._lock:
            return self._note(key, revision)

    # launches that wait for their turn

    def turns(self) -> Sequence[Turn]:
        """Return all launches that had to wait and are not over, in no order."""
        with self.faults.around("turns"), self._lock:
            return [each for each in self._turns.values() if each.phase is not Phase.OVER]

    def write_turn(self, turn: Turn, *, previous: Turn | None) -> None:
        """Keep how a launch stands; raises Contention."""
        with self.faults.around("write_turn"), self._lock:
            standing = self._turns.get(turn.execution_arn)
            is_over = standing is not None and standing.phase is Phase.OVER
            if standing != previous and not (is_over and previous is None):
                message = f"the launch of job {turn.job_id} changed meanwhile"
                raise Contention(message)
            self._turns[turn.execution_arn] = turn

    # people's requests

    def holds(self, key: RolloutKey) -> Sequence[Hold]:
        """Return the holds in force, oldest first."""
        with self.faults.around("holds"), self._lock:
            return self._in_force(key)

    def place_hold(self, key: RolloutKey, hold: Hold) -> None:
        """Put a hold in force; an older one of the same kind and owner is replaced."""
        with self.faults.around("place_hold"), self._lock:
            self._signal(key)
            placed = self._holds.setdefault(key, {})
            standing = placed.get((hold.kind, hold.by), hold)
            if standing.since <= hold.since:
                placed[hold.kind, hold.by] = hold

    def lift_holds(self, key: RolloutKey, kind: HoldKind, lift: Lift) -> int:
        """Lift the holds of a kind placed before ``lift.at``; return how many."""
        with self.faults.around("lift_holds"), self._lock:
            self._signal(key)
            before = self._in_force(key)
            lifts = self._lifts.setdefault(key, {})
            if lifts.get(kind, lift).at <= lift.at:
                lifts[kind] = lift
            return len(before) - len(self._in_force(key))

    def lift(self, key: RolloutKey, kind: HoldKind) -> Lift | None:
        """Return the latest lift of that kind of hold, None if there was none."""
        with self.faults.around("lift"), self._lock:
            return self._lifts.get(key, {}).get(kind)

    def answers(self, key: RolloutKey) -> Sequence[Answer]:
        """Return all answers to the rollout's questions, oldest first."""
        with self.faults.around("answers"), self._lock:
            given = self._answers.get(key, {}).values()
            return sorted(given, key=lambda each: (each.at, each.question_id))

    def give_answer(self, key: RolloutKey, answer: Answer) -> Answer:
        """Note an answer, and count one signal; return the answer that stands: the first one."""
        with self.faults.around("give_answer"), self._lock:
            self._known(key)
            given = self._answers.setdefault(key, {})
            if answer.question_id not in given:
                given[answer.question_id] = answer
                self._signal(key)
            return given[answer.question_id]

    def signal(self, key: RolloutKey) -> None:
        """Count something else that a review must look at."""
        with self.faults.around("signal"), self._lock:
            self._signal(key)

    def request_abort(self, key: RolloutKey, request: AbortRequest) -> None:
        """Note that somebody wants the rollout stopped; the first request stays."""
        with self.faults.around("request_abort"), self._lock:
            self._signal(key)
            rollout = self._rollouts[key]
            self._rollouts[key] = replace(rollout, abort_request=rollout.abort_request or request)

    # what became of commands

    def note_command(self, event_id: str, result: CommandResult, *, at: float) -> bool:
        """Note what became of a command; the first note stays."""
        del at  # nobody asks for it
        with self.faults.around("note_command"), self._lock:
            is_first = event_id not in self._commands
            self._commands.setdefault(event_id, result)
            return is_first

    # outcomes

    def things(self, key: RolloutKey, names: Iterable[str]) -> dict[str, ThingRecord]:
        """Return the records of those things that have one."""
        with self.faults.around("things"), self._lock:
            records = self._things.get(key, {})
            return {name: records[name] for name in names if name in records}

    def commit(
        self,
        key: RolloutKey,
        changes: Sequence[Transition],
        moved: Moved,
    ) -> None:
        """Write changed records and move the counters with them; raises Contention."""
        with self.faults.around("commit"), self._lock:
            names = {change.thing_name for change in changes}
            if len(changes) > CHANGES_MAX or len(names) < len(changes):
                message = (
                    f"{len(changes)} changes of {len(names)} things in one commit, but it takes "
                    f"{CHANGES_MAX} of as many things: split them"
                )
                raise Refused(message)
            records = self._things.setdefault(key, {})
            if any(records.get(each.thing_name) != each.before for each in changes):
                message = f"things of job {key.job_id} were reported by somebody else meanwhile"
                raise Contention(message)
            records.update({each.thing_name: each.after for each in changes})
            _move(self._counters.setdefault(key, Counter()), moved.counts)
            _move(self._cell_counters.setdefault(key, Counter()), moved.cells)
            _move(self._vouched.setdefault(key, Counter()), moved.vouched)
            _move(self._reasons.setdefault(key, Counter()), moved.reasons)

    def counted(self, key: RolloutKey) -> Counted:
        """Return all counters of a rollout but those of reasons."""
        with self.faults.around("counted"), self._lock:
            counts = self._counters.get(key, Counter())
            cells = Counter(self._cell_counters.get(key, {}))
            for (bucket, status, _), number in self._cell_counters.get(key, {}).items():
                cells[bucket, status, UNJOINED] -= number
            for (bucket, status), number in counts.items():
                cells[bucket, status, UNJOINED] += number
            vouched = self._vouched.get(key, Counter())
            return Counted(Counts(_counting(counts)), _counting(cells), _counting(vouched))

    def reasons(self, key: RolloutKey) -> Mapping[ReasonKey, int]:
        """Return how many failed devices gave each reason, per cell."""
        with self.faults.around("reasons"), self._lock:
            return _counting(self._reasons.get(key, {}))

    def cells(self, key: RolloutKey) -> Mapping[int, tuple[str, ...]]:
        """Return the values that each cell stands for, in the order of the policy's keys."""
        with self.faults.around("cells"), self._lock:
            return dict(enumerate(self._cells.get(key, []), start=REST_CELL + 1))

    def cell_of(self, key: RolloutKey, values: tuple[str, ...]) -> int:
        """Return the cell of these values, a new one if there is none and room; else REST_CELL."""
        with self.faults.around("cell_of"), self._lock:
            cells = self._cells.setdefault(key, [])
            if values not in cells:
                if len(cells) >= CELLS_MAX:
                    return REST_CELL
                cells.append(values)
            return REST_CELL + 1 + cells.index(values)

    def unjoined(self, key: RolloutKey, *, limit: int) -> Sequence[str]:
        """Return things whose traits could not be read yet, in no order."""
        with self.faults.around("unjoined"), self._lock:
            return sorted(self._unjoined.get(key, ()))[: max(0, limit)]

    def note_unjoined(self, key: RolloutKey, names: Sequence[str], *, joined: bool) -> None:
        """Remember things whose traits could not be read, or that by now they were."""
        with self.faults.around("note_unjoined"), self._lock:
            noted = self._unjoined.setdefault(key, set())
            for name in names:
                if joined:
                    noted.discard(name)
                elif len(noted) < UNJOINED_MAX:
                    noted.add(name)

    def soaking(self, key: RolloutKey, *, until: float, limit: int) -> Sequence[Soaking]:
        """Return devices whose soak ends before ``until`` and is not settled, the oldest first."""
        with self.faults.around("soaking"), self._lock:
            records = self._things.get(key, {})
            due = [
                each
                for name, each in self._soaking.get(key, {}).items()
                if each.until < until and _soaks(records[name])
            ]
            return sorted(due, key=lambda each: (each.until, each.thing_name))[: max(0, limit)]

    def note_soaking(self, key: RolloutKey, soaking: Sequence[Soaking]) -> None:
        """Remember when the soak of devices ends; raises NotFound."""
        with self.faults.around("note_soaking"), self._lock:
            missing = {each.thing_name for each in soaking}.difference(self._things.get(key, {}))
            if missing:
                message = (
                    f"job {key.job_id} has no record of {len(missing)} things that are to soak, "
                    f"such as {min(missing)}: commit their success first"
                )
                raise NotFound(message)
            noted = self._soaking.setdefault(key, {})
            for each in soaking:
                if each.until >= noted.get(each.thing_name, each).until:
                    noted[each.thing_name] = each

    def note_connected(self, key: RolloutKey, connected: Connected) -> None:
        """Remember how many things of the account are connected; raises NotFound."""
        with self.faults.around("note_connected"), self._lock:
            rollout = self._known(key)
            self._rollouts[key] = replace(rollout, connected=connected)
            if (connected.outage is None) != (rollout.connected.outage is None):
                self._signal(key)

    def released(self, key: RolloutKey) -> frozenset[str]:
        """Return the cohorts that people have released."""
        with self.faults.around("released"), self._lock:
            return frozenset(self._released.get(key, ()))

    def release(self, key: RolloutKey, cohort: str, *, by: str, reason: str, at: float) -> None:
        """Note that people want a cohort treated like all others; again it changes nothing."""
        del by, reason, at  # nobody asks for them
        with self.faults.around("release"), self._lock:
            self._known(key)
            released = self._released.setdefault(key, set())
            if cohort not in released:
                released.add(cohort)
                self._signal(key)

    def totals(self, key: RolloutKey) -> Counted:
        """Return the counters summed over start buckets and cells."""
        with self.faults.around("totals"), self._lock:
            counts: Counter[CounterKey] = Counter()
            for (_, status), number in self._counters.get(key, {}).items():
                counts[TOTALS_BUCKET, status] += number
            vouched: Counter[VouchedKey] = Counter()
            for (_, what, _), number in self._vouched.get(key, {}).items():
                vouched[TOTALS_BUCKET, what, UNJOINED] += number
            cells = {(*place, UNJOINED): number for place, number in counts.items()}
            return Counted(Counts(_counting(counts)), _counting(cells), _counting(vouched))

    def note_bookmark(self, key: RolloutKey, status: ExecutionStatus, bookmark: Bookmark) -> None:
        """Remember where the executions in a status are read on; raises NotFound."""
        with self.faults.around("note_bookmark"), self._lock:
            rollout = self._known(key)
            bookmarks = {**rollout.bookmarks, status: bookmark}
            self._rollouts[key] = replace(rollout, bookmarks=bookmarks)

    def note_listing(self, key: RolloutKey, listing: Listing) -> None:
        """Remember how far the job's executions were read."""
        with self.faults.around("note_listing"), self._lock:
            self._rollouts[key] = replace(self._known(key), listing=listing)

    # reports for devices

    def settle_report(self, report_id: str, *, at: float) -> bool:
        """Note that a device's report is done with; False if it was before."""
        del at  # nobody asks for it
        with self.faults.around("settle_report"), self._lock:
            is_new = report_id not in self._settled
            self._settled.add(report_id)
            return is_new

    def is_settled(self, report_id: str) -> bool:
        """Return whether a device's report is done with."""
        with self.faults.around("is_settled"), self._lock:
            return report_id in self._settled

    def advance_reports(self, thing_name: str, job_id: str, *, at: float) -> bool:
        """Note when a thing's latest report on a job was made; False if a later one is known."""
        with self.faults.around("advance_reports"), self._lock:
            if self._reported_at.get((job_id, thing_name), at) > at:
                return False
            self._reported_at[job_id, thing_name] = at
            return True

    # the timeline

    def note_steps(self, key: RolloutKey, steps: Sequence[Step]) -> None:
        """Add to the rollout's timeline; the same step again changes nothing."""
        with self.faults.around("note_steps"), self._lock:
            timeline = self._steps.setdefault(key, {})
            for step in steps:
                place = (round(step.at * 1000), step.revision, step.what, step.text)
                timeline[place] = replace(step, sent=json.loads(json.dumps(dict(step.sent))))

    def steps(self, key: RolloutKey, *, limit: int) -> Sequence[Step]:
        """Return the timeline, oldest first; if it is longer than the limit, its newest part."""
        with self.faults.around("steps"), self._lock:
            timeline = self._steps.get(key, {})
            newest_first = sorted(timeline, reverse=True)[: max(0, limit)]
            return [timeline[place] for place in reversed(newest_first)]

    # what sweeping remembers

    def tagged(self, jobs: Iterable[RolloutKey]) -> dict[RolloutKey, Tagged]:
        """Return what is remembered of these jobs' tags; a job that was never seen is missing."""
        with self.faults.around("tagged"), self._lock:
            return {job: self._tagged[job] for job in jobs if job in self._tagged}

    def note_tagged(self, job: RolloutKey, tagged: Tagged) -> None:
        """Remember a job's tag; the latest look stays."""
        with self.faults.around("note_tagged"), self._lock:
            if self._tagged.get(job, tagged).at <= tagged.at:
                self._tagged[job] = tagged

    def is_alerted(self, name: str) -> bool:
        """Return whether something is known to be wrong."""
        with self.faults.around("is_alerted"), self._lock:
            return name in self._alerts

    def raise_alert(self, name: str, *, at: float) -> bool:
        """Note that something is wrong; return whether that is news."""
        del at  # nobody asks for it
        with self.faults.around("raise_alert"), self._lock:
            is_news = name not in self._alerts
            self._alerts.add(name)
            return is_news

    def clear_alert(self, name: str) -> None:
        """Note that it is no longer wrong."""
        with self.faults.around("clear_alert"), self._lock:
            self._alerts.discard(name)

    # waiting

    def park(self, key: RolloutKey, park: Park) -> None:
        """Remember a waiting task token; raises Superseded if another generation owns it."""
        with self.faults.around("park"), self._lock:
            self._rollouts[key] = replace(self._owned(key, park.generation), park=park)

    def unpark(self, key: RolloutKey, token: str) -> None:
        """Forget a task token, if it is still the remembered one."""
        with self.faults.around("unpark"), self._lock:
            rollout = self._rollouts.get(key)
            if rollout is not None and rollout.park is not None and rollout.park.token == token:
                self._rollouts[key] = replace(rollout, park=None)

    # what people look at

    def ended(self, *, limit: int) -> Sequence[RolloutKey]:
        """Return the rollouts that ended last, newest first."""
        with self.faults.around("ended"), self._lock:
            known = self._rollouts.values()
            ends = {each.key: each.ended_at for each in known if each.ended_at is not None}
            newest_first = sorted(ends, key=lambda key: (ends[key], key), reverse=True)
            return newest_first[: max(0, limit)]

    def rollouts(self, keys: Sequence[RolloutKey]) -> dict[RolloutKey, Rollout]:
        """Return those of these rollouts that exist."""
        with self.faults.around("rollouts"), self._lock:
            return {key: self._rollouts[key] for key in keys if key in self._rollouts}

    def last_decisions(self, rollouts: Iterable[Rollout]) -> dict[RolloutKey, Decision]:
        """Return the last decision of each rollout that has one."""
        with self.faults.around("last_decisions"), self._lock:
            return {
                each.key: self._decision(each.key, each.revision)
                for each in rollouts
                if each.revision in self._decisions.get(each.key, {})
            }

    def points(self, key: RolloutKey, *, limit: int) -> Sequence[Point]:
        """Return the rollout's decisions in figures, oldest first; of too many, the newest."""
        with self.faults.around("points"), self._lock:
            newest_first = sorted(self._decisions.get(key, {}), reverse=True)[: max(0, limit)]
            return [point_of(self._decision(key, each)) for each in reversed(newest_first)]

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""
        with self.faults.around("command"), self._lock:
            return self._commands.get(event_id)

    # under the lock

    def _known(self, key: RolloutKey) -> Rollout:
        if key not in self._rollouts:
            message = f"job {key.job_id} of {key.created_at} has no rollout"
            raise NotFound(message)
        return self._rollouts[key]

    def _owned(self, key: RolloutKey, generation: int) -> Rollout:
        rollout = self._known(key)
        if rollout.generation != generation:
            message = (
                f"generation {generation} of job {key.job_id} was succeeded by {rollout.generation}"
            )
            raise Superseded(message)
        return rollout

    def _decision(self, key: RolloutKey, revision: int) -> Decision:
        if revision not in self._decisions.get(key, {}):
            message = f"job {key.job_id} has no decision {revision}"
            raise NotFound(message)
        return Decision.from_document(json.loads(self._decisions[key][revision]))

    def _entry(self, key: RolloutKey, revision: int) -> Entry:
        return Entry(self._decision(key, revision), self._note(key, revision))

    def _note(self, key: RolloutKey, revision: int) -> dict[str, Any] | None:
        note = self._applied.get((key, revision))
        result: dict[str, Any] | None = None if note is None else json.loads(note)
        return result

    def _in_force(self, key: RolloutKey) -> list[Hold]:
        lifts = self._lifts.get(key, {})
        standing = [
            each
            for each in self._holds.get(key, {}).values()
            if each.kind not in lifts or each.since >= lifts[each.kind].at
        ]
        return sorted(standing, key=lambda each: (each.since, each.kind, each.by))

    def _signal(self, key: RolloutKey) -> None:
        rollout = self._known(key)
        self._rollouts[key] = replace(rollout, signals=rollout.signals + 1)


def _soaks(record: ThingRecord) -> bool:
    return record.status is ExecutionStatus.SUCCEEDED and record.vouched is None


def _move(counters: Counter[_Key], moved: Mapping[_Key, int]) -> None:
    for counter, by in moved.items():
        counters[counter] += by


def _counting(counters: Mapping[_Key, int]) -> dict[_Key, int]:
    """Return the counters that count something."""
    return {key: number for key, number in counters.items() if number}
