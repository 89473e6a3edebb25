"""
Replaying: a rollout that has been, under another policy, beside what happened.

Each device does again what it did, as long after its notification as then. What nobody saw is
drawn: devices that were never notified are like some of those that were, and what had no outcome
is like those that took at least as long. All of them but that is the same; and a device that would
have been notified at another time of day is taken to have fared as it did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import SeedSequence, default_rng

from tidegate.domain.jobs import HARMFUL, REPORTED
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Ending
from tidegate.errors import Refused
from tidegate.lab.charts import Chart, Series, picture
from tidegate.lab.delays import Fixed
from tidegate.lab.fleet import Cohort, Failures, Fleet
from tidegate.lab.page import assembled, rollout_part
from tidegate.lab.recorded import RecordedJob, doings_of
from tidegate.lab.recording import Recording
from tidegate.lab.rules.tidegate import TidegateRule
from tidegate.lab.simulate import DAY_MINUTES, RUNS_MAX
from tidegate.lab.summary import Summary, summarise
from tidegate.lab.trial import Trial, run_again
from tidegate.lab.wording import NONE, devices_worded, mean_worded, share_worded, time_worded

#: Where the job had no time-out, and the policy sets none: what is silent for so long stays it.
_TIMEOUT_MINUTES = 1440

#: Rates of the past that are told.
_RATES_MAX = 8

#: What devices are called that the policy did not tell apart.
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Replay:
    """
    A rollout under another policy, beside what happened.

    Attributes:
        recording: What happened.
        policy: That it was replayed under.
        fleet_size: Devices that it was replayed for.
        first: The first trial, with its trace.
        summary: Of all trials; they differ in what was drawn.
        supposed: Devices of the first trial that were notified and of which something was drawn.
    """

    recording: Recording
    policy: Policy
    fleet_size: int
    first: Trial
    summary: Summary
    supposed: int

    @property
    def why(self) -> tuple[str, ...]:
        """What the policy said last in the first trial."""
        assert self.first.trace is not None
        return self.first.trace.reasons[-1][1] if self.first.trace.reasons else ()

    def to_json(self) -> dict[str, Any]:
        """Return both sides as plain JSON; times are minutes since the job's creation."""
        recording, summary = self.recording, self.summary
        return {
            "job": recording.job_id,
            "devices": self.fleet_size,
            "happened": {
                "policy": recording.policy_name,
                "ending": recording.ending.value if recording.ending else None,
                "minutes": recording.minutes,
                "minutes_to_stop": recording.minutes if recording.stopped else None,
                "minutes_to_finish": recording.all_notified_minutes,
                "exposed": recording.exposed,
                "harmed": recording.harmed,
                "why": list(recording.why),
                "estimated": recording.estimated,
                "told": [asdict(each) for each in recording.told],
            },
            "replayed": {
                "policy": self.policy.name,
                "trials": summary.trials,
                "stopped_share": summary.stopped.value,
                "stopped_by": self.first.stopped_by,
                "minutes": self.first.minutes,
                "minutes_to_stop": summary.minutes_to_stop,
                "minutes_to_finish": summary.minutes_to_finish,
                "exposed_mean": summary.exposed.value,
                "harmed_mean": summary.harmed.value,
                "harmed_p95": summary.harmed_p95,
                "why": list(self.why),
            },
            "supposed": self.supposed,
            "notes": list(notes(self)),
        }


def replay(
    recording: Recording,
    policy: Policy,
    *,
    fleet_size: int | None = None,
    runs: int = 5,
    days: int = 3,
    seed: int = 1,
) -> Replay:
    """
    Return a rollout as it goes under a policy.

    Args:
        recording: What happened.
        policy: To go by.
        fleet_size: Devices in all; None: as recorded, or no more than were notified.
        runs: Trials, where something must be drawn; else one tells all.
        days: Of virtual time after which it is given up.
        seed: Of all chance.

    Raises:
        Refused: No device of the recording came to an outcome, or there are more than the fleet.
    """
    size = fleet_size or recording.fleet_size or recording.exposed
    if not any(each.status in REPORTED for each in recording.devices):
        message = (
            f"no device of {recording.job_id} came to an outcome: there is nothing to go by; "
            "export it again once some have"
        )
        raise Refused(message)
    timeout = policy.job.timeout_minutes or recording.timeout_minutes or _TIMEOUT_MINUTES
    fleet = _fleet(recording, size, timeout)
    # Whoever is asked says yes at once in the lab, so that authority makes no difference.
    rule = TidegateRule.unasked(policy, policy.name)
    trials: list[Trial] = []
    supposed = 0
    for number in range(runs):
        trial, job = _play(recording, rule, fleet, seed * RUNS_MAX + number, days)
        trials.append(trial)
        if number == 0:
            supposed = job.supposed
        if not job.supposed:
            break
    return Replay(recording, policy, size, trials[0], summarise(trials), supposed)


