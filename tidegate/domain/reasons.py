"""
Why a decision is what it is: one code, its numbers, and the sentence made of both.

Machines read ``code`` and ``values``; people read ``text``; both come from here, so they cannot
drift apart. The codes are listed with their sentences in docs/reasons.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = float | int | str


class ReasonCode(StrEnum):
    """Everything that a decision can rest on."""

    EVIDENCE_ABOVE_TOLERATED = "EVIDENCE_ABOVE_TOLERATED"
    EVIDENCE_BELOW_ABORT = "EVIDENCE_BELOW_ABORT"
    ABORT_REQUESTED = "ABORT_REQUESTED"
    ABORT_IN_PROGRESS = "ABORT_IN_PROGRESS"
    RATE_ACCEPTABLE = "RATE_ACCEPTABLE"
    EXPOSURE_BELOW_CAP = "EXPOSURE_BELOW_CAP"
    EXPOSURE_AT_CAP = "EXPOSURE_AT_CAP"
    FIRST_SETTINGS = "FIRST_SETTINGS"
    ALL_NOTIFIED = "ALL_NOTIFIED"
    HELD = "HELD"
    HOLD_LEAKS = "HOLD_LEAKS"
    EVIDENCE_INCOMPLETE = "EVIDENCE_INCOMPLETE"
    EVENTS_OFF = "EVENTS_OFF"
    SETTINGS_DRIFTED = "SETTINGS_DRIFTED"
    GATE_REACHED = "GATE_REACHED"
    GATE_BAKES = "GATE_BAKES"
    GATE_ALARM = "GATE_ALARM"
    GATE_ASKS = "GATE_ASKS"
    GATE_UNANSWERED = "GATE_UNANSWERED"
    GATE_REFUSED = "GATE_REFUSED"
    GATE_PASSED = "GATE_PASSED"
    GATE_OVERRUN = "GATE_OVERRUN"
    GATE_AHEAD = "GATE_AHEAD"
    WITHHELD = "WITHHELD"
    PROPOSED = "PROPOSED"
    PROPOSAL_APPROVED = "PROPOSAL_APPROVED"
    PROPOSAL_REFUSED = "PROPOSAL_REFUSED"
    PROPOSAL_UNANSWERED = "PROPOSAL_UNANSWERED"
    REVIEWS_SHARED = "REVIEWS_SHARED"
    COUNTERS_ONLY = "COUNTERS_ONLY"
    STARTS_UNREPORTED = "STARTS_UNREPORTED"
    LATE_ABOVE_TOLERATED = "LATE_ABOVE_TOLERATED"
    DOUBTED = "DOUBTED"
    DEVICES_OVERDUE = "DEVICES_OVERDUE"
    TURN_WOULD_HARM = "TURN_WOULD_HARM"
    COHORT_SUSPECT = "COHORT_SUSPECT"
    COHORT_APART = "COHORT_APART"
    FAILURE_REASONS = "FAILURE_REASONS"
    COHORT_FAILURE_REASONS = "COHORT_FAILURE_REASONS"
    TIMEOUT_PROPOSED = "TIMEOUT_PROPOSED"
    TIMEOUT_SET = "TIMEOUT_SET"
    FENCE_INSTALLED = "FENCE_INSTALLED"
    JOB_SCHEDULED = "JOB_SCHEDULED"
    SHARE_REACHED = "SHARE_REACHED"
    STRAGGLERS_LEFT = "STRAGGLERS_LEFT"
    GUARDING = "GUARDING"
    SOAKING = "SOAKING"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"
    NOT_ROLLED_BACK = "NOT_ROLLED_BACK"
    ROLLBACK_DECLINED = "ROLLBACK_DECLINED"
    JOB_COMPLETED = "JOB_COMPLETED"
    JOB_FENCED = "JOB_FENCED"
    JOB_ABORTED = "JOB_ABORTED"
    JOB_CANCELED_OUTSIDE = "JOB_CANCELED_OUTSIDE"
    JOB_DELETED_OUTSIDE = "JOB_DELETED_OUTSIDE"


_SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.EVIDENCE_ABOVE_TOLERATED: (
        "{harmed} of {started} started devices harmed: evidence {log_e:.2f} reached {limit:.2f}, "
        "so the failure rate is above the tolerated {tolerated:.2%}"
    ),
    ReasonCode.EVIDENCE_BELOW_ABORT: (
        "{harmed} of {started} started devices harmed: evidence {log_e:.2f} of the {limit:.2f} "
        "that would stop the release"
    ),
    ReasonCode.ABORT_REQUESTED: "{by} asked to abort: {why}",
    ReasonCode.ABORT_IN_PROGRESS: "the abort decided before stands; AWS still shows {status}",
    ReasonCode.RATE_ACCEPTABLE: (
        "failure rate established at no more than {upper_bound:.2%}, within the acceptable "
        "{acceptable:.2%}: the pace is free up to {rate} per minute"
    ),
    ReasonCode.EXPOSURE_BELOW_CAP: (
        "{exposed} devices exposed of at most {cap}: failure rate at most {upper_bound:.2%}, "
        "budget {budget:g} harmed beyond {acceptable:.2%}"
    ),
    ReasonCode.EXPOSURE_AT_CAP: (
        "{exposed} devices exposed reach the cap of {cap}: failure rate may be {upper_bound:.2%}, "
        "budget {budget:g} harmed beyond {acceptable:.2%}; waiting for outcomes"
    ),
    ReasonCode.FIRST_SETTINGS: "nothing is known yet: starting at {rate} per minute",
    ReasonCode.ALL_NOTIFIED: "all {exposed} targets are notified; {in_flight} still in flight",
    ReasonCode.HELD: "{kind} hold by {by} since {since}: {why}",
    ReasonCode.HOLD_LEAKS: (
        "AWS has no pause: at its lowest rate {rate} device per minute still gets the job"
    ),
    ReasonCode.EVIDENCE_INCOMPLETE: (
        "the ledger knows {recorded} outcomes of the {described} that AWS counts: not going on"
    ),
    ReasonCode.SETTINGS_DRIFTED: (
        "somebody else changed the job's {members}; what the evidence allows is put back"
    ),
    ReasonCode.GATE_REACHED: (
        "gate {gate} at {after} exposed devices is reached: waiting for {waits}"
    ),
    ReasonCode.GATE_BAKES: "gate {gate}: exposed devices are watched until {until}",
    ReasonCode.GATE_ALARM: "gate {gate}: alarm {alarm} is not OK but {state}",
    ReasonCode.GATE_ASKS: "gate {gate}: {question} is to be answered by {due}",
    ReasonCode.GATE_UNANSWERED: (
        "gate {gate}: {question} was not answered in time; the policy says {then}"
    ),
    ReasonCode.GATE_REFUSED: "gate {gate}: {by} said no: {why}; the policy says {then}",
    ReasonCode.GATE_PASSED: "gate {gate} is passed",
    ReasonCode.GATE_OVERRUN: (
        "gate {gate} at {after} exposed devices holds nobody: all {exposed} targets were notified "
        "before it was passed"
    ),
    ReasonCode.GATE_AHEAD: "{exposed} devices exposed of the {after} before gate {gate}",
    ReasonCode.WITHHELD: "not done, as the authority to {action} is {authority}",
    ReasonCode.PROPOSED: "proposed as {question}: {what}",
    ReasonCode.PROPOSAL_APPROVED: "{by} approved to {action}: {why}",
    ReasonCode.PROPOSAL_REFUSED: "{by} refused to {action}: {why}; the policy says {then}",
    ReasonCode.PROPOSAL_UNANSWERED: "nobody answered {question} in time; the policy says {then}",
    ReasonCode.REVIEWS_SHARED: (
        "many rollouts share AWS's quotas: the next review is in {minutes:.3g} minutes, and the "
        "rate is that part of what could be reached"
    ),
    ReasonCode.EVENTS_OFF: (
        "job-execution events are switched off in this account: outcomes are read from lists only"
    ),
    ReasonCode.COUNTERS_ONLY: (
        "the starts of devices are not all known ({unplaced} outcomes without one): evidence from "
        "totals only, valid but slower"
    ),
    ReasonCode.STARTS_UNREPORTED: (
        "devices report only how they end, not that they start: every notified device counts as in "
        "flight until it has an outcome, valid but slower; have them report IN_PROGRESS"
    ),
    ReasonCode.LATE_ABOVE_TOLERATED: (
        "{harmed} of {started} devices that started late harmed: evidence {log_e:.2f} reached "
        "{limit:.2f}, so their failure rate is above the {tolerated:.2%} tolerated of such devices"
    ),
    ReasonCode.DOUBTED: (
        "evidence {log_e:.2f} now is {doubt:.0%} of the doubt at which the pace stops: budget "
        "{budget:.3g}, rate no more than {rate} per minute"
    ),
    ReasonCode.DEVICES_OVERDUE: (
        "the newest devices are not done as often as those before them were at their age: evidence "
        "{log_e:.2f} reached {limit:.2f}; waiting for their outcomes"
    ),
    ReasonCode.TURN_WOULD_HARM: (
        "if {turned:.2%} failed from now on, about {harmed} devices would be harmed at {rate} per "
        "minute before it is noticed, after about {minutes} minutes"
    ),
    ReasonCode.COHORT_SUSPECT: (
        "cohort {cohort}: {harmed} of {started} started devices harmed, evidence {log_e:.2f} of "
        "{limit:.2f}, that of all others {others:.2f}; remedy: {remedy}"
    ),
    ReasonCode.COHORT_APART: "set apart, so what waits for their devices is canceled: {cohorts}",
    ReasonCode.FAILURE_REASONS: "why devices say that they failed: {reasons}",
    ReasonCode.COHORT_FAILURE_REASONS: (
        "why devices of cohort {cohort} say that they failed: {reasons}"
    ),
    ReasonCode.TIMEOUT_PROPOSED: (
        "all but 1 in 1,000 devices have an outcome within {finished} minutes: a time-out of "
        "{minutes} minutes is proposed, in place of {standing}"
    ),
    ReasonCode.TIMEOUT_SET: (
        "all but 1 in 1,000 devices have an outcome within {finished} minutes: the time-out is set "
        "to {minutes} minutes, in place of {standing}"
    ),
    ReasonCode.FENCE_INSTALLED: (
        "without Tidegate, AWS itself stops the job at {criteria}: ratios that a tolerable release "
        "of up to {exposed_up_to} devices reaches with a probability of at most {risk:.2%}; at "
        "{rate} per minute and {turned:.2%} failures that harms about {unattended} devices, "
        "{later} more than evidence would, about {minutes} minutes later"
    ),
    ReasonCode.JOB_SCHEDULED: "the job is SCHEDULED: AWS takes no settings before it runs",
    ReasonCode.SHARE_REACHED: (
        "{finished} of {exposed} devices have an outcome, the {share:.2%} that complete the "
        "rollout: the others have time until {until}"
    ),
    ReasonCode.STRAGGLERS_LEFT: (
        "complete: {finished} of {exposed} devices have an outcome; stragglers: {stragglers}"
    ),
    ReasonCode.GUARDING: (
        "the initial rollout is done; AWS notifies devices that join late at once, so the guard "
        "is to abort only"
    ),
    ReasonCode.SOAKING: (
        "AWS is done with the job; {in_flight} devices are still to show that they are there, "
        "{harmed} harmed so far"
    ),
    ReasonCode.ROLLING_BACK: (
        "{devices} devices took the release that was stopped: rolling them back; {in_flight} are "
        "still at work"
    ),
    ReasonCode.ROLLED_BACK: "{devices} devices that took the release are rolled back",
    ReasonCode.NOT_ROLLED_BACK: (
        "not all devices could be rolled back: {in_flight} still at work, as far as AWS tells"
    ),
    ReasonCode.ROLLBACK_DECLINED: (
        "{devices} devices that took the release are not rolled back: {why}"
    ),
    ReasonCode.JOB_COMPLETED: "the job is COMPLETED: {succeeded} succeeded, {harmed} harmed",
    ReasonCode.JOB_FENCED: "AWS stopped the job by its abort criteria: {comment}",
    ReasonCode.JOB_ABORTED: (
        "the job is CANCELED by {comment}; {harmed} harmed of a budget of {budget:g} beyond "
        "{acceptable:.2%} of {started} started; {in_flight} still in flight"
    ),
    ReasonCode.JOB_CANCELED_OUTSIDE: "somebody else canceled the job: {comment}",
    ReasonCode.JOB_DELETED_OUTSIDE: "the job no longer exists: somebody deleted it",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """
    One reason; ``text`` is its sentence with the numbers in it.

    Attributes:
        written: The sentence as it was stored, which a later wording does not change.
    """

    code: ReasonCode
    values: Mapping[str, Value]
    written: str | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The reason as one line."""
        if self.written is not None:
            return self.written
        return _SENTENCES[self.code].format(**self.values)


def reason(code: ReasonCode, **values: Value) -> Reason:
    """Return a reason; raises KeyError if its sentence needs a value that is not given."""
    made = Reason(code, values)
    _ = made.text
    return made
