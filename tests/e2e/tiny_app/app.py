"""The smallest CDK application that has an asset-free function, a role and an output."""

import aws_cdk as cdk
from aws_cdk import aws_lambda, aws_sqs

app = cdk.App()
stack = cdk.Stack(app, "Tiny")
queue = aws_sqs.Queue(stack, "Queue", queue_name=app.node.get_context("queue"))
function = aws_lambda.Function(
    stack,
    "Function",
    runtime=aws_lambda.Runtime.PYTHON_3_13,
    handler="index.handler",
    code=aws_lambda.Code.from_inline("def handler(event, context): return event"),
)
queue.grant_send_messages(function)
cdk.CfnOutput(stack, "QueueName", value=queue.queue_name)
app.synth()
