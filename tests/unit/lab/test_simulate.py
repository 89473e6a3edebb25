"""Many trials of several rules: the same seed gives the same trials, whoever runs them."""

from dataclasses import dataclass, replace

import pytest

from tidegate.lab.rule import Decide, Order, Plan
from tidegate.lab.rules import RULES
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.simulate import _PIECES_MAX, RUNS_MAX, Study, _pieces, simulate


@dataclass(frozen=True)
class Creeping:
    """One device a minute, whatever happens."""

    name: str = "creeping"
    title: str = "Creeping"
    is_native: bool = True

    def begin(self, plan: Plan) -> Decide:
        """Start on a rollout."""
        del plan
        return lambda _: Order(1)


FLEET = SCENARIOS["bad-20"].with_size(2000)
STUDY = Study(FLEET, (RULES["aws-constant-abort"], RULES["rings"]), runs=5, seed=7)


def test_every_rule_has_its_trials_in_order() -> None:
    """Each rule is tried as often as asked, by its name, in order of the seeds."""
    trials = simulate(STUDY)

    assert list(trials) == ["aws-constant-abort", "rings"]
    for name, tried in trials.items():
        assert [trial.rule for trial in tried] == [name] * 5
        assert [trial.seed for trial in tried] == [STUDY.seed_of(trial) for trial in range(5)]


def test_processes_make_no_difference() -> None:
    """One process and two give the same trials, down to the last device."""
    assert simulate(STUDY, jobs=2) == simulate(STUDY, jobs=1)


def test_a_seed_repeats_a_study_and_another_does_not() -> None:
    """Who gives the same seed gets the same trials; another seed means other luck."""
    again, other = simulate(STUDY), simulate(replace(STUDY, seed=8))

    assert again == simulate(STUDY)
    assert [trial.harmed for trial in again["rings"]] != [trial.harmed for trial in other["rings"]]


def test_studies_of_different_seeds_share_no_trial() -> None:
    """The last trial that one seed may have comes before the first of the next."""
    assert replace(STUDY, seed=7).seed_of(RUNS_MAX - 1) < replace(STUDY, seed=8).seed_of(0)


def test_a_trial_can_be_repeated_alone() -> None:
    """The page's rollout is the very first of the trials that the table counts."""
    first = simulate(STUDY)["rings"][0]

    assert STUDY.trial(RULES["rings"], 0, with_trace=True) == first


def test_a_rollout_is_given_up_after_some_days() -> None:
    """A rule that is still at it after the days of the study is looked at no longer."""
    study = Study(FLEET.with_size(20_000), (Creeping(),), runs=1, seed=1, days=1)

    (trial,) = simulate(study)["creeping"]

    assert (trial.minutes, trial.exposed) == (1440, 1440)
    assert not trial.stopped
    assert not trial.finished


@pytest.mark.parametrize("runs", [1, 999, 2000, 2001, 5000])
def test_each_trial_is_in_one_piece_of_work(runs: int) -> None:
    """However many trials there are, none is left out or done twice, and pieces stay few."""
    pieces = _pieces(replace(STUDY, runs=runs))

    numbers = [(piece.rule, number) for piece in pieces for number in range(piece.first, piece.end)]

    assert sorted(numbers) == [(rule, number) for rule in range(2) for number in range(runs)]
    assert len(pieces) <= _PIECES_MAX + 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_adds_up_to_all_trials(jobs: int) -> None:
    """Whoever watches sees every trial counted once."""
    steps: list[int] = []

    simulate(STUDY, jobs=jobs, progress=steps.append)

    assert sum(steps) == 10
    assert min(steps) >= 1
