"""What every ledger remembers of single devices, in memory as in DynamoDB."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.samples import FRESH, KEY, NOW, by_name, enrolled, fill_in, fold_in, sighting
from tests.contract.tables import WRITERS, in_threads, overtake, table
from tidegate.adapters.aws import ledger_soaking, ledger_table
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import (
    REST_CELL,
    UNJOINED,
    ThingRecord,
    Transition,
    Vouched,
    deltas,
)
from tidegate.domain.things import Connected
from tidegate.errors import Contention, NotFound
from tidegate.ports import CELLS_MAX, TOTALS_BUCKET, UNJOINED_MAX, Soaking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tidegate.adapters.aws.ledger import DynamoLedger
    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.domain.outcomes import CellKey
    from tidegate.domain.rollout import RolloutKey
    from tidegate.ports import Ledger

#: The second rollout of the same job.
LATER = replace(KEY, created_at=KEY.created_at + 1)
COHORT = "thing.attributes.hardwareRevision=B"
BOTH_TABLES = pytest.mark.parametrize(
    "kind", ["moto", pytest.param("cloud", marks=pytest.mark.e2e)]
)


def plain(counts: Mapping[CellKey, int]) -> dict[tuple[int, str, int], int]:
    """Return counts of cells under plain names."""
    return {(bucket, status.value, cell): by for (bucket, status, cell), by in counts.items()}


# cells


def test_outcomes_are_counted_per_cell(ledger: Ledger) -> None:
    """Each thing counts in its cell, those without one apart; the counts of all stay the same."""
    enrolled(ledger)
    fold_in(
        ledger,
        [
            sighting("a", "FAILED", bucket=4),
            sighting("b", "FAILED", bucket=4),
            sighting("c", "IN_PROGRESS", bucket=-1),
            sighting("d", "TIMED_OUT", bucket=12_345),
            sighting("e", "SUCCEEDED", bucket=4),
        ],
    )
    before = ledger.counted(KEY).counts

    fill_in(ledger, "a", "d", cell=101)
    fill_in(ledger, "c", cell=REST_CELL)

    assert plain(ledger.counted(KEY).cells) == {
        (4, "FAILED", 101): 1,
        (4, "FAILED", UNJOINED): 1,
        (-1, "IN_PROGRESS", REST_CELL): 1,
        (12_345, "TIMED_OUT", 101): 1,
        (4, "SUCCEEDED", UNJOINED): 1,
    }
    assert ledger.counted(KEY).counts == before
    assert ledger.counted(LATER).cells == {}


@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_every_status_is_counted_per_cell(ledger: Ledger, status: ExecutionStatus) -> None:
    """No status of a cell is taken for another."""
    enrolled(ledger)
    fold_in(ledger, [sighting("a", status.value)])

    fill_in(ledger, "a", cell=7)

    assert ledger.counted(KEY).cells == {(0, status, 7): 1}


def test_a_thing_takes_its_cell_along(ledger: Ledger) -> None:
    """Whatever happens to a thing later is counted in its cell, and leaves no trace behind."""
    enrolled(ledger)
    fold_in(ledger, [sighting("a", "IN_PROGRESS", at=1, bucket=-1)])
    fill_in(ledger, "a", cell=3)

    fold_in(ledger, [sighting("a", "FAILED", at=2, bucket=7)])

    assert plain(ledger.counted(KEY).cells) == {(7, "FAILED", 3): 1}
    assert ledger.things(KEY, ["a"])["a"].cell == 3


KNOWN = ThingRecord(
    ExecutionStatus.FAILED, 1, 1, 1, cell=5, reason="battery low", vouched=Vouched.DARK
)


@pytest.mark.parametrize("stored", [KNOWN, replace(KNOWN, cell=0, reason="", vouched=None)])
@pytest.mark.parametrize(
    "changed",
    [
        {"cell": 0},
        {"cell": 6},
        {"reason": ""},
        {"reason": "checksum"},
        {"vouched": None},
        {"vouched": Vouched.PRESENT},
    ],
    ids=str,
)
def test_what_a_thing_is_belongs_to_the_condition(
    ledger: Ledger, stored: ThingRecord, changed: Mapping[str, Any]
) -> None:
    """Who read another cell, reason or end of the soak than is stored by now writes nothing."""
    enrolled(ledger)
    first = [Transition("a", None, stored)]
    ledger.commit(KEY, first, deltas(first))
    before = replace(stored, **changed)
    after = replace(before, status=ExecutionStatus.SUCCEEDED)
    changes = [Transition("a", before, after)]

    if before == stored:
        ledger.commit(KEY, changes, deltas(changes))
        assert ledger.things(KEY, ["a"]) == {"a": after}
        return
    with pytest.raises(Contention):
        ledger.commit(KEY, changes, deltas(changes))
    assert ledger.things(KEY, ["a"]) == {"a": stored}
    assert by_name(ledger.counted(KEY).counts.by_bucket) == {(1, "FAILED"): 1}


def test_reasons_are_counted_per_cell(ledger: Ledger) -> None:
    """A reason counts the things that gave it as their last word, where they belong by now."""
    enrolled(ledger)
    spoken = 'Zündung "links": 50 % '.ljust(80, "ß")
    fold_in(
        ledger,
        [
            sighting("a", "FAILED", reason=spoken),
            sighting("b", "FAILED", bucket=9, reason=spoken),
            sighting("c", "FAILED", reason="checksum"),
            sighting("d", "FAILED", reason="checksum"),
        ],
    )

    fill_in(ledger, "b", "c", cell=2)
    fold_in(ledger, [sighting("d", "SUCCEEDED", at=200)])

    assert ledger.reasons(KEY) == {(spoken, UNJOINED): 1, (spoken, 2): 1, ("checksum", 2): 1}
    assert ledger.things(KEY, ["b"])["b"].reason == spoken
    assert ledger.reasons(LATER) == {}


def test_what_became_of_devices_is_counted(ledger: Ledger) -> None:
    """A device that soaked counts per bucket and cell, until something newer is heard of it."""
    enrolled(ledger)
    fold_in(ledger, [sighting(name, "SUCCEEDED", bucket=6) for name in "abcd"])
    fill_in(ledger, "a", "d", cell=12)

    fill_in(ledger, "a", "b", vouched=Vouched.PRESENT)
    fill_in(ledger, "c", "d", vouched=Vouched.DARK)
    fold_in(ledger, [sighting("d", "QUEUED", number=2, at=200, bucket=-1)])

    assert ledger.counted(KEY).vouched == {
        (6, Vouched.PRESENT, 12): 1,
        (6, Vouched.PRESENT, UNJOINED): 1,
        (6, Vouched.DARK, UNJOINED): 1,
    }
    assert ledger.totals(KEY).vouched == {
        (TOTALS_BUCKET, Vouched.PRESENT, UNJOINED): 2,
        (TOTALS_BUCKET, Vouched.DARK, UNJOINED): 1,
    }
    assert ledger.things(KEY, ["c"])["c"].vouched is Vouched.DARK
    assert by_name(ledger.counted(KEY).counts.by_bucket) == {(6, "SUCCEEDED"): 3, (-1, "QUEUED"): 1}
    assert ledger.counted(LATER).vouched == ledger.totals(LATER).vouched == {}


def test_joining_a_device_moves_no_total(ledger: Ledger) -> None:
    """One that is joined to its cell after its soak counts there, and in the totals as before."""
    enrolled(ledger)
    fold_in(ledger, [sighting("a", "SUCCEEDED", bucket=6)])
    fill_in(ledger, "a", vouched=Vouched.DARK)

    fill_in(ledger, "a", cell=12)

    assert ledger.counted(KEY).vouched == {(6, Vouched.DARK, 12): 1}
    assert ledger.totals(KEY).vouched == {(TOTALS_BUCKET, Vouched.DARK, UNJOINED): 1}


def test_values_have_one_cell(ledger: Ledger) -> None:
    """The same values are the same cell, in their order, in each rollout for itself."""
    enrolled(ledger)
    asked = [("A", "eu"), ("eu", "A"), ("A", "eu"), ('ä#"1"', ""), ()]

    cells = [ledger.cell_of(KEY, each) for each in asked]

    first = REST_CELL + 1
    assert cells == [first, first + 1, first, first + 2, first + 3]
    assert ledger.cells(KEY) == dict(zip(cells, asked, strict=True))
    assert ledger.cell_of(LATER, ("eu", "A")) == first
    assert ledger.cells(replace(KEY, created_at=1)) == {}


def test_cells_end(ledger: Ledger) -> None:
    """Beyond the limit of cells all others are one, and those there are stay what they are."""
    enrolled(ledger)

    cells = [ledger.cell_of(KEY, (str(each),)) for each in range(CELLS_MAX + 2)]

    assert cells == [*range(REST_CELL + 1, REST_CELL + 1 + CELLS_MAX), REST_CELL, REST_CELL]
    assert len(ledger.cells(KEY)) == CELLS_MAX
    assert ledger.cell_of(KEY, ("7",)) == cells[7]


@BOTH_TABLES
def test_a_cell_made_meanwhile_is_found(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Of two that make cells at the same moment, both learn of the same ones."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    look = ledger._cells.known
    rivals: list[tuple[str, ...]] = [("A",), ("B",)]

    def look_and_be_overtaken(key: RolloutKey) -> Mapping[int, tuple[str, ...]]:
        seen = look(key)
        if rivals:
            values = rivals.pop(0)
            monkeypatch.setattr(ledger._cells, "known", look)
            ledger.cell_of(key, values)
            monkeypatch.setattr(ledger._cells, "known", look_and_be_overtaken)
        return seen

    monkeypatch.setattr(ledger._cells, "known", look_and_be_overtaken)

    assert ledger.cell_of(KEY, ("B",)) == 3
    assert ledger.cells(KEY) == {2: ("A",), 3: ("B",)}


def test_cells_made_at_the_same_moment_are_told_apart(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that make the same cells at once agree on them, whoever is first."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's writes are not safe across threads")
    said: list[dict[str, int]] = []

    def make(writer: int) -> None:
        values = [str((writer + each) % WRITERS) for each in range(WRITERS)]
        said.append({each: ledger.cell_of(KEY, (each,)) for each in values})

    in_threads(make)

    assert len(said) == WRITERS
    assert all(each == said[0] for each in said)
    assert sorted(said[0].values()) == [*range(2, 2 + WRITERS)]


# things whose traits are not known yet


def test_things_without_traits_are_remembered_until_they_are_joined(ledger: Ledger) -> None:
    """What could not be read waits, once however often it is noted, until it is read."""
    names = [f"line-4:{each}" for each in range(120)]

    ledger.note_unjoined(KEY, names, joined=False)
    ledger.note_unjoined(KEY, [*names[:3], *names[:3], "new"], joined=False)
    ledger.note_unjoined(KEY, [*names[:100], "never noted"], joined=True)

    assert sorted(ledger.unjoined(KEY, limit=1000)) == sorted([*names[100:], "new"])
    assert len(ledger.unjoined(KEY, limit=5)) == 5
    assert set(ledger.unjoined(KEY, limit=5)) <= {*names, "new"}
    assert list(ledger.unjoined(KEY, limit=0)) == []
    assert list(ledger.unjoined(LATER, limit=9)) == []


def test_a_thing_may_lack_traits_again(ledger: Ledger) -> None:
    """Where all were joined, the next one is remembered as the first was."""
    for joined in (True, False, True, False):
        ledger.note_unjoined(KEY, ["a"], joined=joined)
    ledger.note_unjoined(KEY, [], joined=False)

    assert list(ledger.unjoined(KEY, limit=9)) == ["a"]


def test_things_without_traits_are_remembered_up_to_a_limit(ledger: Ledger) -> None:
    """However many come, a bounded number is kept, nothing fails, and room that is made is used."""
    names = [f"{each:04d}-{'x' * 100}" for each in range(UNJOINED_MAX + 800)]

    ledger.note_unjoined(KEY, names, joined=False)
    kept = ledger.unjoined(KEY, limit=len(names))
    ledger.note_unjoined(KEY, kept, joined=True)
    ledger.note_unjoined(KEY, ["a"], joined=False)

    assert UNJOINED_MAX * 0.9 <= len(kept) <= UNJOINED_MAX
    assert set(kept) < set(names)
    assert list(ledger.unjoined(KEY, limit=9)) == ["a"]


# soaks


def soak(name: str, until: float, since: float = 100) -> Soaking:
    """Return a device that soaks."""
    return Soaking(name, since, until)


def succeeded(ledger: Ledger, *names: str, at: int = 100) -> None:
    """Let devices succeed."""
    for start in range(0, len(names), 10):
        chunk = names[start : start + 10]
        fold_in(ledger, [sighting(each, "SUCCEEDED", at=at) for each in chunk])


def due(ledger: Ledger, until: float, limit: int = 1000) -> list[str]:
    """Return the names of the devices whose soak ends before that."""
    return [each.thing_name for each in ledger.soaking(KEY, until=until, limit=limit)]


def test_devices_are_due_when_their_soak_ends(ledger: Ledger) -> None:
    """Those whose soak ended before a moment are there, the oldest first, as they were noted."""
    enrolled(ledger)
    succeeded(ledger, "a", "b:1", "c", "d")

    ledger.note_soaking(
        KEY, [soak("a", 500.75, 99.5), soak("b:1", 500.5), soak("c", 400), soak("d", 500.7501)]
    )

    assert list(ledger.soaking(KEY, until=500.75, limit=9)) == [soak("c", 400), soak("b:1", 500.5)]
    assert due(ledger, 500.75, limit=1) == ["c"]
    assert due(ledger, 500.75, limit=0) == []
    assert due(ledger, 400) == []
    assert list(ledger.soaking(KEY, until=501, limit=9))[2:] == [
        soak("a", 500.75, 99.5),
        soak("d", 500.7501),
    ]
    assert list(ledger.soaking(LATER, until=501, limit=9)) == []


def test_the_latest_end_of_a_soak_counts(ledger: Ledger) -> None:
    """A device is looked at again later, whatever is delivered twice or late of an earlier end."""
    enrolled(ledger)
    succeeded(ledger, "a", "b", "c")

    ledger.note_soaking(KEY, [soak("a", 500), soak("b", 500), soak("c", 500)])
    ledger.note_soaking(KEY, [soak("a", 600), soak("b", 700), soak("b", 650), soak("b", 700)])
    ledger.note_soaking(KEY, [soak("a", 500), soak("b", 600), soak("c", 500)])

    assert due(ledger, 550) == ["c"]
    assert list(ledger.soaking(KEY, until=999, limit=9)) == [
        soak("c", 500),
        soak("a", 600),
        soak("b", 700),
    ]


def test_a_soak_that_is_settled_is_over(ledger: Ledger) -> None:
    """A device comes again at each look until it is known what became of it."""
    enrolled(ledger)
    succeeded(ledger, "a", "b", "c", "d")
    ledger.note_soaking(KEY, [soak(name, 500 + index) for index, name in enumerate("abcd")])

    looks = [due(ledger, 510), due(ledger, 520)]
    fill_in(ledger, "b", vouched=Vouched.PRESENT)
    fill_in(ledger, "c", vouched=Vouched.DARK)
    fold_in(ledger, [sighting("d", "QUEUED", at=505, number=2)])

    assert looks == [[*"abcd"]] * 2
    assert due(ledger, 530) == ["a"]
    fill_in(ledger, "a", vouched=Vouched.PRESENT)
    assert due(ledger, 540) == due(ledger, 510) == []


def test_a_soak_outlasts_what_else_becomes_known(ledger: Ledger) -> None:
    """A device that is told its cell, or its start, soaks on till the same moment."""
    enrolled(ledger)
    succeeded(ledger, "a")
    ledger.note_soaking(KEY, [soak("a", 500)])
    ledger.note_soaking(KEY, [soak("a", 600)])

    fill_in(ledger, "a", cell=4)
    fold_in(ledger, [sighting("a", "SUCCEEDED", bucket=-1)])

    assert (due(ledger, 550), due(ledger, 650)) == ([], ["a"])


def test_a_device_that_succeeds_again_soaks_again(ledger: Ledger) -> None:
    """What became of a device after an earlier execution settles nothing of the next."""
    enrolled(ledger)
    succeeded(ledger, "a")
    ledger.note_soaking(KEY, [soak("a", 500)])
    fill_in(ledger, "a", vouched=Vouched.PRESENT)
    first = due(ledger, 600)

    fold_in(ledger, [sighting("a", "SUCCEEDED", at=700, number=2)])
    ledger.note_soaking(KEY, [soak("a", 1100, 700)])

    assert (first, due(ledger, 900), due(ledger, 1200)) == ([], [], ["a"])


def test_a_device_noted_late_is_found(ledger: Ledger) -> None:
    """A success that is heard of long after its soak ended is looked at next."""
    enrolled(ledger)
    succeeded(ledger, "a", "b", "c")
    ledger.note_soaking(KEY, [soak("a", 500)])
    fill_in(ledger, "a", vouched=Vouched.PRESENT)
    nothing = due(ledger, 900)

    ledger.note_soaking(KEY, [soak("b", 300)])
    ledger.note_soaking(KEY, [soak("c", 899.9995)])

    assert (nothing, due(ledger, 900), due(ledger, 1000)) == ([], ["b", "c"], ["b", "c"])
    fill_in(ledger, "b", vouched=Vouched.PRESENT)
    assert due(ledger, 1000) == ["c"]


def test_only_what_succeeded_soaks(ledger: Ledger) -> None:
    """Where one of several devices has no record none is noted, in words that name it."""
    enrolled(ledger)
    succeeded(ledger, "a")

    with pytest.raises(NotFound, match="ghost"):
        ledger.note_soaking(KEY, [soak("a", 500), soak("ghost", 500)])
    ledger.note_soaking(KEY, [])

    assert due(ledger, 600) == []


def test_many_devices_soak(ledger: Ledger) -> None:
    """Looking at some at a time reaches all, in order, each once where each look settles them."""
    enrolled(ledger)
    names = [f"t{each:02d}" for each in range(45)]
    succeeded(ledger, *names)
    ledger.note_soaking(KEY, [soak(name, 500 + index / 8) for index, name in enumerate(names)])

    seen: list[str] = []
    for look in range(8):
        found = due(ledger, 600 + look, limit=6)
        seen += found
        fill_in(ledger, *found, vouched=Vouched.PRESENT)

    assert seen == names


@BOTH_TABLES
def test_a_look_ends_and_the_next_goes_on(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is settled is gone through in bounded steps, even where all lies at one moment."""
    monkeypatch.setattr(ledger_soaking, "POINTERS_MAX", 4)
    for module in (ledger_soaking, ledger_table):
        monkeypatch.setattr(module, "BATCH_KEYS_MAX", 3)
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    names = [f"t{each}" for each in range(10)]
    succeeded(ledger, *names, "last")
    assert due(ledger, 800) == []
    ledger.note_soaking(KEY, [soak(name, 500) for name in names])  # late, all at one place
    ledger.note_soaking(KEY, [soak("last", 850)])
    fill_in(ledger, *names, vouched=Vouched.PRESENT)

    looks = [due(ledger, 900 + look) for look in range(4)]

    assert looks == [[], [], [], ["last"]]


