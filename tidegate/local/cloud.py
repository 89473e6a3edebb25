"""The embedded cloud as a context manager: a private AWS on loopback that leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from tidegate.local.errors import LocalCloudError
from tidegate.local.ministack_launcher import SCRATCH_PREFIX

if TYPE_CHECKING:
    from types import TracebackType

REPOSITORY = Path(__file__).resolve().parents[2]
CLOUD_PYTHON = REPOSITORY / ".venv-cloud" / "bin" / "python"
LAUNCHER = Path(__file__).with_name("ministack_launcher.py")

ACCOUNT_ID = "111122223333"
REGION = "us-east-1"
MINUTE_SECONDS = 60.0

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
MEMORY_FREE_BYTES_MIN = 4 * 1024**3

LOOPBACK = "127.0.0.1"
MQTT_HOST = "localhost"
"""The name in the certificate that devices check."""

# Below the range from which systems take the local ports of outgoing connections.
CANDIDATE_PORTS = range(20_000, 30_000)
PORT_ATTEMPTS = 50
START_LIMIT_SECONDS = 120.0
START_POLL_SECONDS = 0.05
STOP_LIMIT_SECONDS = 10.0
CLIENT_ATTEMPTS = 5
LOG_LINES_SHOWN = 15

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""All that the cloud sees of its starter's environment: no credentials, profiles or proxies."""


