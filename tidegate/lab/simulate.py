"""
Runs many trials of several rules on one fleet, over processes.

Trial n of every rule has the same seed, so that rules are compared on the same luck; which process
runs it makes no difference.
"""

import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tidegate.lab.fleet import Fleet
from tidegate.lab.rule import Rule
from tidegate.lab.trial import MINUTES_MAX, Trial, run

DAY_MINUTES = 24 * 60

#: Trials of one rule.
RUNS_MAX = 100_000

#: Seeds that people may give; each stands for as many seeds of trials as there may be runs.
SEED_MAX = 2**31 - 1

#: Processes at most; the operating system has fewer than this to spare.
JOBS_MAX = 64

#: Days of a rollout that are looked at, at most.
DAYS_MAX = MINUTES_MAX // DAY_MINUTES

#: Pieces of work: few enough to keep track of, and otherwise as small as they can be, so that
#: progress is seen, no process waits long for the last one, and an interrupt takes no time.
_PIECES_MAX = 2000


@dataclass(frozen=True, slots=True)
class Study:
    """
    What is to be tried.

    Attributes:
        fleet: The devices, and the truth about the release.
        rules: Each under a name of its own.
        runs: Trials of each rule.
        seed: Of all chance.
        days: After which a rollout is given up that neither ends nor is stopped.
    """

    fleet: Fleet
    rules: tuple[Rule, ...]
    runs: int
    seed: int
    days: int = DAYS_MAX

    def seed_of(self, trial: int) -> int:
        """Return the seed of a trial, counted from 0; studies of other seeds share none."""
        return self.seed * RUNS_MAX + trial

    def trial(self, rule: Rule, number: int, *, with_trace: bool = False) -> Trial:
        """Return a trial of a rule, by its number from 0."""
        return run(
            self.fleet,
            rule,
            self.seed_of(number),
            with_trace=with_trace,
            minutes_max=self.days * DAY_MINUTES,
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some trials of one rule: those from ``first`` up to ``end``, which is not one of them."""

    rule: int
    first: int
    end: int


def _ignored(_: int) -> None:
    """Take no notice of progress."""


def simulate(
    study: Study, *, jobs: int = 1, progress: Callable[[int], None] = _ignored
) -> dict[str, list[Trial]]:
    """
    Return the trials of each rule, by its name and in order of their seeds.

    Args:
        study: What to try.
        jobs: Processes; with 1 everything happens in this one.
        progress: Told now and then how many more trials are done.
    """
    trials: dict[int, list[Trial]] = {rule: [] for rule in range(len(study.rules))}
    pieces = _pieces(study)
    done = _here(study, pieces) if jobs == 1 else _over_processes(study, pieces, jobs)
    for piece, tried in done:
        trials[piece.rule] += tried
        progress(len(tried))
    return {
        study.rules[rule].name: sorted(tried, key=lambda trial: trial.seed)
        for rule, tried in trials.items()
    }


def _pieces(study: Study) -> list[_Piece]:
    trials = max(1, math.ceil(study.runs * len(study.rules) / _PIECES_MAX))
    return [
        _Piece(rule, first, min(first + trials, study.runs))
        for first in range(0, study.runs, trials)
        for rule in range(len(study.rules))
    ]


def _here(study: Study, pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, list[Trial]]]:
    for piece in pieces:
        yield piece, _try(study, piece)


def _over_processes(
    study: Study, pieces: Sequence[_Piece], jobs: int
) -> Iterator[tuple[_Piece, list[Trial]]]:
    # A fresh interpreter each: what a fork copies of threads and locks is in no defined state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_die_of_interrupts) as pool:
        under_way: dict[Future[list[Trial]], _Piece] = {
            pool.submit(_try, study, piece): piece for piece in pieces
        }
        try:
            for future in as_completed(under_way):
                yield under_way[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _die_of_interrupts() -> None:
    """Let Ctrl-C end a process without a word: the one that started it has the last one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _try(study: Study, piece: _Piece) -> list[Trial]:
    rule = study.rules[piece.rule]
    return [study.trial(rule, number) for number in range(piece.first, piece.end)]
