"""Topics that people subscribe to, and the key that encrypts what is on them."""

from typing import cast

from aws_cdk import Aws, RemovalPolicy
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_kms import IKey, Key
from aws_cdk.aws_sns import ITopicSubscription, Topic
from aws_cdk.aws_sns_subscriptions import EmailSubscription
from constructs import Construct

from infra.role import service
from infra.settings import Settings


def topic_key(scope: Construct, construct_id: str) -> Key:
    """Return a key for topics: the one that AWS manages for SNS is closed to other services."""
    key = Key(
        scope,
        construct_id,
        description="Encrypts what Tidegate tells people, on its way.",
        enable_key_rotation=True,
        removal_policy=RemovalPolicy.DESTROY,
    )
    own_account = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    for principal in (
        service("cloudwatch", own_account),
        # Between EventBridge and an encrypted topic such a condition keeps all messages out:
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        service("events"),
    ):
        key.add_to_resource_policy(
            PolicyStatement(
                principals=[principal],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
            )
        )
    return key


def new_topic(
    scope: Construct,
    construct_id: str,
    settings: Settings,
    *,
    name: str,
    key: Key,
    email: str | None = None,
) -> Topic:
    """
    Return an encrypted topic that takes nothing in the clear.

    Args:
        scope: Where it belongs.
        construct_id: Its id there.
        settings: The deployment's choices.
        name: Its name within the environment.
        key: What encrypts it.
        email: The only subscriber; nobody by default.
    """
    topic = Topic(
        scope,
        construct_id,
        topic_name=settings.name_of(name),
        display_name="Tidegate",
        master_key=cast("IKey", key),
        enforce_ssl=True,
    )
    if email:
        topic.add_subscription(cast("ITopicSubscription", EmailSubscription(email)))
    return topic
