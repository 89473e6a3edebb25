"""What every store of policies does, in memory as in Parameter Store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.adapters.aws.policies import ParameterPolicies
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.errors import NotFound

if TYPE_CHECKING:
    from tidegate.ports import Policies

DOCUMENT = '{"name": "firmware", "für": "alle"}'


@pytest.fixture(params=["memory", "moto"])
def policies(request: pytest.FixtureRequest) -> Policies:
    """Provide a store of each kind with one policy in it."""
    if request.param == "memory":
        return MemoryPolicies({"firmware_v1.2": DOCUMENT})
    client = request.getfixturevalue("moto").client("ssm")
    client.put_parameter(
        Name="/tidegate/policies/firmware_v1.2", Value=DOCUMENT, Type="String", Tier="Standard"
    )
    return ParameterPolicies("/tidegate/policies/", client)


def test_a_policy_is_found_by_its_name(policies: Policies) -> None:
    """The document comes back letter for letter."""
    assert policies.document("firmware_v1.2") == DOCUMENT


@pytest.mark.parametrize("name", ["other", "", "../secret", "a b", "*"])
def test_an_unknown_policy_is_not_found(policies: Policies, name: str) -> None:
    """A name that no policy can have is not found either, and the message says what to do."""
    with pytest.raises(NotFound, match="correct the name"):
        policies.document(name)
