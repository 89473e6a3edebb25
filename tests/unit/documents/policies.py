"""Policies as YAML texts, and what is told of them."""

import pytest

from tidegate.documents.policy import PolicyError, parse_policy_yaml
from tidegate.domain.policy import Policy


def compiled(text: str) -> Policy:
    """Return the policy of a YAML text that needs no name."""
    return parse_policy_yaml(f"name: a\n{text}", source="p.yaml").compile()


def told_of(text: str) -> list[str]:
    """Return what is told of such a text, line by line."""
    with pytest.raises(PolicyError) as caught:
        parse_policy_yaml(f"name: a\n{text}", source="p.yaml")
    return str(caught.value).splitlines()
