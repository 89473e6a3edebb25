"""
The Lambdas' package: one folder with the project's code and the locked libraries, for one platform.

uv fetches wheels for the Lambda's platform whatever the machine is, so no Docker is needed.
"""

import compileall
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Self, cast

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk.aws_lambda import Architecture, Code, Runtime, RuntimeFamily

from infra.errors import SynthesisError
from infra.settings import Target

REPOSITORY = Path(__file__).parents[1]
HANDLERS = REPOSITORY / "lambdas"
LOCK = HANDLERS / "requirements.txt"

#: Parts of ``tidegate`` that no Lambda runs.
LEFT_OUT = ("adapters/memory", "cli", "lab", "local")

#: Of the console only what the widget shows: its pages need a server.
CONSOLE = "console"
CONSOLE_SHIPPED = (
    "__init__.py",
    "drawing.py",
    "figures.py",
    "links.py",
    "pictures.py",
    "svg.py",
    "view.py",
    "widget.py",
    "widget_style.py",
    "worded.py",
)

#: What uv leaves besides the libraries: its lock, and scripts that name this machine's Python.
RESIDUE = (".lock", "bin", "*.dist-info/RECORD", "**/__pycache__", "**/tests")

INSTALL_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Platform:
    """
    What Lambdas run on.

    Attributes:
        python: Minor version, as in ``3.13``.
        architecture: The processor.
        wheels: uv's name of the platform that wheels must fit; None for this machine.
    """

    python: str
    architecture: Architecture
    wheels: str | None

    @classmethod
    def of(cls, target: Target) -> Self:
        """Return what Lambdas run on there."""
        if target is Target.AWS:
            return cls("3.13", Architecture.ARM_64, "aarch64-manylinux2014")
        arm = platform.machine().lower() in {"aarch64", "arm64"}
        # The embedded cloud runs Lambdas on this machine, by an interpreter of this version.
        return cls(own_python(), Architecture.ARM_64 if arm else Architecture.X86_64, None)

    @property
    def runtime(self) -> Runtime:
        """The Lambda runtime."""
        return Runtime(f"python{self.python}", RuntimeFamily.PYTHON)


def own_python() -> str:
    """Return the minor version of the interpreter that runs this."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def code_for(target: Platform) -> Code:
    """Return the package as an asset, made when the template is written."""
    return Code.from_asset(
        str(HANDLERS),
        asset_hash_type=AssetHashType.OUTPUT,
        bundling=BundlingOptions(
            image=DockerImage.from_registry("never-pulled"),  # the type asks for one
            local=cast("ILocalBundling", LocalBundling(target)),
        ),
    )


@jsii.implements(ILocalBundling)
class LocalBundling:
    """Makes the package when the CDK asks for it."""

    def __init__(self, target: Platform) -> None:
        self._target = target

    def try_bundle(self, output_dir: str, *_: object) -> bool:
        """Make the package; never leaves it to Docker."""
        build(Path(output_dir), self._target)
        return True


def build(folder: Path, target: Platform) -> None:
    """
    Make the package in a folder; the same sources make the same bytes.

    Raises:
        SynthesisError: A tool or a file is missing, or a library could not be had.
    """
    if not LOCK.is_file():
        message = f"{LOCK} is missing: `make lock` writes it"
        raise SynthesisError(message)
    install_libraries(folder, target)
    copy_sources(folder)
    if target.python == own_python():
        compile_sources(folder)
    make_readable(folder)


def install_libraries(folder: Path, target: Platform) -> None:
    """Install the locked libraries, as wheels for the target."""
    command = [
        *(find_uv(), "pip", "install", "--quiet", "--python", sys.executable),
        *("--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK)),
        *("--python-version", target.python),
        *(("--python-platform", target.wheels) if target.wheels else ()),
        # Bytecode would be this interpreter's; links would share modes with uv's cache.
        *("--no-compile-bytecode", "--link-mode", "copy"),
        *("--target", str(folder)),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - arguments of our own
            command,
            # Beside the option above, uv refuses the variable of the same meaning.
            env={name: text for name, text in os.environ.items() if name != "UV_COMPILE_BYTECODE"},
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        message = f"uv did not install {LOCK} within {INSTALL_SECONDS_MAX} s: try again"
        raise SynthesisError(message) from None
    if done.returncode:
        message = f"uv could not install {LOCK} for Python {target.python}:\n{done.stderr.strip()}"
        raise SynthesisError(message)
    for pattern in RESIDUE:
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def find_uv() -> str:
    """Return the path of uv: beside this interpreter, else on the PATH."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("uv", path=beside) or shutil.which("uv")
    if found is None:
        message = f"uv is neither in {beside} nor on the PATH: `pip install -r requirements.txt`"
        raise SynthesisError(message)
    return found


def copy_sources(folder: Path) -> None:
    """Copy the handlers, and of the project what they run."""
    handlers = folder / HANDLERS.name
    handlers.mkdir()
    for source in HANDLERS.glob("*.py"):
        shutil.copyfile(source, handlers / source.name)
    root = REPOSITORY / "tidegate"
    left_out = {str(root / part) for part in LEFT_OUT}

    def ignored(parent: str, names: list[str]) -> list[str]:
        of_console = Path(parent) == root / CONSOLE
        return [
            name
            for name in names
            if name == "__pycache__"
            or str(Path(parent, name)) in left_out
            or (of_console and name not in CONSOLE_SHIPPED)
        ]

    shutil.copytree(root, folder / root.name, ignore=ignored, copy_function=shutil.copyfile)


def compile_sources(folder: Path) -> None:
    """
    Ship bytecode, since a Lambda cannot write any: it starts in half the time.

    It names the sources as they lie in a Lambda, and refers to them by their hash and not by the
    time of this build, so that the same sources make the same bytes.
    """
    compileall.compile_dir(
        folder,
        quiet=2,
        stripdir=str(folder),
        prependdir="/var/task",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def make_readable(folder: Path) -> None:
    """Let everyone read it, whatever this machine's umask: Lambda does so as another user."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
