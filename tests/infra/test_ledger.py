"""The ledger and the policies: what must not get lost, and what people wrote."""

from pathlib import Path

import pytest

from infra.errors import SynthesisError
from infra.policies import compile_all
from infra.stack import POLICIES
from tests.infra.conftest import POLICY
from tests.infra.synthesized import Synthesized
from tidegate.documents.policy import parse_policy_json


def test_the_ledger_outlives_its_stack_in_aws(aws: Synthesized) -> None:
    """
    Nobody deletes the record of what was decided by deleting the stack, or by replacing the table.

    A first deployment that fails takes its empty table along, which deletion protection would
    prevent.
    """
    table = aws.one("AWS::DynamoDB::Table")

    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert "DeletionProtectionEnabled" not in table["Properties"]
    assert "TableName" not in table["Properties"]


def test_the_ledger_goes_with_its_stack_locally(local: Synthesized) -> None:
    """The embedded cloud is cleaned up without a trace."""
    table = local.one("AWS::DynamoDB::Table")

    assert table["DeletionPolicy"] == "Delete"


def test_the_ledger_can_be_restored_and_forgets_by_itself(aws: Synthesized) -> None:
    """Point-in-time recovery, encryption and expiry are on; capacity follows the load."""
    table = aws.one("AWS::DynamoDB::Table")["Properties"]

    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]


def test_policies_are_put_where_enroll_looks(aws: Synthesized) -> None:
    """A policy's parameter is named after it and holds what ``enroll`` reads."""
    (parameter,) = aws.of_type("AWS::SSM::Parameter").values()
    document = parse_policy_json(parameter["Value"], source="parameter")

    assert parameter["Name"] == "/tidegate/policies/firmware"
    assert document.compile().harm.acceptable_rate == 0.02


def test_an_invalid_policy_stops_the_synthesis(tmp_path: Path) -> None:
    """What is wrong with a policy is said before anything is deployed, with file and place."""
    (tmp_path / "pumps.yaml").write_text(POLICY.replace("2%", "200%"))

    with pytest.raises(SynthesisError, match=r"pumps\.yaml.*acceptable_rate"):
        compile_all(tmp_path)


def test_two_policies_of_one_name_stop_the_synthesis(tmp_path: Path) -> None:
    """A policy is bound by its name, which therefore names one."""
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(POLICY)

    with pytest.raises(SynthesisError, match=r"two\.yaml.*'firmware'.*rename one"):
        compile_all(tmp_path)


def test_a_policy_too_long_for_its_parameter_stops_the_synthesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameter Store's limit is told here, not by a deployment that rolls back."""
    (tmp_path / "pumps.yaml").write_text(POLICY)
    monkeypatch.setattr("infra.policies.PARAMETER_BYTES_MAX", 10)

    with pytest.raises(SynthesisError, match=r"pumps\.yaml.*takes 10: shorten it"):
        compile_all(tmp_path)


def test_the_examples_come_with_the_stack(local: Synthesized) -> None:
    """Every policy in ``policies/`` is there for a rollout to name, in its environment's place."""
    names = {each["Name"] for each in local.of_type("AWS::SSM::Parameter").values()}

    assert local.outputs["PolicyPrefix"] == "/tidegate/stage/policies/"
    assert names == {f"/tidegate/stage/policies/{path.stem}" for path in POLICIES.glob("*.yaml")}
