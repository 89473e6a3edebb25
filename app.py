"""The CDK app: ``npx cdk deploy`` puts Tidegate into an AWS account."""

from aws_cdk import App

from infra.settings import Settings
from infra.stack import TidegateStack

app = App(analytics_reporting=False)
settings = Settings.from_context(app)
TidegateStack(app, settings.stack_name, settings=settings)
app.synth()
