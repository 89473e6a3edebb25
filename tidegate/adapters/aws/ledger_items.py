"""
The ledger's items: where each lies in the table, and how values become attributes and back.

One table, string keys ``pk`` and ``sk``:

=======================  ===============================  =======================================
pk                       sk                               what
=======================  ===============================  =======================================
``job#JOB``              ``current``                      creation second of the newest
same                     ``tags#CREATED``                 the policy that its tag names
``rollout#JOB#CREATED``  ``state``                        the rollout
same                     ``decision#00000001``            a decision, and what it came to
same                     ``point#00000001``               that decision in figures
same                     ``policy#00000001``              a policy before it was adjusted
same                     ``hold#KIND#WHO``                a hold
same                     ``hold#KIND``                    by whom and until when holds are lifted
same                     ``answer#QUESTION``              the answer to a question
same                     ``step#MS#REVISION#WHAT#CHECK``  a line of the timeline
same                     ``thing#NAME``                   a thing's latest sighting
same                     ``count#000001#SHARD``           things per status, of a bucket
same                     ``total#SHARD``                  the same over all buckets
same                     ``reason#CHECK#SHARD``           a reason for failing, and who gave it
same                     ``cell#002``                     the values that a cell stands for
same                     ``unjoined#SHARD``               things whose traits are not known yet
same                     ``soak#MS#NAME``                 a device to be looked at then
same                     ``soaked``                       how far that was looked through
same                     ``released#CHECK``               a cohort treated like all others again
``active``               ``rollout#JOB#CREATED``          a rollout that goes on
``ended``                ``MS#JOB#CREATED``               a rollout that ended then
``turns``                ``EXECUTION``                    a launch that had to wait
``alerts``               ``NAME``                         since when something is wrong
``command#ID``           ``result``                       what became of a command
``report#ID``            ``settled``                      that a report for a device is done with
``reports#JOB``          ``thing#NAME``                   when the latest of a thing was made
=======================  ===============================  =======================================

Counters lie in shards, so that commits of one rollout seldom meet in an item. Those of cells are
further attributes of a bucket's: ``c12_SUC`` counts the things of cell 12 that SUCCEEDED,
``v12_DAR`` those of them that went DARK afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from tidegate.domain.course import Answer, Course
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import UNJOINED, UNPLACED, ThingRecord, Vouched
from tidegate.domain.points import Point
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import (
    AbortRequest,
    Active,
    Bookmark,
    Ending,
    Hold,
    HoldKind,
    Lift,
    Listing,
    Park,
    Rollout,
    RolloutKey,
    Step,
    Tripwires,
)
from tidegate.domain.things import Connected
from tidegate.domain.turn import Phase, Turn
from tidegate.ports import CommandResult, Entry, Soaking, Tagged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = Mapping[str, AttributeValueTypeDef]

CURRENT = "current"
STATE = "state"
DECISIONS = "decision#"
POINTS = "point#"
HOLDS = "hold#"
ANSWERS = "answer#"
STEPS = "step#"
COUNTS = "count#"
TOTALS = "total#"
REASONS = "reason#"
CELLS = "cell#"
RELEASES = "released#"
SOAKED = "soaked"
SETTLED = "settled"
RESULT = "result"
ROLLOUTS = "rollout#"

#: Partitions of what concerns all rollouts.
ACTIVE = "active"
ENDED = "ended"
ALERTS = "alerts"
TURNS = "turns"


def job_pk(job_id: str) -> str:
    """Return the partition of what is kept of a job across its rollouts."""
    return f"job#{job_id}"


def rollout_pk(key: RolloutKey) -> str:
    """Return the partition of a rollout."""
    return f"{ROLLOUTS}{key.job_id}#{key.created_at}"


def tags_sk(key: RolloutKey) -> str:
    """Return where it is kept what the tag of a job, as it was created then, says."""
    return f"tags#{key.created_at}"


def decision_sk(revision: int) -> str:
    """Return where a decision lies; they sort by revision."""
    return f"{DECISIONS}{revision:08d}"


def point_sk(revision: int) -> str:
    """Return where a decision's figures lie; they sort by revision."""
    return f"{POINTS}{revision:08d}"