def _fleet(recording: Recording, size: int, timeout_minutes: int) -> Fleet:
    """Return what is known of the devices before any of them acts."""
    counts: dict[str, int] = {}
    for each in recording.devices:
        counts[each.cohort or _ALL] = counts.get(each.cohort or _ALL, 0) + 1
    cohorts = tuple(Cohort(name, n / recording.exposed) for name, n in counts.items())
    return Fleet(
        name=recording.job_id,
        size=size,
        timeout_minutes=timeout_minutes,
        start=Fixed(0.0),
        success=Fixed(0.0),
        failures=Failures(recording.harmed / recording.exposed, ()),
        cohorts=cohorts,
    )


def _play(
    recording: Recording, rule: TidegateRule, fleet: Fleet, seed: int, days: int
) -> tuple[Trial, RecordedJob]:
    minutes_max = days * DAY_MINUTES
    doings = doings_of(
        recording.devices,
        fleet_size=fleet.size,
        until_minutes=recording.minutes,
        timeout_minutes=fleet.timeout_minutes,
        rng=default_rng(SeedSequence(seed)),
    )
    job = RecordedJob(doings, minutes_max=minutes_max, timeout_minutes=fleet.timeout_minutes)
    trial = run_again(fleet, rule, job, seed, with_trace=True, minutes_max=minutes_max)
    return trial, job


def notes(found: Replay) -> Iterator[str]:
    """Yield what the replay rests on, and what it cannot know."""
    recording = found.recording
    if recording.estimated:
        yield (
            f"When {devices_worded(recording.estimated)} devices were notified and started is "
            "estimated: from the counts and rates that Tidegate told of, and from when outcomes "
            "came in. How they ended, and when, is as it was."
        )
    is_whole = recording.ending is Ending.COMPLETED or recording.fleet_size is not None
    if not is_whole and found.fleet_size == recording.exposed:
        yield (
            "How large the fleet is was not told: nobody beyond those notified is taken to be "
            "there; --fleet says otherwise."
        )
    if rates := _rates(recording):
        yield f"Rates per minute that were in force: {rates}."
    if found.fleet_size > recording.exposed:
        yield (
            f"{devices_worded(found.fleet_size - recording.exposed)} devices were never notified: "
            "they are drawn from those that were, and may have fared otherwise."
        )
    unknown = sum(each.status not in REPORTED for each in recording.devices)
    if unknown:
        yield (
            f"{devices_worded(unknown)} devices were notified and came to no outcome of their own: "
            "what they would have done is drawn from those that took at least as long."
        )
    if found.supposed:
        share = found.supposed / max(1, found.first.exposed)
        yield (
            f"Of the devices exposed in the replay, {devices_worded(found.supposed)} "
            f"({share_worded(share)}) are drawn in whole or in part."
        )
    else:
        yield "All devices exposed in the replay did what they had been seen to do."
    yield (
        "Devices are notified in the same order, and fare as they did, whatever the hour; attempts "
        "before the last one are not known."
    )
    if found.policy.gates or found.policy.freeze.alarms or found.policy.freeze.calendars:
        yield "Whoever is asked says yes at once, alarms are OK and calendars open."
    if found.policy.soak:
        yield "Who is still there after its success is not recorded: the soak finds nobody gone."


def _rates(recording: Recording) -> str:
    """Return the rates that were told, each with its time; empty if none was."""
    rates = [(each.rate_per_minute, each.minutes) for each in recording.told]
    changes = [
        f"{rate} from {time_worded(minutes)} on"
        for (before, _), (rate, minutes) in pairwise([(None, 0.0), *rates])
        if rate != before
    ]
    more = [f"and {len(changes) - _RATES_MAX} more"] if len(changes) > _RATES_MAX else []
    return ", ".join(changes[:_RATES_MAX] + more)


