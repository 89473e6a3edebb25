"""The stacks that most tests look at: made once."""

import os

# The CDK's own checks of a template take seconds; one test asks for them.
os.environ["CDK_VALIDATION"] = "false"
# The bindings warn of Node 20 at length; the variable names the versions to keep quiet about.
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"

from pathlib import Path

import pytest

from tests.infra.synthesized import Synthesized

POLICY = """\
name: firmware
harm:
  acceptable_rate: 2%
"""

PRESIGN_ROLE = "arn:aws:iam::111122223333:role/presign"


@pytest.fixture(scope="session")
def policies_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one policy."""
    folder = tmp_path_factory.mktemp("policies")
    (folder / "firmware.yaml").write_text(POLICY)
    return folder


@pytest.fixture(scope="session")
def aws(policies_folder: Path) -> Synthesized:
    """Return the stack as it goes to AWS by default."""
    return Synthesized({}, policies_folder)


@pytest.fixture(scope="session")
def local() -> Synthesized:
    """Return the stack for the embedded cloud, with every other choice made differently too."""
    return Synthesized(
        {
            "target": "local",
            "environment": "stage",
            "minuteSeconds": "1.5",
            "logRetentionDays": "7",
            "alarmEmail": "ops@example.com",
            "approvalEmail": "release-desk@example.com",
            "accountHarmBudget": "40",
            "presignRoleArns": PRESIGN_ROLE,
            "tracing": "false",
        }
    )