def policy_sk(version: int) -> str:
    """Return where a policy lies that was replaced by the next version; they sort by version."""
    return f"policy#{version:08d}"


def hold_sk(hold: Hold) -> str:
    """Return where a hold lies: one of each kind and owner."""
    return f"{lifted_sk(hold.kind)}#{hold.by}"


def lifted_sk(kind: HoldKind) -> str:
    """Return where it is kept by whom and until when holds of this kind are lifted."""
    return f"{HOLDS}{kind.value}"


def answer_sk(question_id: str) -> str:
    """Return where the answer to a question lies."""
    return f"{ANSWERS}{question_id}"


def step_sk(step: Step) -> str:
    """
    Return where a step lies; they sort by time, to the millisecond, and then by revision.

    The bus tells time in seconds: the check of the text tells apart what people did in the same.
    """
    check = zlib.crc32(step.text.encode())
    return f"{STEPS}{round(step.at * 1000):015d}#{step.revision:08d}#{step.what}#{check:08x}"


def thing_sk(name: str) -> str:
    """Return where a thing's record lies."""
    return f"thing#{name}"


def count_sk(bucket: int, shard: int) -> str:
    """Return where a bucket's counters lie; they sort by bucket, those without a start first."""
    return f"{COUNTS}{bucket - UNPLACED:06d}#{shard:02d}"


def bucket_of_sk(sk: str) -> int:
    """Return the bucket whose counters lie there."""
    return int(sk.split("#")[1]) + UNPLACED


def total_sk(shard: int) -> str:
    """Return where a shard's counters over all buckets lie."""
    return f"{TOTALS}{shard:02d}"


def reason_sk(reason: str, shard: int) -> str:
    """Return where a shard's counters of a reason lie."""
    return f"{REASONS}{_check_of(reason)}#{shard:02d}"


def cell_sk(cell: int) -> str:
    """Return where the values of a cell lie; they sort by cell."""
    return f"{CELLS}{cell:03d}"


def unjoined_sk(shard: int) -> str:
    """Return where a shard's things without traits lie."""
    return f"unjoined#{shard:02d}"


def soak_sk(milliseconds: int, thing_name: str) -> str:
    """Return where it is noted that a device is to be looked at then; they sort by time."""
    return f"{soaks_from(milliseconds)}#{thing_name}"


def soaks_from(milliseconds: int) -> str:
    """Return what lies right before the devices to be looked at from then on."""
    return f"soak#{milliseconds:015d}"


def soaks_until(milliseconds: int) -> str:
    """Return what lies right behind the devices to be looked at up to then, and at that moment."""
    return f"{soaks_from(milliseconds)}$"  # the next character after "#"


def release_sk(cohort: str) -> str:
    """Return where it lies that a cohort was released: its name may be longer than a key."""
    return f"{RELEASES}{_check_of(cohort)}"


def ended_sk(key: RolloutKey, ended_at: float) -> str:
    """Return where a rollout lies among those that ended; they sort by time."""
    return f"{round(ended_at * 1000):015d}#{key.job_id}#{key.created_at}"


def turn_sk(turn: Turn) -> str:
    """Return where a launch that had to wait lies: one of each execution, by its name."""
    return turn.execution_arn.rpartition(":")[2]


def turn_members(turn: Turn) -> dict[str, Any]:
    """Return such a launch as plain JSON; ``turn_of`` reads it back."""
    request = turn.given_up
    content = {
        "job_id": turn.job_id,
        "execution_arn": turn.execution_arn,
        "policy_name": turn.policy_name,
        "behind": turn.behind,
        "since": turn.since,
        "given_up": None if request is None else abort_request_members(request),
    }
    return {"content": json.dumps(content), "phase": turn.phase.value}