def during(
    monkeypatch: pytest.MonkeyPatch, ledger: DynamoLedger, name: str, act: Callable[[], object]
) -> None:
    """Act once right before, and once right after, the ledger's next reading of that kind."""
    read = getattr(ledger._table, name)

    def read_and_be_overtaken(*args: Any, **options: Any) -> Iterator[Item]:  # noqa: ANN401 - passed on
        monkeypatch.setattr(ledger._table, name, read)
        act()
        seen: Sequence[Item] = list(read(*args, **options))
        act()
        return iter(seen)

    monkeypatch.setattr(ledger._table, name, read_and_be_overtaken)


@BOTH_TABLES
def test_a_device_noted_during_a_look_is_not_lost(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Whoever notes a device while others look, before or after they read, has it looked at."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    names = ["early", "late"]
    succeeded(ledger, *names)
    left = [*names]
    during(
        monkeypatch,
        ledger,
        "between",
        lambda: ledger.note_soaking(KEY, [soak(left.pop(0), 500)]),
    )

    first = due(ledger, 800)

    assert left == []
    assert first == ["early"]
    assert due(ledger, 900) == names


@BOTH_TABLES
@pytest.mark.parametrize("before", [[], [300.0]], ids=["new", "noted"])
@pytest.mark.parametrize("rival", [400.0, 700.0])
def test_a_device_noted_for_another_end_meanwhile_keeps_the_later(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    before: Sequence[float],
    rival: float,
) -> None:
    """Of two that note a device at the same moment, the later end stands."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    succeeded(ledger, "a")
    ledger.note_soaking(KEY, [soak("a", each) for each in before])
    noted = iter([[], [soak("a", rival)]])  # nothing before the other reads, this after it
    during(monkeypatch, ledger, "get_all", lambda: ledger.note_soaking(KEY, next(noted)))

    ledger.note_soaking(KEY, [soak("a", 500)])

    assert next(noted, None) is None
    assert [each.until for each in ledger.soaking(KEY, until=999, limit=9)] == [max(rival, 500)]


def test_soaks_are_looked_at_in_any_order_of_events(ledger: Ledger) -> None:
    """Whatever is noted, settled and looked at when, what is due is what plain reckoning says."""
    enrolled(ledger)
    chance = random.Random(11)
    names = [f"t{each}" for each in range(12)]
    succeeded(ledger, *names)
    ends: dict[str, float] = {}

    for now in range(100, 130):
        chosen = chance.sample(names, 2)
        noted = [soak(name, now + chance.choice([-30.5, -1, 0, 2, 9.25])) for name in chosen]
        ledger.note_soaking(KEY, noted)
        for each in noted:
            ends[each.thing_name] = max(each.until, ends.get(each.thing_name, 0))
        found = due(ledger, now, limit=99)
        assert sorted(found) == sorted(name for name, until in ends.items() if until < now)
        if found and now % 3 == 0:
            fill_in(ledger, found[0], vouched=Vouched.PRESENT)
            fold_in(ledger, [sighting(found[0], "SUCCEEDED", at=now, number=now)])
            ledger.note_soaking(KEY, [soak(found[0], now + 40)])
            ends[found[0]] = now + 40


# connections


def test_an_outage_is_a_signal(ledger: Ledger) -> None:
    """How many are connected is remembered; only the beginning and the end of an outage wake."""
    enrolled(ledger)
    looks = [
        Connected(900),
        Connected(1000),
        Connected(1000, "400 are gone"),
        Connected(1000, "500 are gone"),
        Connected(1000, "500 are gone"),
        Connected(1000),
    ]

    signals = []
    for look in looks:
        ledger.note_connected(KEY, look)
        assert ledger.rollout(KEY).connected == look
        signals.append(ledger.rollout(KEY).signals)

    assert signals == [0, 0, 1, 1, 1, 2]


@BOTH_TABLES
def test_a_look_at_connections_keeps_what_was_written_meanwhile(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An outage that others noted between reading and writing is no signal twice."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    enrolled(ledger)
    outage = Connected(1000, "400 are gone")
    overtake(ledger, lambda ledger: ledger.note_connected(KEY, outage), monkeypatch)

    ledger.note_connected(KEY, replace(outage, outage="500 are gone"))

    rollout = ledger.rollout(KEY)
    assert rollout == replace(FRESH, signals=1, connected=Connected(1000, "500 are gone"))


# cohorts that people release


def test_a_cohort_is_released_once(ledger: Ledger) -> None:
    """Released cohorts are known by name; each is one signal, however often it is asked for."""
    enrolled(ledger)
    other = "thing.groups=" + ",".join(f"group-{each}" for each in range(300))

    for cohort in (COHORT, other, COHORT):
        ledger.release(KEY, cohort, by="release-desk", reason="known battery", at=NOW)

    assert ledger.released(KEY) == {COHORT, other}
    assert ledger.rollout(KEY).signals == 2
    assert ledger.released(LATER) == frozenset()


def test_a_cohort_released_at_the_same_moment_is_one_signal(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that release the same cohort at once all succeed, and it counts once."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's transactions are not safe across threads")
    enrolled(ledger)

    def release(writer: int) -> None:
        for _ in range(50):
            with suppress(Contention):
                ledger.release(KEY, COHORT, by=f"desk-{writer}", reason="known", at=NOW)
                break

    in_threads(release)

    assert ledger.released(KEY) == {COHORT}
    assert ledger.rollout(KEY).signals == 1


# reports for devices


def test_a_report_is_settled_once(ledger: Ledger) -> None:
    """Of all deliveries of a report, one is the first."""
    before = ledger.is_settled("6a7e8feb-b491")

    firsts = [ledger.settle_report("6a7e8feb-b491", at=NOW + each) for each in range(3)]

    assert (before, firsts) == (False, [True, False, False])
    assert ledger.is_settled("6a7e8feb-b491")
    assert not ledger.is_settled("other")
    assert ledger.settle_report("other", at=NOW)


def test_a_report_settled_at_the_same_moment_is_settled_by_one(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that settle one report at once agree on who was first."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's writes are not safe across threads")
    firsts: list[bool] = []

    in_threads(lambda writer: firsts.append(ledger.settle_report("one", at=NOW + writer)))

    assert sorted(firsts) == [False] * (WRITERS - 1) + [True]


def test_reports_only_advance(ledger: Ledger) -> None:
    """A report older than the latest of that thing on that job is told so; the same is not."""
    times = [NOW, NOW + 0.5, NOW, NOW + 0.5, NOW + 9]

    advanced = [ledger.advance_reports("gateway:1", "firmware-7", at=each) for each in times]

    assert advanced == [True, True, False, True, True]
    assert ledger.advance_reports("gateway:2", "firmware-7", at=1)
    assert ledger.advance_reports("gateway:1", "firmware-8", at=1)
    assert not ledger.advance_reports("gateway:1", "firmware-7", at=NOW + 1)