class EmbeddedCloud:
    """
    AWS on loopback for as long as the `with` block lasts.

    Entering starts it and waits until it answers; leaving stops it and deletes what it left,
    except for logs that an error has referred to.

    Args:
        port: Port to serve on; a free one by default.
        minute_seconds: Real seconds that a minute of AWS IoT Jobs takes.
        enforce_iam: Whether requests are held against IAM policies.
        mqtt: Whether devices can connect by MQTT over TLS, with certificates of this cloud.
        account_id: The account, 12 digits; also the access key of its root user.
        region: The region.
        python: Interpreter of the environment that holds MiniStack.

    Attributes:
        account_id: As given.
        region: As given.
        minute_seconds: As given.
        directory: A private folder, there while the cloud runs.
        mqtt_port: Where MQTT is spoken, on `MQTT_HOST`; 0 if it is not.

    Raises:
        LocalCloudError: On entering, if MiniStack is missing, the port is in use, or the cloud
            ends or does not answer in time.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        minute_seconds: float = MINUTE_SECONDS,
        enforce_iam: bool = False,
        mqtt: bool = False,
        account_id: str = ACCOUNT_ID,
        region: str = REGION,
        python: Path = CLOUD_PYTHON,
    ) -> None:
        self.account_id = account_id
        self.region = region
        self.minute_seconds = minute_seconds
        self.directory = Path()
        self.mqtt_port = 0
        self._wanted_port = port
        self._port = 0
        self._enforce_iam = enforce_iam
        self._mqtt = mqtt
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """The file that holds what the cloud wrote."""
        return self.directory / "cloud.log"

    @property
    def temporary_directory(self) -> Path:
        """The cloud's `TMPDIR`; always deleted at the end."""
        return self.directory / "tmp"

    @property
    def endpoint_url(self) -> str:
        """The URL that stands for every AWS service."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def ca_path(self) -> Path:
        """The certificate that devices trust, as PEM; there if MQTT is spoken."""
        return self.directory / "ca.pem"

    def __enter__(self) -> Self:
        if not self._python.is_file():
            message = f"{self._python} is missing: run `make setup`"
            raise LocalCloudError(message)
        self._port = free_port() if self._wanted_port is None else self._wanted_port
        require_free(self._port)
        self.mqtt_port = free_port() if self._mqtt else 0
        self.directory = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=scratch_parent()))
        self.temporary_directory.mkdir()
        try:
            self._process = self._launch()
            self._wait_until_healthy(self._process)
            if self._mqtt:
                self.ca_path.write_bytes(self._get("/_ministack/iot/ca.pem"))
        except BaseException as failure:
            self._end(failure)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(failure)

    def check(self) -> None:
        """
        Make sure that the cloud still runs.

        Raises:
            LocalCloudError: If it stopped or was never started.
        """
        if self._process is None or self._process.poll() is not None:
            raise LocalCloudError(self._obituary("the embedded cloud stopped"))

    def environment(self) -> dict[str, str]:
        """
        Give the environment in which a subprocess sees this cloud as AWS.

        Returns:
            This process's own environment, with everything about AWS replaced: no profile, no
            configuration file and no credentials but this cloud's.
        """
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        bypassed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        no_proxy = ",".join(filter(None, (bypassed, LOOPBACK, "localhost")))
        return own | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.account_id,
            "AWS_SECRET_ACCESS_KEY": "local",  # not a secret: loopback root keys are not checked
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }

    def client(self, service: str, *, connections: int = 10) -> Any:  # noqa: ANN401 - by name
        """
        Create a boto3 client for this cloud, whatever this process's own AWS settings are.

        Args:
            service: The service's name in boto3.
            connections: How many threads are to use the client at once.

        Returns:
            The client; annotate it with its class from the type stubs.
        """
        unset = (None, None, None, None)
        core = botocore.session.Session(
            session_vars={
                "profile": unset,
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        session = boto3.Session(
            aws_access_key_id=self.account_id,
            aws_secret_access_key="local",  # noqa: S106 - not a secret, see environment()
            region_name=self.region,
            botocore_session=core,
        )
        return session.client(
            service,
            endpoint_url=self.endpoint_url,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": CLIENT_ATTEMPTS},
                max_pool_connections=connections,
                proxies={},
            ),
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [
            *(str(self._python), "-P", str(LAUNCHER)),
            *("--port", str(self._port)),
            *("--account", self.account_id),
            *("--region", self.region),
            *("--minute-seconds", str(self.minute_seconds)),
            *("--parent", str(os.getpid())),
            *("--scratch", str(self.directory)),
            *(["--enforce-iam"] if self._enforce_iam else []),
            *(["--mqtt-port", str(self.mqtt_port)] if self._mqtt else []),
        ]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment |= {
            "TMPDIR": str(self.temporary_directory),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        with self.log_path.open("wb") as log:
            return subprocess.Popen(
                command,
                env=environment,
                cwd=self.temporary_directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its workers share its process group and end with it
            )

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise LocalCloudError(self._obituary("the embedded cloud did not start"))
            if self._answers():
                return
            time.sleep(START_POLL_SECONDS)
        missed = f"the embedded cloud did not answer within {START_LIMIT_SECONDS:.0f} s"
        raise LocalCloudError(self._obituary(missed))

    def _answers(self) -> bool:
        try:
            health = json.loads(self._get("/_ministack/health"))
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return (
            isinstance(health, dict)
            and health.get("edition") == self.directory.name
            and (not self._mqtt or health.get("iot_mtls") == "listening")
        )

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=START_LIMIT_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def _obituary(self, what: str) -> str:
        if not self.log_path.is_file():
            return what
        last = "\n".join(tail(self.log_path))
        return f"{what}; its log is at {self.log_path}" + (f" and ends:\n{last}" if last else "")

    def _end(self, failure: BaseException | None) -> None:
        if self._process is not None:
            stop_group(self._process)
        shutil.rmtree(self.temporary_directory, ignore_errors=True)
        refers_to_log = failure is not None and str(self.directory) in str(failure)
        if not refers_to_log:
            shutil.rmtree(self.directory, ignore_errors=True)


def scratch_parent() -> Path | None:
    """
    Find where the cloud's private folder is best kept.

    Each worker of each Lambda unpacks the whole package: thousands of small files, which on a
    disk take longer to write and delete than everything else that the cloud does.

    Returns:
        Memory, if there is plenty; None for the system's own choice.
    """
    try:
        plenty = shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_FREE_BYTES_MIN
    except OSError:
        return None
    return MEMORY_FOLDER if plenty and os.access(MEMORY_FOLDER, os.W_OK) else None


def free_port() -> int:
    """
    Find a port on loopback that nobody listens on.

    Returns:
        The port; somebody else may still take it first.

    Raises:
        LocalCloudError: If none of a number of candidates is free.
    """
    for port in random.sample(CANDIDATE_PORTS, PORT_ATTEMPTS):
        with contextlib.suppress(LocalCloudError):
            require_free(port)
            return port
    message = (
        f"none of {PORT_ATTEMPTS} ports tried between {CANDIDATE_PORTS.start} and "
        f"{CANDIDATE_PORTS.stop} is free: stop something, or name a free port"
    )
    raise LocalCloudError(message)


def require_free(port: int) -> None:
    """
    Make sure that a port can be listened on.

    Args:
        port: The port on loopback.

    Raises:
        LocalCloudError: If it is in use or not permitted.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as refusal:
            message = (
                f"port {port} on {LOOPBACK} cannot be used ({refusal.strerror}): stop what "
                "listens there or choose another port"
            )
            raise LocalCloudError(message) from refusal


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """
    Stop a process that leads a group of its own, and the whole group with it.

    Args:
        process: The leader. It gets a few seconds to end by itself.
    """
    gone = (ProcessLookupError, PermissionError)  # macOS says the latter of a dead group
    with contextlib.suppress(*gone):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_SECONDS)
    with contextlib.suppress(*gone):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(log: Path) -> list[str]:
    """
    Read the last lines of a log.

    Args:
        log: The file.

    Returns:
        At most a screenful of lines.
    """
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
