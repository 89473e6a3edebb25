"""One rollout becomes a picture: series over minutes, and decisions to mark in them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.lab.charts import DECISIONS_MAX, POINTS_MAX, Chart, Picture, picture
from tidegate.lab.rules import RULES
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import Trace, Trial, run


def rollout(minutes: int, **changes: Any) -> Trial:  # noqa: ANN401 - members of a trace
    """Return a trial of one device a minute, all of which succeed at once."""
    one_each = np.arange(1, minutes + 1)
    none = np.zeros(minutes, dtype=np.int64)
    trace = Trace(
        notified=one_each,
        started=one_each,
        succeeded=one_each,
        failed=none,
        timed_out=none,
        rejected=none,
        in_flight=none,
        rate_per_minute=none + 1,
        failure_rate=np.full(minutes, 0.2),
        criteria=((0, ()),),
        marks={},
        reasons=((0, ()),),
    )
    return Trial(
        rule="rule",
        fleet="fleet",
        seed=1,
        minutes=minutes,
        exposed=minutes,
        started=minutes,
        harmed=0,
        harmed_beyond_base=0,
        stopped_by=None,
        minutes_to_stop=None,
        minutes_to_finish=None,
        minutes_to_95=None,
        minutes_to_acceptance=None,
        quarantined=(),
        trace=replace(trace, **changes),
    )


def chart(drawn: Picture, name: str) -> Chart:
    """Return a chart by its name."""
    (found,) = [each for each in drawn.charts if each.name == name]
    return found


def values(drawn: Picture, name: str) -> dict[str, tuple[float | None, ...]]:
    """Return the series of a chart by their labels."""
    return {each.label: each.values for each in chart(drawn, name).series}


def test_what_a_rule_does_not_tell_is_not_drawn() -> None:
    """A rule without evidence, bound or criteria has no empty charts of them."""
    names = [each.name for each in picture(rollout(5)).charts]

    assert names == ["exposure", "outcomes", "rate"]


def test_outcomes_that_never_come_have_no_line() -> None:
    """Only outcomes that some device came to take part in the chart."""
    assert list(values(picture(rollout(5)), "outcomes")) == ["succeeded"]


def test_evidence_stands_beside_its_limit() -> None:
    """Tidegate's evidence is drawn with the limit that would stop the release."""
    drawn = picture(rollout(3, marks={"log_e": [0.0, 1.23456, None], "abort_at": [5.3, 5.3, None]}))

    assert values(drawn, "evidence") == {
        "evidence": (0.0, 1.235, None),
        "limit": (5.3, 5.3, None),
    }


def test_the_bound_is_drawn_with_what_is_acceptable_and_the_truth() -> None:
    """Rates are percentages; the truth is only told where the rule has a bound to compare."""
    marks = {"upper_bound": [1.0, 0.5], "acceptable": [0.02, 0.02]}

    drawn = picture(rollout(2, marks=marks))

    assert values(drawn, "bound") == {
        "upper bound": (100.0, 50.0),
        "acceptable": (2.0, 2.0),
        "truth": (20.0, 20.0),
    }


def test_criteria_are_drawn_from_when_they_are_in_force() -> None:
    """Each type of failure has its share and its minimum, until other criteria replace them."""
    some = AbortCriterion(FailureType.FAILED, 20.0, 100)
    other = AbortCriterion(FailureType.ALL, 5.0, 1000)

    drawn = picture(rollout(4, criteria=((0, (some,)), (2, (other,)))))

    assert values(drawn, "fence") == {
        "ALL": (None, None, 5.0, 5.0),
        "FAILED": (20.0, 20.0, None, None),
    }
    assert values(drawn, "fence-minimum") == {
        "ALL": (None, None, 1000, 1000),
        "FAILED": (100, 100, None, None),
    }


def test_other_figures_of_a_rule_are_drawn_too() -> None:
    """Marks that are figures have a chart; words, truth values and endless ones have none."""
    marks = {
        "failed_measurements": [0, 1, 2],
        "verdict": ["go", "go", "stop"],
        "accepted": [False, False, True],
        "cap": [10.0, float("inf"), 20.0],
    }

    drawn = picture(rollout(3, marks=marks))

    assert values(drawn, "others") == {"failed measurements": (0, 1, 2)}
    assert values(drawn, "exposure")["allowed"] == (10, None, 20)