def turn_of(item: Item) -> Turn:
    """Return the launch that an item holds."""
    content, request = json.loads(decoded(item["content"])), None
    if content["given_up"] is not None:
        request = AbortRequest(**content["given_up"])
    return Turn(
        **{
            **content,
            "behind": tuple(content["behind"]),
            "phase": Phase(decoded(item["phase"])),
            "given_up": request,
        }
    )


def command_pk(event_id: str) -> str:
    """Return the partition of a command."""
    return f"command#{event_id}"


def report_pk(report_id: str) -> str:
    """Return the partition of a report for a device."""
    return f"report#{report_id}"


def reports_pk(job_id: str) -> str:
    """Return the partition of all reports on a job."""
    return f"reports#{job_id}"


def _check_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cell_counter(cell: int, what: ExecutionStatus | Vouched) -> str:
    """
    Return the attribute that counts a cell's things.

    A year's rollout has millions of them, so its name is short: the first three letters of each
    status are its own.
    """
    kind = "v" if isinstance(what, Vouched) else "c"
    return f"{kind}{cell}_{what.value[:3]}"


_CELL_COUNTER = re.compile(r"([cv])([0-9]+)_(.+)")
_STATUS_OF = {each.value[:3]: each for each in ExecutionStatus}
_VOUCHED_OF = {each.value[:3]: each for each in Vouched}


def cell_counts_of(item: Item) -> Iterator[tuple[ExecutionStatus, int, int]]:
    """Yield status, cell and number of each counter that is of a cell."""
    for kind, cell, what, number in _cell_counters(item):
        if kind == "c":
            yield _STATUS_OF[what], cell, number


def vouched_of(item: Item) -> Iterator[tuple[Vouched, int, int]]:
    """Yield what became of a cell's devices after their success: what, cell and number."""
    for kind, cell, what, number in _cell_counters(item):
        if kind == "v":
            yield _VOUCHED_OF[what], cell, number


def _cell_counters(item: Item) -> Iterator[tuple[str, int, str, int]]:
    for name, attribute in item.items():
        parts = _CELL_COUNTER.fullmatch(name)
        if parts is not None:
            yield parts[1], int(parts[2]), parts[3], decoded(attribute)


def reason_counter(cell: int) -> str:
    """Return the attribute that counts a cell's things that gave a reason."""
    return f"c{cell}"


def reason_counts_of(item: Item) -> Iterator[tuple[int, int]]:
    """Yield cell and number of those that gave a reason."""
    for name, attribute in item.items():
        if name[0] == "c" and name[1:].isdecimal():
            yield int(name[1:]), decoded(attribute)


def address(pk: str, sk: str) -> dict[str, AttributeValueTypeDef]:
    """Return an item's key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def encoded(value: object) -> AttributeValueTypeDef:
    """Return plain JSON, or a set of texts, as an attribute; None in a mapping is left out."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, dict):
        return {"M": encoded_members(value)}
    if isinstance(value, frozenset):
        return {"SS": sorted(value)}
    return {"S": str(value)}


def encoded_members(members: Mapping[str, object]) -> dict[str, AttributeValueTypeDef]:
    """Return the members that are not None as attributes."""
    return {name: encoded(value) for name, value in members.items() if value is not None}


def decoded(attribute: AttributeValueTypeDef) -> Any:  # noqa: ANN401 - plain JSON
    """Return an attribute's value; a number without fraction comes back as int."""
    if "N" in attribute:
        number = float(attribute["N"])
        return int(number) if number.is_integer() else number
    if "M" in attribute:
        return decoded_members(attribute["M"])
    if "SS" in attribute:
        return frozenset(attribute["SS"])
    return attribute["BOOL"] if "BOOL" in attribute else attribute["S"]


def decoded_members(item: Item) -> dict[str, Any]:
    """Return an item's attributes as values."""
    return {name: decoded(attribute) for name, attribute in item.items()}


