"""What things are told apart by, and the cohorts that their cells sum up to."""

import math

import pytest

from tests.unit.domain.examples import FAILED, IN_PROGRESS, SUCCEEDED, TIMED_OUT
from tidegate.domain.cells import (
    VALUE_LENGTH_MAX,
    Cells,
    counts_apart,
    needs_groups,
    needs_traits,
    share_of,
    tallies,
    values_of,
)
from tidegate.domain.cohorts import Tally
from tidegate.domain.evidence import log_e_above
from tidegate.domain.memory import OPEN_BUCKETS
from tidegate.domain.outcomes import LATE, REST_CELL, UNJOINED, UNPLACED, CellKey
from tidegate.domain.things import Traits

REVISION, MODEL = "thing.attributes.revision", "thing.type"
KEYS = (REVISION, MODEL)
CELLS = Cells(KEYS, {2: ("A", "pump"), 3: ("B", "pump"), 4: ("B", "valve")})
HARM = frozenset({FAILED, TIMED_OUT})


# Values


def test_a_thing_is_told_by_all_keys_in_their_order() -> None:
    """Attributes, type, groups sorted by name, and what the device itself reports."""
    keys = (REVISION, MODEL, "thing.groups", "statusDetails.region")
    traits = Traits({"revision": "B"}, "pump", frozenset({"south", "canary"}))

    assert values_of(keys, traits, {"region": "eu"}) == ("B", "pump", "canary,south", "eu")
    assert values_of(keys, Traits(), {}) == ("(none)",) * 4


def test_a_thing_waits_for_what_is_not_known_of_it_yet() -> None:
    """Traits must be read; what the device reports may come until its outcome."""
    reported = ("statusDetails.region",)

    assert values_of(KEYS, None, {}) is None
    assert values_of(reported, None, {}, is_over=False) is None
    assert values_of(reported, None, {"region": "eu"}, is_over=False) == ("eu",)
    assert values_of(reported, None, {}) == ("(none)",)
    assert values_of(KEYS, Traits(), {}, is_over=False) == ("(none)", "(none)")


def test_the_registry_is_asked_for_no_more_than_is_needed() -> None:
    """Groups cost a request each, and what devices report costs none."""
    assert not needs_traits(("statusDetails.region",))
    assert needs_traits(KEYS)
    assert needs_groups(("thing.groups", MODEL))
    assert not needs_groups(KEYS)


def test_long_values_stay_apart_although_they_are_cut() -> None:
    """Two that are alike for long are two cohorts still; the same one is the same."""
    one, other = ("x" * 400 + tail for tail in "ab")
    values = [values_of((MODEL,), Traits(thing_type=each), {}) for each in (one, other, one)]

    assert values[0] != values[1]
    assert values[0] == values[2]
    assert values[0] is not None
    assert len(values[0][0]) == VALUE_LENGTH_MAX
    assert values_of((MODEL,), Traits(thing_type="x" * VALUE_LENGTH_MAX), {}) == (
        "x" * VALUE_LENGTH_MAX,
    )


# Cohorts


def test_a_cell_is_of_one_cohort_for_each_key() -> None:
    """Also while nobody knows what it stands for, and where there was no room for it."""
    assert CELLS.cohorts_of(3) == (f"{REVISION}=B", f"{MODEL}=pump")
    assert CELLS.cohorts_of(UNJOINED) == (f"{REVISION}=(unknown)", f"{MODEL}=(unknown)")
    assert CELLS.cohorts_of(77) == CELLS.cohorts_of(UNJOINED)
    assert CELLS.cohorts_of(REST_CELL) == (f"{REVISION}=(rest)", f"{MODEL}=(rest)")


def test_cohorts_cover_all_their_cells() -> None:
    """Those of several keys may overlap; each cell is covered once."""
    assert CELLS.covering({f"{REVISION}=B"}) == {3, 4}
    assert CELLS.covering({f"{REVISION}=B", f"{MODEL}=pump"}) == {2, 3, 4}
    assert CELLS.covering({f"{MODEL}=(unknown)"}) == {UNJOINED}
    assert CELLS.covering(()) == frozenset()


def test_cohorts_are_sums_over_cells() -> None:
    """Of prompt devices that started: late ones and those without a place are weighed elsewhere."""
    counters: dict[CellKey, int] = {
        (0, SUCCEEDED, 2): 10,
        (0, FAILED, 3): 2,
        (1, IN_PROGRESS, 3): 5,
        (1, TIMED_OUT, 4): 1,
        (LATE, FAILED, 4): 9,
        (UNPLACED, FAILED, 4): 9,
    }
    found = tallies(CELLS, counters, HARM)

    assert {name: (each.started, each.harmed) for name, each in found[REVISION].items()} == {
        f"{REVISION}=A": (10, 0),
        f"{REVISION}=B": (8, 3),
    }
    assert found[MODEL][f"{MODEL}=pump"].prefixes == ((12, 2),)
    assert found[REVISION][f"{REVISION}=B"].prefixes == ((2, 2), (8, 3))


