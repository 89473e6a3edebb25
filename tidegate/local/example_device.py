"""The example device as a process of its own, with a certificate of the embedded cloud."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tidegate.local.cloud import MQTT_HOST, REPOSITORY, EmbeddedCloud, stop_group, tail
from tidegate.local.errors import LocalCloudError

if TYPE_CHECKING:
    from types import TracebackType

DEVICES_PYTHON = REPOSITORY / ".venv-devices" / "bin" / "python"
EXAMPLES = REPOSITORY / "examples"
POLICY = EXAMPLES / "device" / "policy.json"
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What a thing shows to prove that it is itself.

    Attributes:
        thing: Its name.
        certificate: PEM file of its certificate.
        key: PEM file of its private key.
    """

    thing: str
    certificate: Path
    key: Path


def issue(cloud: EmbeddedCloud, thing: str, policy: Path = POLICY) -> Identity:
    """
    Have the cloud issue a certificate for a thing.

    Args:
        cloud: A running cloud.
        thing: Name of a registered thing.
        policy: What the certificate allows; the example's by default.

    Returns:
        The identity; its files are in the cloud's folder, and go with it.
    """
    iot = cloud.client("iot")
    name = policy.parent.name
    with contextlib.suppress(iot.exceptions.ResourceAlreadyExistsException):  # by another thing
        iot.create_policy(policyName=name, policyDocument=policy.read_text())
    issued = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName=name, target=issued["certificateArn"])
    iot.attach_thing_principal(thingName=thing, principal=issued["certificateArn"])
    identity = Identity(
        thing, cloud.directory / f"{thing}.cert.pem", cloud.directory / f"{thing}.key.pem"
    )
    identity.certificate.write_text(issued["certificatePem"])
    identity.key.touch(PRIVATE)
    identity.key.write_text(issued["keyPair"]["PrivateKey"])
    return identity


class ExampleDevice:
    """
    The example device, which runs while the `with` block lasts.

    Args:
        cloud: A running cloud that speaks MQTT.
        identity: Which thing it is.
        hardware: What it is.
        step_seconds: How long each of its steps takes.

    Attributes:
        folder: What survives its reboots.
        log_path: What it wrote.
        command: What starts it, in `EXAMPLES`.
    """

    def __init__(
        self,
        cloud: EmbeddedCloud,
        identity: Identity,
        *,
        hardware: str = "A",
        step_seconds: float = 1.0,
    ) -> None:
        self.folder = cloud.directory / identity.thing
        self.log_path = cloud.directory / f"{identity.thing}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.command = [
            *(str(DEVICES_PYTHON), "-m", "device"),
            *("--thing", identity.thing),
            *("--endpoint", MQTT_HOST),
            *("--port", str(cloud.mqtt_port)),
            *("--certificate", str(identity.certificate)),
            *("--key", str(identity.key)),
            *("--ca", str(cloud.ca_path)),
            *("--folder", str(self.folder)),
            *("--hardware", hardware),
            *("--step-seconds", str(step_seconds)),
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            stop_group(self._process)
        if failure is None:
            self.check()

    @property
    def exit_status(self) -> int | None:
        """How the process ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """
        Start it, or start it again after it ended.

        Raises:
            LocalCloudError: If its environment is missing.
        """
        if not DEVICES_PYTHON.is_file():
            message = f"{DEVICES_PYTHON} is missing: run `make setup`"
            raise LocalCloudError(message)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=EXAMPLES,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Cut its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """
        Make sure that it has not ended by itself.

        Raises:
            LocalCloudError: If it has; the message ends with its last lines.
        """
        if self.exit_status not in {None, 0}:
            last = "\n".join(tail(self.log_path))
            message = f"the example device ended with {self.exit_status}; its log ends:\n{last}"
            raise LocalCloudError(message)