def rollout_members(rollout: Rollout) -> dict[str, Any]:
    """Return a rollout as plain JSON; ``rollout_of`` reads it back."""
    return {
        "job_id": rollout.key.job_id,
        "created_at": rollout.key.created_at,
        "job_arn": rollout.job_arn,
        "policy": json.dumps(rollout.policy.to_compiled()),
        "generation": rollout.generation,
        "execution_arn": rollout.execution_arn,
        "enrolled_at": rollout.enrolled_at,
        "fleet_size": rollout.fleet_size,
        "revision": rollout.revision,
        "signals": rollout.signals,
        "upper_bound": rollout.upper_bound,
        "bound_from_signal": rollout.bound_from_signal,
        "memory": json.dumps(rollout.memory.to_document()),
        "course": json.dumps(rollout.course.to_document()),
        "policy_version": rollout.policy_version,
        "listing": listing_members(rollout.listing),
        "park": None if rollout.park is None else park_members(rollout.park),
        "abort_request": None
        if rollout.abort_request is None
        else abort_request_members(rollout.abort_request),
        "aborting": rollout.aborting,
        "overlaps": json.dumps([[each.job_id, each.created_at] for each in rollout.overlaps]),
        "rolls_back": rollout.rolls_back,
        "rolled_back_by": rollout.rolled_back_by,
        "connected": connected_members(rollout.connected),
        **bookmark_members(rollout.bookmarks),
        "ending": None if rollout.ending is None else rollout.ending.value,
        "ended_at": rollout.ended_at,
    }


def rollout_of(item: Item) -> Rollout:
    """Read what ``rollout_members`` wrote, of whatever age: what a rollout lacks has a default."""
    members = decoded_members(item)
    park, request = members.get("park"), members.get("abort_request")
    return Rollout(
        key=RolloutKey(members["job_id"], members["created_at"]),
        job_arn=members["job_arn"],
        policy=Policy.from_compiled(json.loads(members["policy"])),
        generation=members["generation"],
        execution_arn=members["execution_arn"],
        enrolled_at=float(members["enrolled_at"]),
        fleet_size=members.get("fleet_size"),
        revision=members["revision"],
        signals=members["signals"],
        upper_bound=float(members["upper_bound"]),
        bound_from_signal=members.get("bound_from_signal", 0),
        memory=Memory.from_document(json.loads(members["memory"]))
        if "memory" in members
        else Memory(),
        course=Course.from_document(json.loads(members["course"]))
        if "course" in members
        else Course(),
        policy_version=members.get("policy_version", 1),
        listing=Listing(
            seen_until=float(members["listing"]["seen_until"]),
            surplus=members["listing"]["surplus"],
            partial=members["listing"]["partial"],
            ended=members["listing"].get("ended", 0),
            ended_at_start=members["listing"].get("ended_at_start", 0),
            minutes_taken=tuple(json.loads(members["listing"].get("minutes_taken", "[]"))),
        ),
        park=None
        if park is None
        else Park(**{**park, "tripwires": Tripwires(**park["tripwires"])}),
        abort_request=None
        if request is None
        else AbortRequest(**{**request, "at": float(request["at"])}),
        aborting=members["aborting"],
        overlaps=tuple(RolloutKey(*each) for each in json.loads(members.get("overlaps", "[]"))),
        rolls_back=members.get("rolls_back"),
        rolled_back_by=members.get("rolled_back_by"),
        connected=Connected(
            highest=members.get("connected", {}).get("highest", 0),
            outage=members.get("connected", {}).get("outage"),
        ),
        bookmarks={
            status: _bookmark_of(members[name])
            for status in ExecutionStatus
            if (name := _bookmarked(status)) in members
        },
        ending=Ending(members["ending"]) if "ending" in members else None,
        ended_at=float(members["ended_at"]) if "ended_at" in members else None,
    )


def key_members(key: RolloutKey) -> dict[str, Any]:
    """Return a rollout's key as plain JSON."""
    return {"job_id": key.job_id, "created_at": key.created_at}


def key_of(item: Item) -> RolloutKey:
    """Read what ``key_members`` wrote."""
    return RolloutKey(decoded(item["job_id"]), decoded(item["created_at"]))


