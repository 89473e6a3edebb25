"""Runs the cells of a plan over processes, each as often as its first trial allows."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from benchmarks.plan import Cell, Plan, contestants
from tidegate.lab.trial import Trial, dead_man, run

#: Minutes in the lab that one piece of work takes, more or less.
_PIECE_MINUTES = 2000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some trials of one cell: those from ``first`` up to ``end``, which is not one of them."""

    cell: Cell
    first: int
    end: int


#: What runs pieces, and yields each with its trials, in whatever order.
Runner = Callable[[Sequence[Piece]], Iterator[tuple[Piece, list[Trial]]]]
#: Told of trials done, and of trials to be done: each cell's first, then all that follow from it.
Progress = Callable[[int, int], None]


def try_cells(
    plan: Plan, cells: Iterable[Cell], *, jobs: int, progress: Progress
) -> dict[Cell, list[Trial]]:
    """
    Return the trials of every cell, in order of their seeds.

    Args:
        plan: How often each is run.
        cells: Which.
        jobs: Processes; with 1 everything happens in this one.
        progress: Told whenever some are done.
    """
    if jobs == 1:
        return _try_cells(plan, [*cells], lambda pieces: _here(plan, pieces), progress)
    # A fresh interpreter each: what a fork copies of threads and locks is in no defined state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_leave_interrupts_to_parent) as pool:
        try:
            return _try_cells(plan, [*cells], lambda each: _in_pool(plan, pool, each), progress)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def try_piece(plan: Plan, piece: Piece) -> list[Trial]:
    """Return the trials of a piece."""
    cell, contestant = piece.cell, contestants()[piece.cell.contestant]
    fleet = plan.fleet(cell.scenario)
    attempt = dead_man if cell.is_unattended else run
    return [
        attempt(
            fleet, contestant.on(fleet), plan.seed_of(trial), minutes_max=plan.minutes_max(cell)
        )
        for trial in range(piece.first, piece.end)
    ]


def _try_cells(
    plan: Plan, cells: Sequence[Cell], runner: Runner, progress: Progress
) -> dict[Cell, list[Trial]]:
    trials: dict[Cell, list[Trial]] = {cell: [] for cell in cells}

    def take_in(pieces: Sequence[Piece], done: int) -> None:
        in_all = done + sum(piece.end - piece.first for piece in pieces)
        for piece, tried in runner(pieces):
            trials[piece.cell] += tried
            done += len(tried)
            progress(done, in_all)

    take_in([Piece(cell, 0, 1) for cell in cells], 0)
    take_in(_rest(plan, trials), len(cells))
    return {cell: sorted(tried, key=lambda trial: trial.seed) for cell, tried in trials.items()}


def _rest(plan: Plan, trials: dict[Cell, list[Trial]]) -> list[Piece]:
    """Return the pieces after the first trials, those of long rollouts first."""
    pieces: list[tuple[int, Piece]] = []
    for cell, (first,) in trials.items():
        runs = plan.amount(cell).runs_of(first.minutes)
        size = max(1, _PIECE_MINUTES // max(1, first.minutes))
        pieces += [
            (first.minutes * size, Piece(cell, begin, min(begin + size, runs)))
            for begin in range(1, runs, size)
        ]
    return [piece for _, piece in sorted(pieces, key=lambda each: -each[0])]


def _here(plan: Plan, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, list[Trial]]]:
    for piece in pieces:
        yield piece, try_piece(plan, piece)


def _in_pool(
    plan: Plan, pool: ProcessPoolExecutor, pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, list[Trial]]]:
    under_way: dict[Future[list[Trial]], Piece] = {
        pool.submit(try_piece, plan, piece): piece for piece in pieces
    }
    for future in as_completed(under_way):
        yield under_way[future], future.result()


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
