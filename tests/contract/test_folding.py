"""However reports arrive, the ledger ends with what the devices last said."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.contract.samples import KEY, enrolled, fill_in, fold_in
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import (
    REST_CELL,
    UNJOINED,
    UNPLACED,
    Sighting,
    ThingRecord,
    Vouched,
    deltas,
    fold,
    transitions,
)
from tidegate.errors import Contention
from tidegate.ports import CHANGES_MAX, TOTALS_BUCKET

#: A commit succeeds unless another one came between; in here, one comes between at most once.
COMMIT_ATTEMPTS = 2

sightings = st.builds(
    Sighting,
    thing_name=st.sampled_from(["a", "b", "c:d", "e"]),
    status=st.sampled_from(list(ExecutionStatus)),
    at=st.integers(0, 3),
    execution_number=st.integers(1, 2),
    bucket=st.sampled_from([UNPLACED, 0, 1, 30]),
    reason=st.sampled_from(["", "battery", "checksum"]),
)

#: Which cell each thing turns out to be in.
CELLS = {"a": 2, "b": 3, "c:d": 2, "e": REST_CELL}


vouched_values = st.sampled_from(list(Vouched))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Sighting], list[list[Sighting]]]:
    """Draw reports, and batches in which each arrives at least once, in any order."""
    sent = draw(st.lists(sightings, max_size=12))
    again = draw(st.lists(st.sampled_from(sent), max_size=6)) if sent else []
    arriving = draw(st.permutations([*sent, *again]))
    batches: list[list[Sighting]] = [[]]
    for each in arriving:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(each)
    return sent, batches


def commit(ledger: MemoryLedger, batch: list[Sighting], rival: list[Sighting]) -> None:
    """Fold a batch in, retrying once if a rival's commit came between reading and writing."""
    for _ in range(COMMIT_ATTEMPTS):
        changes = transitions(ledger.things(KEY, {each.thing_name for each in batch}), batch)
        rivals = transitions(ledger.things(KEY, {each.thing_name for each in rival}), rival)
        ledger.commit(KEY, rivals, deltas(rivals))
        try:
            ledger.commit(KEY, changes, deltas(changes))
        except Contention:
            continue
        return
    raise AssertionError


def look_into(ledger: MemoryLedger, names: set[str], vouched: Vouched) -> None:
    """Find out the cells of things, and what became of those of them that succeeded."""
    for name, record in ledger.things(KEY, names).items():
        fill_in(ledger, name, cell=CELLS[name])
        if record.status is ExecutionStatus.SUCCEEDED:
            fill_in(ledger, name, vouched=vouched)


@given(delivery=deliveries(), data=st.data())
def test_counts_are_those_of_each_things_latest_sighting(
    delivery: tuple[list[Sighting], list[list[Sighting]]], data: st.DataObject
) -> None:
    """Repeats, any order, any batching and rival writers lead to one record per thing."""
    sent, batches = delivery
    ledger = MemoryLedger()
    enrolled(ledger)

    for batch in batches:
        assert len(batch) <= CHANGES_MAX
        rival = data.draw(st.lists(st.sampled_from(sent), max_size=2)) if sent else []
        commit(ledger, batch, rival)

    latest: dict[str, ThingRecord] = {}
    for each in sent:
        latest[each.thing_name] = fold(latest.get(each.thing_name), each)
    counted = Counter((record.bucket, record.status) for record in latest.values())
    summed = Counter((TOTALS_BUCKET, record.status) for record in latest.values())
    assert ledger.things(KEY, latest) == latest
    assert ledger.counted(KEY).counts.by_bucket == counted
    assert ledger.totals(KEY).counts.by_bucket == summed


@given(delivery=deliveries(), data=st.data())
def test_what_is_counted_apart_is_what_the_records_say(
    delivery: tuple[list[Sighting], list[list[Sighting]]], data: st.DataObject
) -> None:
    """Cells, reasons and ends of soaks add up to the records, whenever they become known."""
    _, batches = delivery
    ledger = MemoryLedger()
    enrolled(ledger)

    for batch in batches:
        fold_in(ledger, batch)
        look_into(
            ledger, data.draw(st.sets(st.sampled_from(list(CELLS)))), data.draw(vouched_values)
        )

    records = ledger.things(KEY, CELLS).values()
    assert ledger.counted(KEY).cells == Counter((r.bucket, r.status, r.cell) for r in records)
    assert ledger.reasons(KEY) == Counter((r.reason, r.cell) for r in records if r.reason)
    assert ledger.counted(KEY).vouched == Counter(
        (r.bucket, r.vouched, r.cell) for r in records if r.vouched is not None
    )
    assert ledger.totals(KEY).vouched == Counter(
        (TOTALS_BUCKET, r.vouched, UNJOINED) for r in records if r.vouched is not None
    )