def decision_members(decision: Decision) -> dict[str, Any]:
    """Return a decision as plain JSON, with what is looked for apart."""
    return {
        "verdict": decision.verdict.value,
        "at": decision.at,
        "document": json.dumps(decision.to_document()),
    }


def decision_of(item: Item) -> Decision:
    """Read what ``decision_members`` wrote."""
    return Decision.from_document(json.loads(decoded(item["document"])))


def applied_of(item: Item) -> dict[str, Any] | None:
    """Return what applying the decision came to, None if it was not applied."""
    if "applied" not in item:
        return None
    result: dict[str, Any] = json.loads(decoded(item["applied"]))
    return result


def entry_of(item: Item) -> Entry:
    """Return a decision with what applying it came to."""
    return Entry(decision_of(item), applied_of(item))


def point_members(point: Point) -> dict[str, Any]:
    """Return a decision's figures as plain JSON; some of them may be infinite, which a text is."""
    return {"document": json.dumps(point.to_document())}


def point_from(item: Item) -> Point:
    """Read what ``point_members`` wrote."""
    return Point.from_document(json.loads(decoded(item["document"])))


def result_members(result: CommandResult) -> dict[str, Any]:
    """Return what became of a command as plain JSON."""
    return {"problem": result.problem, "remedy": result.remedy}


def result_of(item: Item) -> CommandResult:
    """Read what ``result_members`` wrote."""
    members = decoded_members(item)
    return CommandResult(members.get("problem"), members.get("remedy"))


def active_members(active: Active) -> dict[str, Any]:
    """Return what the list of active rollouts has of one, as plain JSON."""
    return {
        "job_id": active.key.job_id,
        "created_at": active.key.created_at,
        "review_by": active.review_by,
        "harmed_beyond": active.harmed_beyond,
        "heals": active.heals,
        "healed_at": active.healed_at,
    }


def active_of(item: Item) -> Active:
    """Read what ``active_members`` wrote, as far as it did."""
    members = decoded_members(item)
    return Active(
        key=RolloutKey(members["job_id"], members["created_at"]),
        review_by=float(members["review_by"]),
        harmed_beyond=float(members["harmed_beyond"]),
        heals=members["heals"],
        healed_at=float(members.get("healed_at", 0)),
    )


def listing_members(listing: Listing) -> dict[str, Any]:
    """Return how far executions were read, as plain JSON."""
    return {
        "seen_until": listing.seen_until,
        "surplus": listing.surplus,
        "partial": listing.partial,
        "ended": listing.ended,
        "ended_at_start": listing.ended_at_start,
        "minutes_taken": json.dumps(listing.minutes_taken),
    }


def bookmark_members(bookmarks: Mapping[ExecutionStatus, Bookmark]) -> dict[str, Any]:
    """Return where executions are read on, as plain JSON: a member for each status."""
    return {
        _bookmarked(status): {"token": each.token, "purpose": each.purpose, "since": each.since}
        for status, each in bookmarks.items()
    }


def _bookmarked(status: ExecutionStatus) -> str:
    return f"bookmark_{status.lower()}"


def _bookmark_of(members: Mapping[str, Any]) -> Bookmark:
    return Bookmark(members.get("token"), members["purpose"], float(members["since"]))


def connected_members(connected: Connected) -> dict[str, Any]:
    """Return how many things are connected, as plain JSON."""
    return {"highest": connected.highest, "outage": connected.outage}


def abort_request_members(request: AbortRequest) -> dict[str, Any]:
    """Return an abort request as plain JSON."""
    return {"by": request.by, "reason": request.reason, "at": request.at}


def park_members(park: Park) -> dict[str, Any]:
    """Return a parked token as plain JSON."""
    return {
        "token": park.token,
        "generation": park.generation,
        "revision": park.revision,
        "signals": park.signals,
        "tripwires": {"harmed": park.tripwires.harmed, "succeeded": park.tripwires.succeeded},
    }


def hold_members(hold: Hold) -> dict[str, Any]:
    """Return a hold as plain JSON."""
    return {
        "kind": hold.kind.value,
        "by": hold.by,
        "reason": hold.reason,
        "since": hold.since,
    }


