"""What a page watches is what there is to see, in memory as in DynamoDB."""

from tests.contract.samples import KEY, NOW, decision, enrolled
from tests.contract.test_records import Both
from tidegate.adapters.memory.clock import ManualClock
from tidegate.console.report import report_of, to_html
from tidegate.console.view import detail, glances
from tidegate.console.watching import Watching


def test_a_watched_rollout_is_the_one_in_the_ledger(ledger: Both) -> None:
    """Caught up with decision by decision, it is what a first look would find."""
    rollout = enrolled(ledger)
    watched = Watching(ledger, ledger, ManualClock(NOW))
    for revision in range(1, 6):
        ledger.store_decision(KEY, decision(revision), generation=rollout.generation)
        ledger.mark_applied(KEY, revision, at=NOW, result={"outcome": "applied"})
        seen, whole = watched.detail(KEY.job_id), detail(KEY.job_id, ledger=ledger, records=ledger)

        assert seen.glance == whole.glance
        assert list(seen.points) == list(whole.points)
        assert list(seen.decisions) == list(whole.decisions)
        assert seen.applied == whole.applied

    assert list(watched.glances()) == glances(ledger)


def test_a_report_can_be_made_of_any_ledger(ledger: Both) -> None:
    """What comes back from storage is what the page is made of."""
    rollout = enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=rollout.generation)

    page = to_html(report_of(KEY.job_id, ledger=ledger, records=ledger, at=NOW))

    assert 'id="decision-1"' in page
