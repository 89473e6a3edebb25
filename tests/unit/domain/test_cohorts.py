"""Which cohorts a release is bad for, and what is to be done about each."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tidegate.domain.cohorts import (
    Remedy,
    Suspect,
    Tally,
    choices_of,
    cohort_name,
    concentrated,
    limit_of_each,
    suspects,
    suspects_by_key,
    worth_a_look,
)
from tidegate.domain.evidence import log_e_above, log_e_totals

TOLERATED = 0.02
RISK, RISK_OF_OTHERS = 0.002, 0.001
FINE = Tally(900, 9)


def found(
    tallies: dict[str, Tally],
    *,
    remedy: Remedy = Remedy.QUARANTINE,
    apart: frozenset[str] = frozenset(),
    released: frozenset[str] = frozenset(),
) -> tuple[Suspect, ...]:
    """Return the cohorts that fail."""
    return suspects(
        tallies,
        tolerated_rate=TOLERATED,
        risk=RISK,
        risk_of_others=RISK_OF_OTHERS,
        remedy=remedy,
        apart=apart,
        released=released,
    )


def test_no_cohort_is_suspected_where_all_fare_well() -> None:
    """Nor is one where none is told apart."""
    assert found({}) == ()
    assert found({"north": FINE, "south": FINE}) == ()


@pytest.mark.parametrize("remedy", [Remedy.QUARANTINE, Remedy.HOLD])
def test_a_cohort_that_fails_alone_is_left_out_or_waits_for_people(remedy: Remedy) -> None:
    """What AWS can do about it depends on the job; the others are known to fare well."""
    (suspect,) = found({"north": FINE, "old": Tally(30, 10)}, remedy=remedy)

    assert suspect == Suspect(
        cohort="old",
        started=30,
        harmed=10,
        log_e=log_e_above(10, 30, TOLERATED),
        limit=limit_of_each(RISK, 2),
        log_e_of_others=log_e_totals(9, 900, TOLERATED),
        log_e_concentrated=log_e_above(10, 19, 30 / 930),
        remedy=remedy,
    )


def test_a_release_that_is_bad_for_the_others_too_is_stopped() -> None:
    """Setting a cohort apart would not help those that are left."""
    some = found({"old": Tally(40, 30), "new": Tally(30, 20), "fine": FINE})
    every = found({"old": Tally(40, 30), "new": Tally(30, 20), "none": Tally(0, 0)})

    assert [(each.cohort, each.remedy) for each in some] == [
        ("old", Remedy.QUARANTINE),
        ("new", Remedy.QUARANTINE),
    ]
    assert [(each.cohort, each.remedy) for each in every] == [
        ("old", Remedy.ABORT),
        ("new", Remedy.ABORT),
    ]


@pytest.mark.parametrize("others", [Tally(1, 0), Tally(2, 0), Tally(13, 5)])
def test_nearly_everyone_does_not_fail_alone(others: Tally) -> None:
    """A few others say nothing: who fails is most of the fleet, so the release is stopped."""
    (suspect, *_) = found({"common": Tally(84, 35), "rare": others})

    assert suspect.remedy is Remedy.ABORT


def test_a_rare_cohort_fails_alone_also_where_all_together_fail_by_it() -> None:
    """Its failures are far more than its share of devices: the others are not stopped for it."""
    (suspect,) = found({"common": Tally(80, 1), "rare": Tally(10, 9)})

    assert suspect.remedy is Remedy.QUARANTINE


def test_others_that_fail_a_little_each_are_bad_together() -> None:
    """None of them fails for itself, but all of them together do."""
    tallies = {f"line-{number}": Tally(100, 5) for number in range(8)}
    (suspect,) = found({"old": Tally(40, 20), **tallies})

    assert suspect.cohort == "old"
    assert suspect.log_e_of_others >= limit_of_each(RISK_OF_OTHERS, 9)
    assert suspect.remedy is Remedy.ABORT


def test_the_worst_comes_first() -> None:
    """People read the first line first."""
    tallies = {"bad": Tally(30, 8), "worst": Tally(30, 25), "fine": FINE, "worse": Tally(30, 15)}

    assert [each.cohort for each in found(tallies)] == ["worst", "worse", "bad"]


def test_a_cohort_set_apart_stays_so_and_is_none_of_the_others() -> None:
    """However its remaining devices fare; what it harmed is not held against those left."""
    tallies = {"old": Tally(5000, 40), "north": FINE, "south": FINE}
    (suspect,) = found(tallies, apart=frozenset({"old"}))

    assert suspect.log_e < suspect.limit
    assert suspect.remedy is Remedy.QUARANTINE
    assert suspect.log_e_of_others == log_e_totals(18, 1800, TOLERATED)


def test_once_those_left_fail_the_release_is_stopped() -> None:
    """A cohort set apart does not hide that the others have turned bad."""
    tallies = {"old": Tally(50, 40), "north": Tally(200, 12), "south": Tally(200, 12)}
    (suspect,) = found(tallies, apart=frozenset({"old"}))

    assert suspect.remedy is Remedy.ABORT


@pytest.mark.parametrize("cohorts", [2, 20])
def test_the_risk_is_shared_out_among_the_cohorts(cohorts: int) -> None:
    """Each of many is a chance to be wrong, so each must show more."""
    assert limit_of_each(0.01, cohorts) == pytest.approx(math.log(100 * cohorts))
    tallies = {f"line-{number}": FINE for number in range(cohorts - 1)}
    fewest = next(harmed for harmed in range(1, 50) if found({**tallies, "old": Tally(60, harmed)}))
    assert log_e_above(fewest, 60, TOLERATED) >= math.log(cohorts / RISK)
    assert log_e_above(fewest - 1, 60, TOLERATED) < math.log(cohorts / RISK)


def test_a_cohort_with_a_share_of_its_own_is_held_against_it() -> None:
    """Where it came up late, more is needed; the others without it are held against it too."""
    tallies = {"old": Tally(40, 20, share=1 / 64), "north": replace(FINE, share=1 / 16)}
    (suspect,) = found(tallies)

    assert suspect.limit == limit_of_each(RISK, 64)


def test_a_released_cohort_counts_with_the_others() -> None:
    """It is no suspect, however it fares; what it harms speaks against the release."""
    tallies = {"old": Tally(40, 20), "new": Tally(40, 20), "fine": FINE}

    assert found(tallies, released=frozenset({"old", "new"})) == ()
    (suspect,) = found(tallies, released=frozenset({"old"}))
    assert suspect.cohort == "new"
    assert suspect.log_e_of_others == log_e_totals(29, 940, TOLERATED)


@pytest.mark.parametrize("value", ["(unknown)", "(rest)"])
def test_who_cannot_be_kept_out_is_held_for(value: str) -> None:
    """Nobody knows which devices they are: people decide."""
    name = cohort_name("thing.type", value)
    (suspect,) = found({name: Tally(40, 20), "thing.type=pump": FINE})

    assert suspect.remedy is Remedy.HOLD


# Several keys


def found_by_key(
    tallies: dict[str, dict[str, Tally]],
    *,
    remedy: Remedy = Remedy.QUARANTINE,
    apart: frozenset[str] = frozenset(),
) -> list[tuple[str, Remedy]]:
    """Return the cohorts that fail, and what is done about them."""
    return [
        (each.cohort, each.remedy)
        for each in suspects_by_key(
            tallies,
            tolerated_rate=TOLERATED,
            risk=RISK,
            risk_of_others=RISK_OF_OTHERS,
            remedy=remedy,
            apart=apart,
        )
    ]


#: Old devices fail wherever they are.
REVISIONS = {"old": Tally(100, 60), "new": Tally(900, 9)}
REGIONS = {"north": Tally(500, 34), "south": Tally(500, 35)}


@pytest.mark.parametrize("remedy", [Remedy.QUARANTINE, Remedy.HOLD])
def test_a_cohort_that_fails_explains_what_is_seen_under_other_keys(remedy: Remedy) -> None:
    """All regions fail, for the old devices in them: that is no reason to stop the release."""
    tallies = {"region": REGIONS, "revision": REVISIONS}

    assert found_by_key({"region": REGIONS}) == [
        ("south", Remedy.ABORT),
        ("north", Remedy.ABORT),
    ]
    assert found_by_key(tallies, remedy=remedy) == [("old", remedy)]


def test_where_no_key_explains_it_the_release_is_stopped() -> None:
    """It is bad for all, whatever they are told apart by."""
    every = {"old": Tally(500, 40), "new": Tally(500, 42)}

    assert {remedy for _, remedy in found_by_key({"region": REGIONS, "revision": every})} == {
        Remedy.ABORT
    }


def test_one_key_at_a_time_sets_cohorts_apart() -> None:
    """Two names for the same devices: without them, nothing is left of the second."""
    models = {"valve": Tally(110, 59), "pump": Tally(890, 10)}
    tallies = {"model": models, "revision": REVISIONS}

    assert found_by_key(tallies) == [("old", Remedy.QUARANTINE)]
    # People who decide are told of both.
    assert found_by_key(tallies, remedy=Remedy.HOLD) == [
        ("old", Remedy.HOLD),
        ("valve", Remedy.HOLD),
    ]


def test_what_is_set_apart_stays_so_while_another_key_explains_the_rest() -> None:
    """The others of its key fail for a reason that is found under the other one."""
    revisions = {"old": Tally(100, 60), "new": Tally(900, 90)}
    regions = {"north": Tally(100, 85), "south": Tally(800, 5)}
    apart = frozenset({"old"})

    alone = found_by_key({"revision": revisions}, apart=apart)
    assert alone == [("old", Remedy.ABORT), ("new", Remedy.ABORT)]
    assert found_by_key({"revision": revisions, "region": regions}, apart=apart) == [
        ("north", Remedy.QUARANTINE),
        ("old", Remedy.QUARANTINE),
    ]


def test_keys_share_the_risk_before_cohorts_do() -> None:
    """A key under which all devices are alike has its part all the same."""
    (suspect,) = suspects_by_key(
        {"region": {}, "revision": REVISIONS},
        tolerated_rate=TOLERATED,
        risk=RISK,
        risk_of_others=RISK_OF_OTHERS,
        remedy=Remedy.HOLD,
    )

    assert suspect.limit == pytest.approx(limit_of_each(RISK, 2 * 2))
    assert found_by_key({}) == []


def test_each_way_of_choosing_who_is_left_takes_its_part() -> None:
    """As many as there are cohorts of all keys; more for one that came up late."""
    late = {**REVISIONS, "older": Tally(3, 3, share=1 / 64)}

    assert choices_of({"revision": REVISIONS}, {"old"}) == 2
    assert choices_of({"revision": REVISIONS, "region": REGIONS}, {"old"}) == 4
    assert choices_of({"revision": late}, {"old", "older"}) == 64
    assert choices_of({}, {"old"}) == 1


# Prefixes


def test_devices_in_flight_do_not_hide_those_that_failed_before_them() -> None:
    """A cohort is judged by its oldest devices too, up to each bucket that has harmed ones."""
    whole, oldest = Tally(2000, 12), Tally(2000, 12, prefixes=((60, 10), (300, 11)))

    assert whole.log_e(TOLERATED) < 0
    assert oldest.log_e(TOLERATED) == log_e_above(10, 60, TOLERATED)


def test_a_prefix_below_the_tolerated_rate_is_not_weighed() -> None:
    """It could only be evidence for the cohort; the whole always counts."""
    tally = Tally(100, 5, prefixes=((1000, 20), (100, 5)))

    assert tally.log_e(TOLERATED) == log_e_above(5, 100, TOLERATED)
    assert Tally(0, 0).log_e(TOLERATED) == pytest.approx(0, abs=1e-12)
    assert Tally(50, 0).log_e(TOLERATED) == log_e_above(0, 50, TOLERATED)


# Concentration


def test_failures_hit_a_cohort_more_than_its_share() -> None:
    """4 of 5 failures among a tenth of the devices speak for it, half of them less so."""
    everyone = Tally(1000, 5)
    most, half, none = (concentrated(Tally(100, harmed), everyone) for harmed in (4, 2, 0))

    assert most > half > none
    assert most == log_e_above(4, 5, 0.1)


@pytest.mark.parametrize("cohort", [Tally(0, 0), Tally(1000, 5)])
def test_nobody_and_everybody_have_no_share_to_exceed(cohort: Tally) -> None:
    """A cohort without devices, or the only one, is hit neither more nor less than others."""
    assert concentrated(cohort, Tally(1000, 5)) == 0
    assert concentrated(Tally(0, 0), Tally(0, 0)) == 0
    assert concentrated(Tally(1, 1), Tally(1, 1)) == 0


def test_cohorts_hit_more_than_others_are_shown() -> None:
    """People look at these first, sorted by name, long before any is set apart."""
    tallies = {"old": Tally(100, 9), "north": FINE, "east": Tally(80, 8), "south": FINE}

    assert worth_a_look(tallies) == ["east", "old"]
    assert worth_a_look({"north": FINE, "south": FINE}) == []
    assert worth_a_look({}) == []


# Chances


def false_suspects(runs: int, *, cohorts: int, minutes: int, devices: int) -> int:
    """Return in how many runs of a release at the tolerated rate a cohort was ever suspected."""
    chance, wrong = np.random.default_rng(7), 0
    sizes = chance.integers(1, devices, cohorts)
    for _ in range(runs):
        harmed = chance.binomial(sizes, 5 * TOLERATED, (minutes, cohorts)).cumsum(axis=0)
        for minute in range(minutes):
            tallies = {
                str(index): Tally(int(sizes[index]) * (minute + 1), int(harmed[minute, index]))
                for index in range(cohorts)
            }
            if suspects(
                tallies,
                tolerated_rate=5 * TOLERATED,
                risk=0.1,
                risk_of_others=0.05,
                remedy=Remedy.QUARANTINE,
            ):
                wrong += 1
                break
    return wrong


@pytest.mark.parametrize("runs", [150, pytest.param(10_000, marks=pytest.mark.prove)])
def test_cohorts_of_a_tolerable_release_are_rarely_suspected(runs: int) -> None:
    """However many cohorts there are and however often one looks, the risk holds for them all."""
    wrong = false_suspects(runs, cohorts=6, minutes=12, devices=9)

    assert wrong <= 0.1 * runs + 3 * math.sqrt(0.1 * 0.9 * runs)