def test_prefixes_end_in_the_newest_buckets_only() -> None:
    """Older buckets were looked at when they were new."""
    counters: dict[CellKey, int] = {
        (0, FAILED, 2): 1,
        (1, FAILED, 2): 1,
        (OPEN_BUCKETS, SUCCEEDED, 3): 1,
    }
    found = tallies(CELLS, counters, HARM)

    assert found[REVISION][f"{REVISION}=A"] == Tally(2, 2, ((2, 2),), 0, share_of(2))


def test_where_all_are_alike_nothing_is_told() -> None:
    """The whole is weighed anyhow, but the key has its part of the risk."""
    assert tallies(CELLS, {(0, FAILED, 3): 5}, HARM) == {REVISION: {}, MODEL: {}}
    both: dict[CellKey, int] = {(0, FAILED, 3): 5, (0, FAILED, 4): 5}
    found = tallies(CELLS, both, HARM)
    assert found[REVISION] == {}
    assert list(found[MODEL]) == [f"{MODEL}=pump", f"{MODEL}=valve"]


def test_failures_that_are_joined_before_successes_prove_nothing() -> None:
    """Whoever is not told apart yet may be of the cohort: it counts as started, not as harmed."""
    counters: dict[CellKey, int] = {
        (0, FAILED, 2): 6,
        (0, SUCCEEDED, 3): 10,
        (0, IN_PROGRESS, UNJOINED): 900,
        (1, FAILED, UNJOINED): 4,
        (2, IN_PROGRESS, UNJOINED): 50,
    }
    tally = tallies(CELLS, counters, HARM)[REVISION][f"{REVISION}=A"]

    assert (tally.started, tally.harmed, tally.undecided) == (6, 6, 954)
    assert tally.prefixes == ((906, 6),)
    assert tally.log_e(0.02) == log_e_above(6, 960, 0.02) < log_e_above(6, 6, 0.02)
    unknown = tallies(CELLS, counters, HARM)[REVISION][f"{REVISION}=(unknown)"]
    assert (unknown.started, unknown.harmed, unknown.undecided) == (954, 4, 0)


def test_what_is_set_apart_is_in_no_other_cohort() -> None:
    """The pumps of revision B speak against B, and no longer against pumps."""
    counters: dict[CellKey, int] = {
        (0, SUCCEEDED, 2): 10,
        (0, FAILED, 3): 5,
        (0, SUCCEEDED, 4): 7,
    }
    found = tallies(CELLS, counters, HARM, apart={f"{REVISION}=B"})

    assert found[REVISION][f"{REVISION}=B"].harmed == 5
    assert found[REVISION][f"{REVISION}=A"].started == 10
    assert found[MODEL] == {}  # Nothing but pumps of revision A is left.
    assert counts_apart(CELLS, counters, {f"{REVISION}=B"}).by_bucket == {
        (0, FAILED): 5,
        (0, SUCCEEDED): 7,
    }


def test_counters_that_disagree_make_no_negative_devices() -> None:
    """They are read one after the other while devices move between them."""
    counters: dict[CellKey, int] = {
        (0, FAILED, UNJOINED): -3,
        (0, SUCCEEDED, 2): 5,
        (0, SUCCEEDED, 3): 5,
    }
    found = tallies(CELLS, counters, HARM)[REVISION]

    assert [each.undecided for each in found.values()] == [0, 0]
    assert f"{REVISION}=(unknown)" not in found


# Shares of the risk


def test_the_shares_of_all_cohorts_there_may_ever_be_are_the_whole() -> None:
    """However many come up later, the first are held against what was fixed before."""
    shares = [share_of(place) for place in range(10_000)]

    assert shares[0] == shares[7] == pytest.approx(1 / 16)
    assert shares == sorted(shares, reverse=True)
    assert 0.99 < math.fsum(shares) < 1
    # A hundred cohorts each have to show a few failures more than if it were known from the start.
    assert math.log(1 / shares[99]) - math.log(100) < 2.5


def test_a_cohort_keeps_its_share_as_others_come_up() -> None:
    """Cells are numbered as they come: the place of the first ones does not change."""
    later = Cells(KEYS, {**CELLS.values, 5: ("C", "pump"), 6: ("D", "pump")})
    counters: dict[CellKey, int] = {(0, SUCCEEDED, cell): 5 for cell in (2, 3, 4, 5, 6)}
    before, after = (tallies(each, counters, HARM)[REVISION] for each in (CELLS, later))

    assert before[f"{REVISION}=B"].share == after[f"{REVISION}=B"].share
