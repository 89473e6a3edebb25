"""The ledger: the DynamoDB table that holds rollouts, decisions, holds and outcomes."""

from aws_cdk import RemovalPolicy
from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    Table,
    TableEncryption,
)
from constructs import Construct

from infra.handler import Handler
from infra.settings import Settings, Target


class Ledger(Construct):
    """
    What Tidegate remembers.

    In AWS it outlives its stack: it is the record of what was decided, and why. Only a first
    deployment that fails takes along the empty table that it made. DynamoDB's deletion protection
    would stand in the way of that, so it is off: of a table that is deleted by hand, point-in-time
    recovery keeps a last backup for 35 days.

    Attributes:
        table: The table.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        lasting = settings.target is Target.AWS
        self.table = Table(
            self,
            "Table",
            # CloudFormation names it: with a name of ours, a table that outlived its stack would
            # stand in the way of the next.
            partition_key=Attribute(name="pk", type=AttributeType.STRING),
            sort_key=Attribute(name="sk", type=AttributeType.STRING),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires_at",
            encryption=TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=(
                RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if lasting else RemovalPolicy.DESTROY
            ),
        )

    def let_read(self, handler: Handler) -> None:
        """Let a Lambda read items, and write none."""
        handler.knows(TIDEGATE_LEDGER_TABLE=self.table.table_name)
        handler.may(
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:Query",
            on=[self.table.table_arn],
        )

    def give_to(self, handler: Handler) -> None:
        """Let a Lambda read and write items, in transactions or not; none may delete any."""
        handler.knows(TIDEGATE_LEDGER_TABLE=self.table.table_name)
        handler.may(
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            on=[self.table.table_arn],
        )
