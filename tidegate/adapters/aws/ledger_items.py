"""
The ledger's items: where each lies in the table, and how values become attributes and back.

One table, string keys ``pk`` and ``sk``:

====================================  =============================  ==============================
pk                                    sk                             what
====================================  =============================  ==============================
``job#JOB``                           ``current``                    creation second of the newest
``rollout#JOB#CREATED``               ``state``                      the rollout
same                                  ``decision#00000001``          a decision, and what it came to
same                                  ``hold#KIND#WHO``              a hold
same                                  ``hold#KIND``                  until when holds are lifted
same                                  ``thing#NAME``                 a thing's latest sighting
same                                  ``count#000001#SHARD``         things per status, of a bucket
same                                  ``total#SHARD``                the same over all buckets
====================================  =============================  ==============================

Counters lie in shards, so that commits of one rollout seldom meet in an item.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import UNPLACED, ThingRecord
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import (
    AbortRequest,
    Ending,
    Hold,
    HoldKind,
    Listing,
    Park,
    Rollout,
    RolloutKey,
    Tripwires,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = Mapping[str, AttributeValueTypeDef]

CURRENT = "current"
STATE = "state"
DECISIONS = "decision#"
HOLDS = "hold#"
COUNTS = "count#"
TOTALS = "total#"


def job_pk(job_id: str) -> str:
    """Return the partition of what is kept of a job across its rollouts."""
    return f"job#{job_id}"


def rollout_pk(key: RolloutKey) -> str:
    """Return the partition of a rollout."""
    return f"rollout#{key.job_id}#{key.created_at}"


def decision_sk(revision: int) -> str:
    """Return where a decision lies; they sort by revision."""
    return f"{DECISIONS}{revision:08d}"


def hold_sk(hold: Hold) -> str:
    """Return where a hold lies: one of each kind and owner."""
    return f"{lifted_sk(hold.kind)}#{hold.by}"


def lifted_sk(kind: HoldKind) -> str:
    """Return where it is kept until when holds of this kind are lifted."""
    return f"{HOLDS}{kind.value}"


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


def address(pk: str, sk: str) -> dict[str, AttributeValueTypeDef]:
    """Return an item's key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def encoded(value: object) -> AttributeValueTypeDef:
    """Return a value of plain JSON as an attribute; None within a mapping is left out."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, dict):
        return {"M": encoded_members(value)}
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
        "memory": json.dumps(rollout.memory.to_document()),
        "listing": listing_members(rollout.listing),
        "park": None if rollout.park is None else park_members(rollout.park),
        "abort_request": None
        if rollout.abort_request is None
        else abort_request_members(rollout.abort_request),
        "aborting": rollout.aborting,
        "ending": None if rollout.ending is None else rollout.ending.value,
    }


def rollout_of(item: Item) -> Rollout:
    """Read what ``rollout_members`` wrote."""
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
        memory=Memory.from_document(json.loads(members["memory"]))
        if "memory" in members
        else Memory(),
        listing=Listing(
            seen_until=float(members["listing"]["seen_until"]),
            surplus=members["listing"]["surplus"],
            partial=members["listing"]["partial"],
            ended=members["listing"].get("ended", 0),
            ended_at_start=members["listing"].get("ended_at_start", 0),
        ),
        park=None
        if park is None
        else Park(**{**park, "tripwires": Tripwires(**park["tripwires"])}),
        abort_request=None
        if request is None
        else AbortRequest(**{**request, "at": float(request["at"])}),
        aborting=members["aborting"],
        ending=Ending(members["ending"]) if "ending" in members else None,
    )


def listing_members(listing: Listing) -> dict[str, Any]:
    """Return how far executions were read, as plain JSON."""
    return {
        "seen_until": listing.seen_until,
        "surplus": listing.surplus,
        "partial": listing.partial,
        "ended": listing.ended,
        "ended_at_start": listing.ended_at_start,
    }


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


def record_members(record: ThingRecord) -> dict[str, Any]:
    """Return a thing's record as plain JSON."""
    return {
        "status": record.status.value,
        "at": record.at,
        "execution_number": record.execution_number,
        "bucket": record.bucket,
    }


def record_of(item: Item) -> ThingRecord:
    """Read what ``record_members`` wrote."""
    members = decoded_members(item)
    return ThingRecord(
        status=ExecutionStatus(members["status"]),
        at=members["at"],
        execution_number=members["execution_number"],
        bucket=members["bucket"],
    )