def hold_of(item: Item) -> Hold:
    """Read what ``hold_members`` wrote."""
    members = decoded_members(item)
    return Hold(
        kind=HoldKind(members["kind"]),
        by=members["by"],
        reason=members["reason"],
        since=float(members["since"]),
    )


def lift_members(kind: HoldKind, lift: Lift) -> dict[str, Any]:
    """Return a lift of a kind of holds as plain JSON."""
    return {
        "kind": kind.value,
        "lifted_until": lift.at,
        "by": lift.by,
        "reason": lift.reason,
    }


def lift_of(item: Item) -> Lift:
    """Read what ``lift_members`` wrote; of lifts from before it was kept, nobody knows by whom."""
    members = decoded_members(item)
    return Lift(
        by=members.get("by", ""),
        reason=members.get("reason", ""),
        at=float(members["lifted_until"]),
    )


def answer_members(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain JSON."""
    return {
        "question_id": answer.question_id,
        "yes": answer.yes,
        "by": answer.by,
        "comment": answer.comment,
        "at": answer.at,
    }


def answer_of(item: Item) -> Answer:
    """Read what ``answer_members`` wrote."""
    members = decoded_members(item)
    return Answer(
        question_id=members["question_id"],
        yes=members["yes"],
        by=members["by"],
        comment=members["comment"],
        at=float(members["at"]),
    )


def step_members(step: Step) -> dict[str, Any]:
    """Return a step as plain JSON."""
    return {
        "at": step.at,
        "what": step.what,
        "text": step.text,
        "revision": step.revision,
        "sent": json.dumps(dict(step.sent)),
    }


def step_of(item: Item) -> Step:
    """Read what ``step_members`` wrote."""
    members = decoded_members(item)
    return Step(
        at=float(members["at"]),
        what=members["what"],
        text=members["text"],
        revision=members["revision"],
        sent=json.loads(members["sent"]),
    )


def tagged_members(job: RolloutKey, tagged: Tagged) -> dict[str, Any]:
    """Return what a job's tag says, as plain JSON."""
    return {
        "job_id": job.job_id,
        "created_at": job.created_at,
        "policy": tagged.policy,
        "looked_at": tagged.at,
    }


def tagged_of(item: Item) -> tuple[RolloutKey, Tagged]:
    """Read what ``tagged_members`` wrote."""
    members = decoded_members(item)
    key = RolloutKey(members["job_id"], members["created_at"])
    return key, Tagged(members.get("policy"), float(members["looked_at"]))


def soaking_members(soaking: Soaking) -> dict[str, Any]:
    """Return when a device is to be looked at, as plain JSON."""
    return {"thing_name": soaking.thing_name, "since": soaking.since, "until": soaking.until}


def soaking_of(item: Item) -> Soaking:
    """Read what ``soaking_members`` wrote."""
    members = decoded_members(item)
    return Soaking(members["thing_name"], float(members["since"]), float(members["until"]))


def release_members(cohort: str, *, by: str, reason: str, at: float) -> dict[str, Any]:
    """Return a cohort's release as plain JSON."""
    return {"cohort": cohort, "by": by, "reason": reason, "at": at}


def record_members(record: ThingRecord) -> dict[str, Any]:
    """Return a thing's record as plain JSON; what is not known of it is None."""
    return {
        "status": record.status.value,
        "at": record.at,
        "execution_number": record.execution_number,
        "bucket": record.bucket,
        "cell": record.cell or None,
        "reason": record.reason or None,
        "vouched": None if record.vouched is None else record.vouched.value,
    }


def record_of(item: Item) -> ThingRecord:
    """Read what ``record_members`` wrote."""
    members = decoded_members(item)
    return ThingRecord(
        status=ExecutionStatus(members["status"]),
        at=members["at"],
        execution_number=members["execution_number"],
        bucket=members["bucket"],
        cell=members.get("cell", UNJOINED),
        reason=members.get("reason", ""),
        vouched=Vouched(members["vouched"]) if "vouched" in members else None,
    )
