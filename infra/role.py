"""Roles of services, and principals for policies."""

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import Aws
from aws_cdk.aws_iam import IPrincipal, IRole, PolicyStatement, Role, ServicePrincipal
from constructs import Construct

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


def service(name: str, conditions: Conditions | None = None) -> IPrincipal:
    """Return a service of AWS as a principal, under conditions on what it acts for."""
    # The bindings name parameters unlike the interfaces do, so no checker sees the relation.
    return cast("IPrincipal", ServicePrincipal(f"{name}.amazonaws.com", conditions=conditions))


def acting_for(arns: Sequence[str]) -> Conditions:
    """Return the conditions under which a service may act only for these resources of ours."""
    return {
        "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
        "ArnLike": {"aws:SourceArn": arns},
    }


def service_role(
    scope: Construct, construct_id: str, principal: IPrincipal, *, description: str
) -> IRole:
    """Return a role that can do nothing yet."""
    role = Role(scope, construct_id, assumed_by=principal, description=description)
    return cast("IRole", role)


def allow(
    role: IRole,
    *actions: str,
    on: Sequence[str],
    when: Conditions | None = None,
) -> None:
    """Let a role do something."""
    role.add_to_principal_policy(
        PolicyStatement(actions=list(actions), resources=list(on), conditions=when)
    )
