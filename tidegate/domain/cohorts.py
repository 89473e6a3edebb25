"""
Which devices a release is bad for: the tests of cohorts, and what to do about one that fails.

A cohort is tested by the same statistic as the whole, from its totals: the devices of it that have
started by now are a prefix of all. Many cohorts are many chances to be wrong, so the false-abort
risk set aside for them is shared out evenly among them. A cohort that fails where the others fare
well is set apart; where the others fail as well, the release is bad for all.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tidegate.domain.evidence import e_benjamini_hochberg, log_e_above, log_e_totals

#: Share of falsely named cohorts in what is shown to people as worth a look.
SHOWN_FALSELY = 0.05


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
        prefixes: Started and harmed again, for devices up to a start bucket each: of the newest
            buckets that have harmed devices at least. Devices in flight dilute the whole, but not
            the oldest.
    """

    started: int
    harmed: int
    prefixes: tuple[tuple[int, int], ...] = ()

    def log_e(self, tolerated_rate: float) -> float:
        """Return the largest log evidence, over prefixes, that the cohort fails too often."""
        return max(
            log_e_above(harmed, started, tolerated_rate)
            for started, harmed in ((self.started, self.harmed), *self.prefixes)
            if harmed > tolerated_rate * started or started == self.started
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


def suspects(
    tallies: Mapping[str, Tally],
    *,
    tolerated_rate: float,
    risk: float,
    risk_of_others: float,
    remedy: Remedy,
    apart: frozenset[str] = frozenset(),
) -> tuple[Suspect, ...]:
    """
    Return the cohorts that fail, worst first.

    Args:
        tallies: Of every cohort of one attribute; they partition the devices.
        tolerated_rate: Of each cohort.
        risk: False-abort risk to be spent on all of them together.
        risk_of_others: The same for what is left without each.
        remedy: For one that fails alone.
        apart: Cohorts set apart before; they stay so, and are not among the others.
    """
    if not tallies:
        return ()
    limit = limit_of_each(risk, len(tallies))
    log_es = {name: tally.log_e(tolerated_rate) for name, tally in tallies.items()}
    failing = [name for name in tallies if name in apart or log_es[name] >= limit]
    others = _sum(tally for name, tally in tallies.items() if name not in failing)
    log_e_of_others = log_e_totals(others.harmed, others.started, tolerated_rate)
    # Where all of them fail nobody is left who fares well.
    alone = others.started > 0 and log_e_of_others < limit_of_each(risk_of_others, len(tallies))
    found = [
        Suspect(
            cohort=name,
            started=tallies[name].started,
            harmed=tallies[name].harmed,
            log_e=log_es[name],
            limit=limit,
            log_e_of_others=log_e_of_others,
            log_e_concentrated=concentrated(tallies[name], _sum(tallies.values())),
            remedy=remedy if alone else Remedy.ABORT,
        )
        for name in failing
    ]
    return tuple(sorted(found, key=lambda each: -each.log_e))


def limit_of_each(risk: float, cohorts: int) -> float:
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