#: A line of the comparison: what it is, what happened, and what the replay says.
Line = tuple[str, str, str]


def lines(found: Replay) -> list[Line]:
    """Return what happened and what the replay says, side by side in words."""
    recording, summary = found.recording, found.summary
    stop = time_worded(recording.minutes) if recording.stopped else NONE
    ended = recording.ending.value.replace("_", " ") if recording.ending else "no end yet"
    return [
        ("policy", recording.policy_name, found.policy.name),
        ("came to", ended, _end_worded(found)),
        ("stopped after", stop, time_worded(summary.minutes_to_stop)),
        (
            "all notified after",
            time_worded(recording.all_notified_minutes) + _mark(recording),
            time_worded(summary.minutes_to_finish),
        ),
        ("exposed", devices_worded(recording.exposed), mean_worded(summary.exposed)),
        ("harmed", devices_worded(recording.harmed), mean_worded(summary.harmed)),
        ("said last", "; ".join(recording.why) or NONE, "; ".join(found.why) or NONE),
    ]


def _mark(recording: Recording) -> str:
    return " (estimated)" if recording.estimated and recording.all_notified_minutes else ""


def _end_worded(found: Replay) -> str:
    trial, summary = found.first, found.summary
    by = {"rule": "aborted", "native": "fenced", None: ""}[trial.stopped_by]
    word = by or ("completed" if trial.finished else "held for longer than was looked at")
    share = summary.stopped.value
    tried = f" (stopped in {share_worded(share)} of {summary.trials} runs)"
    return word if summary.trials == 1 or share in (0.0, 1.0) else word + tried


def render(found: Replay, *, command: str = "") -> str:
    """Return the page: both sides in a table, and the replay minute by minute."""
    recording, table = found.recording, lines(found)
    drawn = picture(found.first, first=(_both(found),))
    return assembled(
        {
            "title": f"{recording.job_id} under the policy {found.policy.name}",
            "headline": headline(found),
            "facts": list(notes(found)),
            "command": command,
            "caption": "What happened, and what the lab says of the same devices.",
            "columns": [{"title": name, "note": ""} for name, _, _ in table],
            "rows": [
                {"title": "as it was", "name": "", "cells": [was for _, was, _ in table]},
                {"title": "replayed", "name": "", "cells": [would for _, _, would in table]},
            ],
            "rollout": rollout_part(f"The replay: {found.policy.name}", drawn),
        }
    )


def headline(found: Replay) -> str:
    """Return what came out, in a sentence."""
    recording, summary = found.recording, found.summary
    end = "had come to no end" if recording.ending is None else "went on to its end"
    end = "was stopped" if recording.stopped else end
    return (
        f"{recording.job_id} {end}, with {devices_worded(recording.harmed)} of "
        f"{devices_worded(recording.exposed)} exposed devices harmed; under {found.policy.name} "
        f"it is {_end_worded(found)}, with {mean_worded(summary.harmed)} of "
        f"{mean_worded(summary.exposed)} harmed."
    )


def _both(found: Replay) -> Chart:
    """Return both rollouts in one chart, over the minutes of the replay."""
    trace = found.first.trace
    assert trace is not None
    minutes = len(trace.notified)
    devices = found.recording.devices
    notified = [each.notified for each in devices]
    harmed = [each.ended for each in devices if each.status in HARMFUL and each.ended is not None]
    again = trace.failed + trace.timed_out + trace.rejected
    return Chart(
        "both",
        "As it was, and replayed",
        "Devices notified, and harmed, up to each minute.",
        (
            Series("notified, as it was", _until(notified, minutes), "dash", "faint"),
            Series("notified, replayed", tuple(int(each) for each in trace.notified)),
            Series("harmed, as it was", _until(harmed, minutes), "mixed", "series-3"),
            Series("harmed, replayed", tuple(int(each) for each in again), "dot", "series-3"),
        ),
    )


def _until(at: Sequence[float], minutes: int) -> tuple[int, ...]:
    """Return how many moments lie before the end of each minute."""
    ordered = np.sort(np.array(at, dtype=np.float64))
    counted = np.searchsorted(ordered, np.arange(1, minutes + 1), side="left")
    return tuple(int(each) for each in counted)