def test_lines_of_a_chart_differ_in_more_than_colour() -> None:
    """No two lines of one chart have the same form, so that nobody needs to tell colours."""
    trial = run(SCENARIOS["bad-20"].with_size(500), RULES["aws-exponential"], 1, with_trace=True)

    for each in picture(trial).charts:
        forms = [series.form for series in each.series]
        assert len(set(forms)) == len(forms)


def test_a_decision_is_told_when_it_says_something_else() -> None:
    """New numbers alone are no new decision; another first line is, or a line never said before."""
    reasons = (
        (0, ("starting at 10", "nothing known")),
        (1, ("going on at 20", "a")),
        (2, ("going on at 30.5", "a")),
        (3, ("waiting",)),
        (4, ("waiting", "a")),
        (5, ("waiting", "part set apart")),
    )

    drawn = picture(rollout(6, reasons=reasons))

    assert [(each.number, each.minute, each.reasons) for each in drawn.decisions] == [
        (1, 0, ("starting at 10", "nothing known")),
        (2, 1, ("going on at 20", "a")),
        (3, 3, ("waiting",)),
        (4, 5, ("waiting", "part set apart")),
    ]


def test_a_decision_tells_how_things_stood() -> None:
    """Beside each decision stands what was known when its minute began."""
    failed = np.array([0, 2, 2])

    drawn = picture(rollout(3, failed=failed, reasons=((0, ("go",)), (2, ("wait",)))))

    assert [each.figures for each in drawn.decisions] == [
        "0 notified, 0 failed or timed out; from here 1 per minute",
        "2 notified, 2 failed or timed out; from here 1 per minute",
    ]


@pytest.mark.parametrize(
    ("stopped_by", "who"), [("rule", "The rule stops"), ("native", "AWS, by its abort criteria,")]
)
def test_the_end_is_told_with_who_made_it(stopped_by: str, who: str) -> None:
    """A stop says whether the rule or AWS made it, beside the reason if there is one."""
    trial = replace(
        rollout(3, reasons=((2, ("too many failures",)),)),
        stopped_by=stopped_by,
        minutes_to_stop=2,
    )

    (decision,) = picture(trial).decisions

    assert decision.minute == 2
    assert decision.reasons[0] == "too many failures"
    assert decision.reasons[1].startswith(who)


def test_too_many_decisions_lose_those_in_the_middle() -> None:
    """The first and the last decisions are told, and how many are missing between them."""
    reasons = tuple((minute, ("ab"[minute % 2],)) for minute in range(100))

    drawn = picture(rollout(100, reasons=reasons))

    assert len(drawn.decisions) == DECISIONS_MAX
    assert drawn.left_out == 100 - DECISIONS_MAX
    assert (drawn.decisions[0].minute, drawn.decisions[-1].minute) == (0, 99)


def test_minutes_without_change_are_left_out() -> None:
    """A long wait costs nothing, and lines stay level over it."""
    notified = np.minimum(np.arange(1, 1001), 10)
    level = dict.fromkeys(("notified", "started", "succeeded"), notified)

    drawn = picture(rollout(1000, **level))

    assert drawn.minutes == (*range(10), 999)
    assert values(drawn, "exposure")["notified"] == (*range(1, 11), 10)


def test_a_month_of_changes_is_thinned_out() -> None:
    """However long a rollout, about as many minutes are drawn as a screen can show."""
    minutes = 30 * 1440
    reasons = ((0, ("start",)), (777, ("wait",)))

    drawn = picture(rollout(minutes, reasons=reasons))

    assert len(drawn.minutes) <= POINTS_MAX + 4
    assert {0, 777, minutes - 1} <= set(drawn.minutes)
    assert all(len(series.values) == len(drawn.minutes) for series in drawn.charts[0].series)


def test_a_trial_without_a_trace_is_no_picture() -> None:
    """Who forgot to ask for the trace hears of it."""
    with pytest.raises(ValueError, match="trace"):
        picture(replace(rollout(1), trace=None))
