"""What the comparison found, as figures per cell: summed up from trials, kept as compact JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plan import Cell
from benchmarks.speed import Speed
from tidegate.lab.summary import PERCENTILE, mean, median
from tidegate.lab.trial import Trial

#: Digits that are kept of a figure.
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of a cell's trials; minutes are medians over the trials in which it happened.

    Attributes:
        runs: Trials.
        harmed: Devices harmed, mean; those of the part that fails more where there is one.
        harmed_error: Standard error of that mean; None if unknown.
        harmed_p95: 95th percentile of the same.
        harmed_in_all: Devices harmed in the whole fleet, mean.
        exposed: Devices notified, mean.
        stopped: Trials that were stopped.
        apart: Trials in which a cohort was set apart.
        harmed_until_apart: Of ``harmed``, those that had started by then, mean; None if none was.
        harmed_until_apart_p95: 95th percentile of the same.
        finished: Trials in which all of the fleet was notified.
        neither: Trials that were neither stopped nor finished in the time they were given.
        minutes_to_stop: None if none was stopped; the same holds for the others.
        minutes_to_finish: Until all of the fleet was notified.
        minutes_to_acceptance: Until the rule held the release to be acceptable.
        minutes_to_95: Until 95 % of the devices that can start had succeeded.
    """

    runs: int
    harmed: float
    harmed_error: float | None
    harmed_p95: float
    harmed_in_all: float
    exposed: float
    stopped: int
    apart: int
    harmed_until_apart: float | None
    harmed_until_apart_p95: float | None
    finished: int
    neither: int
    minutes_to_stop: float | None
    minutes_to_finish: float | None
    minutes_to_acceptance: float | None
    minutes_to_95: float | None

    @property
    def stopped_share(self) -> float:
        """Share of trials that were stopped."""
        return self.stopped / self.runs

    @property
    def finished_share(self) -> float:
        """Share of trials that finished."""
        return self.finished / self.runs

    @property
    def error(self) -> float:
        """The standard error, 0 if unknown."""
        return self.harmed_error or 0.0


@dataclass(frozen=True, slots=True)
class Results:
    """
    All that was found.

    Attributes:
        fleet_size: Devices.
        seed: Of all trials.
        is_quick: Whether each cell was run as rarely as possible.
        outcomes: By cell.
        speed: What Tidegate's parts cost.
    """

    fleet_size: int
    seed: int
    is_quick: bool
    outcomes: Mapping[Cell, Outcome]
    speed: tuple[Speed, ...] = ()

    def of(self, contestant: str, scenario: str) -> Outcome:
        """Return what came of a cell."""
        return self.outcomes[Cell(contestant, scenario)]

    def find(self, contestant: str, scenario: str) -> Outcome | None:
        """Return what came of a cell, None if it was not tried."""
        return self.outcomes.get(Cell(contestant, scenario))

    def unattended(self, contestant: str, scenario: str) -> Outcome | None:
        """Return what came of a cell without its orchestrator, None if it needs none."""
        return self.outcomes.get(Cell(contestant, scenario, is_unattended=True))


def sum_up(trials: Sequence[Trial]) -> Outcome:
    """
    Return what came of a cell's trials.

    Raises:
        ValueError: There is no trial.
    """
    harmed = [trial.harmed_beyond_base for trial in trials]
    by_then = [each for trial in trials if (each := trial.harmed_until_apart) is not None]
    estimate = mean(harmed)
    error = estimate.standard_error
    return Outcome(
        runs=len(trials),
        harmed=estimate.value,
        harmed_error=error if isfinite(error) else None,
        harmed_p95=float(np.percentile(harmed, PERCENTILE)),
        harmed_in_all=mean([trial.harmed for trial in trials]).value,
        exposed=mean([trial.exposed for trial in trials]).value,
        stopped=sum(trial.stopped for trial in trials),
        apart=sum(bool(trial.quarantined) for trial in trials),
        harmed_until_apart=mean(by_then).value if by_then else None,
        harmed_until_apart_p95=float(np.percentile(by_then, PERCENTILE)) if by_then else None,
        finished=sum(trial.finished for trial in trials),
        neither=sum(not trial.stopped and not trial.finished for trial in trials),
        minutes_to_stop=median(trial.minutes_to_stop for trial in trials),
        minutes_to_finish=median(trial.minutes_to_finish for trial in trials),
        minutes_to_acceptance=median(trial.minutes_to_acceptance for trial in trials),
        minutes_to_95=median(trial.minutes_to_95 for trial in trials),
    )


def write(results: Results, path: Path) -> None:
    """Write results as JSON, a line for each cell."""
    head = {
        "fleet_size": results.fleet_size,
        "seed": results.seed,
        "is_quick": results.is_quick,
        "speed": [asdict(each) for each in results.speed],
        "columns": [*Outcome.__dataclass_fields__],
    }
    lines = [
        json.dumps(
            [cell.contestant, cell.scenario, cell.is_unattended, *_figures(outcome)],
            separators=(",", ":"),
        )
        for cell, outcome in results.outcomes.items()
    ]
    text = json.dumps(head, indent=1)[:-2] + ',\n "cells": [\n' + ",\n".join(lines) + "\n ]\n}\n"
    path.write_text(text, encoding="utf-8")


def read(path: Path) -> Results:
    """
    Return what ``write`` wrote.

    Raises:
        ValueError: It is of another version, whose figures are others.
    """
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if document["columns"] != [*Outcome.__dataclass_fields__]:
        message = f"{path}: written by another version, run the comparison again"
        raise ValueError(message)
    return Results(
        fleet_size=document["fleet_size"],
        seed=document["seed"],
        is_quick=document["is_quick"],
        outcomes={
            Cell(contestant, scenario, is_unattended=is_unattended): Outcome(*figures)
            for contestant, scenario, is_unattended, *figures in document["cells"]
        },
        speed=tuple(Speed(**each) for each in document["speed"]),
    )


def _figures(outcome: Outcome) -> list[float | None]:
    return [
        float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
        for value in (getattr(outcome, name) for name in Outcome.__dataclass_fields__)
    ]
