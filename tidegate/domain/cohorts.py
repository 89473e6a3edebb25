"""
Which devices a release is bad for: the tests of cohorts, and what to do about one that fails.

A cohort is tested by the same statistic as the whole, from its totals: the devices of it that have
started by now are a prefix of all. Many cohorts are many chances to be wrong, so the false-abort
risk set aside for them is shared out evenly among them. A cohort that fails where the others fare
well is set apart; where the others fail as well, the release is bad for all.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tidegate.domain.evidence import e_benjamini_hochberg, log_e_above, log_e_totals

#: Share of falsely named cohorts in what is shown to people as worth a look.
SHOWN_FALSELY = 0.05

#: The values of things of which nobody knows yet what they are, and of those too rare to be told.
UNKNOWN = "(unknown)"
REST = "(rest)"


class Remedy(StrEnum):
    """What to do about a cohort that fails."""

    #: No more of its devices get the job; the others go on.
    QUARANTINE = "quarantine"
    #: AWS cannot leave it out of this job: nobody goes on until people decide.
    HOLD = "hold"
    #: The others fail as well.
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Devices of a cohort that started soon after they were notified.

    Attributes:
        started: All of them.
        harmed: The harmed of them.
        prefixes: Started, undecided ones included, and harmed again, for devices up to a start
            bucket each: of the newest buckets that have harmed devices at least. Devices in flight
            dilute the whole, but not the oldest.
        undecided: Devices that started and may be of it or of another cohort.
        share: Of the risk that all cohorts of its key have, to be spent on it; None: an even one.
    """

    started: int
    harmed: int
    prefixes: tuple[tuple[int, int], ...] = ()
    undecided: int = 0
    share: float | None = None

    @property
    def looks(self) -> tuple[tuple[int, int], ...]:
        """Started and harmed, as they are tested: all devices first, then up to each bucket."""
        return ((self.started + self.undecided, self.harmed), *self.prefixes)

    def log_e(self, tolerated_rate: float) -> float:
        """Return the largest log evidence, over prefixes, that the cohort fails too often."""
        whole, *parts = self.looks
        return max(
            log_e_above(harmed, started, tolerated_rate)
            for started, harmed in (
                whole,
                *(each for each in parts if each[1] > tolerated_rate * each[0]),
            )
        )


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    A cohort for which the release is bad.

    Attributes:
        log_e: Evidence that its failure rate is above the tolerated one (natural log).
        limit: The log evidence that it reached.
        log_e_of_others: The same evidence about all devices outside it.
        log_e_concentrated: Evidence that failures hit it more than its share of devices.
    """

    cohort: str
    started: int
    harmed: int
    log_e: float
    limit: float
    log_e_of_others: float
    log_e_concentrated: float
    remedy: Remedy


def cohort_name(key: str, value: str) -> str:
    """Return the name of the cohort of the devices that have this value under a key."""
    return f"{key}={value}"


def is_told(cohort: str) -> bool:
    """Whether it is of devices of which it is known what they are."""
    return not cohort.endswith(cohort_name("", UNKNOWN))


def can_be_left_out(cohort: str) -> bool:
    """Whether it is known of each device if it is of the cohort, so that it can be kept out."""
    return not cohort.endswith((cohort_name("", UNKNOWN), cohort_name("", REST)))


def suspects(
    tallies: Mapping[str, Tally],
    *,
    tolerated_rate: float,
    risk: float,
    risk_of_others: float,
    remedy: Remedy,
    apart: frozenset[str] = frozenset(),
    released: frozenset[str] = frozenset(),
) -> tuple[Suspect, ...]:
    """
    Return the cohorts that fail, worst first.

    Args:
        tallies: Of every cohort of one key; they partition the devices.
        tolerated_rate: Of each cohort.
        risk: False-abort risk to be spent on all of them together.
        risk_of_others: The same for what is left without each.
        remedy: For one that fails alone.
        apart: Cohorts set apart before; they stay so, and are not among the others.
        released: Cohorts that people want treated like all others: they are no suspects.
    """
    if not tallies:
        return ()
    limits = {name: _limit_of(name, tallies, risk) for name in tallies}
    log_es = {name: tally.log_e(tolerated_rate) for name, tally in tallies.items()}
    failing = [
        name
        for name in tallies
        if name in apart or (log_es[name] >= limits[name] and name not in released)
    ]
    others = _sum(tally for name, tally in tallies.items() if name not in failing)
    log_e_of_others = log_e_totals(others.harmed, others.started, tolerated_rate)
    # Where all of them fail nobody is left who fares well.
    alone = (
        others.started > 0
        and all(log_e_of_others < _limit_of(name, tallies, risk_of_others) for name in failing)
        and not _is_bad_for_all(others, _sum(tallies.values()), tolerated_rate, risk_of_others)
    )
    found = [
        Suspect(
            cohort=name,
            started=tallies[name].started,
            harmed=tallies[name].harmed,
            log_e=log_es[name],
            limit=limits[name],
            log_e_of_others=log_e_of_others,
            log_e_concentrated=concentrated(tallies[name], _sum(tallies.values())),
            remedy=_remedy(name, remedy) if alone else Remedy.ABORT,
        )
        for name in failing
    ]
    return _worst_first(found)


def suspects_by_key(
    tallies: Mapping[str, Mapping[str, Tally]],
    *,
    tolerated_rate: float,
    risk: float,
    risk_of_others: float,
    remedy: Remedy,
    apart: frozenset[str] = frozenset(),
    released: frozenset[str] = frozenset(),
) -> tuple[Suspect, ...]:
    """
    Return the cohorts that fail, whatever they are told apart by; the risk is shared among keys.

    The cohorts of one key cut through those of another: devices that fail by their hardware fail in
    every region. So the cohort that fails most clearly, while all others fare well, explains what
    is seen under other keys, until it is left out and the rest is looked at without it.

    Args:
        tallies: By key; devices of cohorts set apart are among no other cohorts'.
        tolerated_rate: As for ``suspects``, like all others.
        risk: For all keys together.
        risk_of_others: For all keys together.
        remedy: For one that fails alone.
        apart: Cohorts set apart before.
        released: Cohorts that are no suspects.
    """
    found = [
        suspects(
            cohorts,
            tolerated_rate=tolerated_rate,
            risk=risk / len(tallies),
            risk_of_others=risk_of_others / len(tallies),
            remedy=remedy,
            apart=apart,
            released=released,
        )
        for cohorts in tallies.values()
    ]
    alone = [
        each
        for of_key in found
        for each in of_key
        if each.remedy is not Remedy.ABORT and each.cohort not in apart
    ]
    if not alone:
        return _worst_first(each for of_key in found for each in of_key)
    clearest = max(
        alone, key=lambda each: (each.remedy is Remedy.QUARANTINE, each.log_e - each.limit)
    )
    explained = (
        suspect
        for of_key in found
        for suspect in (of_key if clearest in of_key else _besides(of_key, clearest, apart, remedy))
    )
    return _worst_first(explained)


def _is_bad_for_all(others: Tally, everyone: Tally, tolerated_rate: float, risk: float) -> bool:
    """
    Whether all together fail, and nothing shows that those outside the failing cohorts fare better.

    Others so few that none of them can have failed yet do not make a cohort fail alone: the cohort
    may be nearly everyone.
    """
    if log_e_totals(everyone.harmed, everyone.started, tolerated_rate) < -math.log(risk):
        return False
    failing = Tally(everyone.started - others.started, everyone.harmed - others.harmed)
    return concentrated(failing, everyone) < -math.log(SHOWN_FALSELY)


def _besides(
    of_key: Iterable[Suspect], clearest: Suspect, apart: frozenset[str], remedy: Remedy
) -> Iterator[Suspect]:
    """Yield what stands under another key beside the cohort that explains what is seen there."""
    for each in of_key:
        if each.cohort in apart:
            yield replace(each, remedy=remedy)
        elif each.remedy is clearest.remedy is Remedy.HOLD:
            yield each


def _remedy(cohort: str, remedy: Remedy) -> Remedy:
    if remedy is Remedy.QUARANTINE and not can_be_left_out(cohort):
        return Remedy.HOLD
    return remedy


def _worst_first(found: Iterable[Suspect]) -> tuple[Suspect, ...]:
    return tuple(sorted(found, key=lambda each: -each.log_e))


def share_in(tallies: Mapping[str, Tally], cohort: str) -> float:
    """Return the share of the risk of all cohorts of a key that is spent on one of them."""
    share = tallies[cohort].share
    return 1 / len(tallies) if share is None else share


def choices_of(tallies: Mapping[str, Mapping[str, Tally]], apart: Iterable[str]) -> float:
    """Return among how many ways of setting cohorts apart, evenly likely, one was chosen."""
    shares = [
        share_in(cohorts, name) for cohorts in tallies.values() for name in apart if name in cohorts
    ]
    return len(tallies) / min(shares) if shares else 1.0


def _limit_of(cohort: str, tallies: Mapping[str, Tally], risk: float) -> float:
    return -math.log(risk * share_in(tallies, cohort))


def limit_of_each(risk: float, cohorts: float) -> float:
    """Return the log evidence at which one of so many cohorts, or the rest without it, fails."""
    return -math.log(risk / cohorts)


def concentrated(cohort: Tally, everyone: Tally) -> float:
    """Return the log evidence that a cohort has more of the failures than of the devices."""
    share = cohort.started / max(1, everyone.started)
    if not 0 < share < 1:
        return 0.0
    return log_e_above(cohort.harmed, everyone.harmed, share)


def worth_a_look(tallies: Mapping[str, Tally]) -> list[str]:
    """Return the cohorts that seem to have more than their share of failures, to show people."""
    everyone, names = _sum(tallies.values()), sorted(tallies)
    log_es: Sequence[float] = [concentrated(tallies[name], everyone) for name in names]
    return [names[index] for index in e_benjamini_hochberg(log_es, SHOWN_FALSELY)]


def _sum(tallies: Iterable[Tally]) -> Tally:
    started = harmed = 0
    for tally in tallies:
        started, harmed = started + tally.started, harmed + tally.harmed
    return Tally(started, harmed)
