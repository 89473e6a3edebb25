"""The command line at a real terminal, on the deployed stack: what people see and type."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.e2e.stack import POLICY, DeployedStack, eventually
from tidegate.cli.exits import ExitStatus

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here"),
]

TIDEGATE = Path(sys.executable).with_name("tidegate")
ROWS = 40
TMUX_SECONDS = 20.0

T = TypeVar("T")
Open = Callable[[int], "Terminal"]


class Terminal:
    """A shell in a terminal that nobody but the test looks at."""

    def __init__(self, name: str, columns: int, environment: dict[str, str]) -> None:
        """Open one of so many columns."""
        self.columns = columns
        self._server = ["tmux", "-L", name, "-f", "/dev/null"]
        self._environment = environment
        self._command = 0
        size = ("-x", f"{columns}", "-y", f"{ROWS}")
        self._tmux("new-session", "-d", *size, "bash --norc --noprofile")

    def close(self) -> None:
        """End the shell and all that runs in it."""
        self._tmux("kill-server")

    def keys(self, *keys: str) -> None:
        """Press keys, by their names in tmux."""
        self._tmux("send-keys", *keys)

    def type_in(self, line: str) -> None:
        """Type a line."""
        self._tmux("send-keys", "-l", line)
        self.keys("Enter")

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command to its end; return its exit status and the screen."""
        self.begin(*words)
        return self.end()

    def begin(self, *words: str) -> None:
        """Begin a command on a clear screen."""
        self._command += 1
        self.type_in(f'clear; {shlex.join(words)}; echo "[{self._command}:$?]"')

    def end(self) -> tuple[int, str]:
        """Wait until the command ends; return its exit status and the screen."""
        told = re.compile(rf"^\[{self._command}:(\d+)\]$", re.MULTILINE)
        found = self._eventually(lambda: told.search(self.screen), "the command to end")
        return int(found[1]), self.screen

    def shows(self, *texts: str) -> str:
        """Wait until all texts are on the screen; return it."""

        def look() -> str | None:
            screen = self.screen
            return screen if all(each in screen for each in texts) else None

        return self._eventually(look, f"{texts} on the screen")

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def _eventually(self, look: Callable[[], T | None], what: str) -> T:
        """Wait for something to see; what is on the screen instead is told."""
        try:
            return eventually(look, what)
        except AssertionError as missed:
            missed.add_note(self.screen)
            raise

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            [*self._server, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=TMUX_SECONDS,
        )
        return done.stdout


@pytest.fixture
def open_terminal(stack: DeployedStack, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Return an opener of terminals of so many columns, where `tidegate` reaches the stack."""
    environment = {
        **stack.cloud.environment(),
        "HOME": str(stack.cloud.directory),
        "LANG": "C.UTF-8",
        "PATH": f"{TIDEGATE.parent}:/usr/bin:/bin",
        "PS1": "$ ",
        "TERM": "screen-256color",
    }
    opened: list[Terminal] = []

    def open_one(columns: int) -> Terminal:
        name = f"tidegate-{request.node.name[:40]}-{columns}"
        opened.append(Terminal(name, columns, environment))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@contextmanager
def going_on(stack: DeployedStack, job_id: str) -> Iterator[list[str]]:
    """Let a rollout to three things go on; give their names, and abort it in the end."""
    names, arn = stack.group(job_id, 3)
    stack.job(job_id, [arn])
    stack.command("Enroll Job", jobId=job_id, policy=POLICY)
    stack.enrolled(job_id)
    yield names
    stack.abort(job_id)


@pytest.mark.parametrize("columns", [60, 120])
def test_a_rollout_is_watched_until_one_has_seen_enough(
    stack: DeployedStack, open_terminal: Open, columns: int
) -> None:
    """Progress is drawn in place, at any width; an interrupt leaves the rollout as it is."""
    job_id = f"watched-{columns}"
    terminal = open_terminal(columns)
    with going_on(stack, job_id) as names:
        terminal.begin("tidegate", "watch", job_id, "--interval", "0.5")
        terminal.shows("exposed", "3 at ")
        stack.report(names[0], job_id, "FAILED")
        terminal.shows("█", "beyond")
        terminal.keys("C-c")
        status, screen = terminal.end()

        assert status == ExitStatus.INTERRUPTED
        assert f"no longer watching {job_id}, which goes on" in " ".join(screen.split())
        assert stack.enrolled(job_id).ending is None
        assert max(map(len, screen.splitlines())) <= columns
        assert terminal.run("echo", "still here")[0] == 0


def test_an_operator_works_from_a_terminal(
    stack: DeployedStack, open_terminal: Open, tmp_path: Path
) -> None:
    """Hold, see why, resume, abort once asked again: each command says what became of it."""
    terminal = open_terminal(120)
    stack.job("by-hand", [stack.group("typed", 3)[1]])
    policy = tmp_path / "policy.yaml"
    policy.write_text(json.dumps(POLICY))

    def typed(*words: str) -> tuple[int, str]:
        status, screen = terminal.run("tidegate", *words)
        return status, " ".join(screen.split())

    status, screen = typed("enroll", "by-hand", "--policy", str(policy))
    assert status == ExitStatus.DONE, screen
    status, screen = typed("hold", "by-hand", "--reason", "support is short")
    assert status == ExitStatus.DONE, screen
    status, screen = typed("explain", "by-hand")
    assert (status, "support is short" in screen) == (ExitStatus.DONE, True), screen
    status, screen = typed("resume", "by-hand", "--reason", "all are back")
    assert status == ExitStatus.DONE, screen

    terminal.begin("tidegate", "abort", "by-hand", "--reason", "seen enough")
    terminal.shows("[y/N]")
    terminal.type_in("y")
    status, screen = terminal.end()
    assert status == ExitStatus.DONE, screen
    stack.ended("by-hand")
    status, screen = typed("hold", "by-hand", "--reason", "too late")
    assert (status, "ended" in screen) == (ExitStatus.REFUSED, True), screen
    status, screen = typed("status", "nowhere")
    assert (status, "nowhere" in screen) == (ExitStatus.NOT_FOUND, True), screen


def test_the_shell_completes_commands(open_terminal: Open) -> None:
    """With what `--show-completion` prints, the tabulator key completes a command's name."""
    terminal = open_terminal(100)
    terminal.type_in('eval "$(tidegate --show-completion bash)"; echo is ready')
    terminal.shows("\nis ready")

    terminal.keys("-l", "tidegate expl")
    terminal.keys("Tab")

    terminal.shows("tidegate explain")
