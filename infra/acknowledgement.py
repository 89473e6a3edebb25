"""Findings of cdk-nag that stay, each with its reason."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """
    Let a rule of the AWS Solutions pack rest for a construct and all within it.

    Args:
        construct: Where the finding is.
        rule: The rule without the pack's name, as in ``SQS3``.
        reason: Why it may rest.
    """
    acknowledgment = Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason)
    Validations.of(construct).acknowledge(acknowledgment)


def acknowledge_wildcard(construct: IConstruct, resource: str, reason: str) -> None:
    """Let a permission of a role cover all resources that a pattern matches."""
    pattern = flatten(Stack.of(construct).resolve(resource))
    acknowledge(construct, f"IAM5[Resource::{pattern}]", reason)


def flatten(value: Any) -> str:  # noqa: ANN401 - a CloudFormation value is any JSON
    """Write a CloudFormation value the way cdk-nag writes it in the id of a finding."""
    match value:
        case {"Fn::Join": [delimiter, parts]}:
            return delimiter.join(map(flatten, parts))
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return str(value)
