"""The launcher's own decisions; what its wraps achieve is proven on the running cloud."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import ModuleType

import pytest

from tidegate.local import ministack_launcher as launcher

OPTIONS = ["--port", "4566", "--account", "111122223333", "--region", "eu-west-1"]


def module(**names: object) -> ModuleType:
    """Make a module that holds these names."""
    made = ModuleType("ministack.services.example")
    vars(made).update(names)
    return made


def test_another_ministack_is_refused_with_the_remedy() -> None:
    """Internals differ between releases, so only the one they were read in may run."""
    launcher.require_version(launcher.MINISTACK_VERSION)

    with pytest.raises(launcher.UnsupportedMiniStackError, match=r"1\.6\.0.*make setup"):
        launcher.require_version("1.6.0")


def test_a_wrapped_name_that_is_gone_is_refused() -> None:
    """A wrap of nothing would silently have no effect."""
    with pytest.raises(launcher.UnsupportedMiniStackError, match=r"example\._describe_job is gone"):
        launcher.require(module(), "_describe_job", "job_id")


@pytest.mark.parametrize("found", [Path.rename, Path.exists, 7], ids=["more", "other", "value"])
def test_a_wrapped_function_with_other_parameters_is_refused(found: object) -> None:
    """A wrap would hand its arguments to the wrong parameters."""
    with pytest.raises(launcher.UnsupportedMiniStackError, match="was expected"):
        launcher.require(module(_describe_job=found), "_describe_job", "job_id")


@pytest.mark.parametrize(("enforce", "auth"), [([], "false"), (["--enforce-iam"], "true")])
def test_settings_keep_the_cloud_on_loopback_and_off_docker(enforce: list[str], auth: str) -> None:
    """Nobody else on the network may reach it, and no container of the user's may be touched."""
    settings = launcher.settings(launcher.parse([*OPTIONS, *enforce]))

    assert settings["BIND_HOST"] == "127.0.0.1"
    assert settings["IOT_MTLS_ENABLED"] == "0"
    assert settings["DOCKER_HOST"] == "unix:///nonexistent/docker.sock"
    assert settings["AUTH"] == auth


def test_mqtt_listens_where_it_is_told_and_on_loopback_alone() -> None:
    """The listener's own start, which takes all interfaces, is never used."""
    settings = launcher.settings(launcher.parse([*OPTIONS, "--mqtt-port", "28883"]))
    assert (settings["IOT_MTLS_ENABLED"], settings["IOT_MTLS_PORT"]) == ("1", "28883")

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    iot: ModuleType = module(
        _MtlsAcceptor=asyncio.Protocol,
        _mtls_server=None,
        mtls_is_listening=lambda: vars(iot)["_mtls_server"] is not None,
        _mtls_start_locked=lambda: pytest.fail("all interfaces"),
    )
    launcher.keep_mqtt_on_loopback(iot, port)

    async def start_twice() -> list[tuple[str, int]]:
        await vars(iot)["_mtls_start_locked"]()
        await vars(iot)["_mtls_start_locked"]()
        async with vars(iot)["_mtls_server"] as server:
            return [listener.getsockname() for listener in server.sockets]

    assert asyncio.run(start_twice()) == [("127.0.0.1", port)]


@pytest.mark.parametrize(("configured", "expected"), [(30, 0.5), (None, None)])
def test_timeouts_shrink_with_the_minute(configured: int | None, expected: float | None) -> None:
    """A timeout of 30 minutes lasts 30 seconds where a minute lasts one; no timeout stays none."""

    def timeout(execution: object, job: object) -> int | None:
        return configured

    iot = module(_JOB_ROLLOUT_INTERVAL_MS=60_000, _jobs_timeout_minutes=timeout)

    launcher.compress_minutes(iot, minute_seconds=1.0)

    assert vars(iot)["_jobs_timeout_minutes"]({}, {}) == expected
    assert vars(iot)["_JOB_ROLLOUT_INTERVAL_MS"] == 1000


def test_a_thing_with_an_open_execution_gets_no_second_one() -> None:
    """Only a finished execution may be followed by another of the same job."""
    executions: dict[tuple[str, str], dict[str, str]] = {}
    queued = []

    def queue(thing: str, job_id: str, now: int) -> None:
        queued.append(thing)
        executions[thing, job_id] = {"status": "QUEUED"}

    iot = module(
        _job_executions=executions, _JOB_EXECUTION_TERMINAL={"FAILED"}, _jobs_queue_execution=queue
    )
    launcher.queue_each_thing_once(iot)
    queue_once = vars(iot)["_jobs_queue_execution"]

    queue_once("pump", "job", 0)
    queue_once("pump", "job", 0)
    executions["pump", "job"]["status"] = "FAILED"
    queue_once("pump", "job", 0)

    assert queued == ["pump", "pump"]


@pytest.mark.parametrize(
    ("address", "secure", "expected"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("192.0.2.7", False, False),
        ("192.0.2.7", True, True),
    ],
)
def test_only_loopback_counts_as_tls(address: str, secure: bool, expected: bool) -> None:  # noqa: FBT001
    """Policies that demand TLS hold for every other address as they do in AWS."""
    pinned = []

    def pin(source_ip: str, secure_transport: bool) -> None:  # noqa: FBT001
        pinned.append((source_ip, secure_transport))

    app = module(pin_request_origin=pin)
    launcher.trust_loopback(app)

    vars(app)["pin_request_origin"](address, secure)

    assert pinned == [(address, expected)]


TRACE = "Traceback (most recent call last):\n  File 'x.py', line 1, in <module>\n"


@pytest.mark.parametrize(
    ("message", "log", "expected"),
    [
        ("no such rollout", f"{TRACE}rollouts.RolloutGone: no such rollout\n", "RolloutGone"),
        ("", f"{TRACE}KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("'a'", f"INFO start\n{TRACE}KeyError: 'a'\n", "KeyError"),
        ("1 error\n  field: bad\n", f"{TRACE}lib.Invalid: 1 error\n  field: bad\n", "Invalid"),
        ("Task timed out", "the log says nothing", None),
        ("", "", None),
    ],
)
def test_the_raised_class_is_read_off_the_traceback(
    message: str, log: str, expected: str | None
) -> None:
    """Catch and Retry match on the bare class name; anything else is left as it was."""
    assert launcher.raised_class(message, log) == expected
