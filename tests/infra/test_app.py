"""The app as people run it: the whole template, the package in it, and what checkers say."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from aws_cdk import App, Stack
from aws_cdk.aws_sqs import Queue
from cdk_nag import AwsSolutionsChecks

from infra import package
from infra.errors import SynthesisError
from infra.package import Platform
from infra.settings import Target
from tests.infra.synthesized import FEATURE_FLAGS, REPOSITORY, Synthesized


def run_app(folder: Path, context: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """Run ``app.py`` as the CDK's command line does, with neither credentials nor region."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name != "CDK_VALIDATION"
    }
    environment["CDK_OUTDIR"] = str(folder)
    environment["CDK_CONTEXT_JSON"] = json.dumps({**FEATURE_FLAGS, **context})
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what ``app.py`` writes for AWS, with all of the CDK's own checks on."""
    folder = tmp_path_factory.mktemp("cdk.out")
    done = run_app(folder, {})
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def packaged(assembly: Path) -> Path:
    """Return the folder of the Lambdas' package."""
    (folder,) = (path for path in assembly.glob("asset.*") if path.is_dir())
    return folder


def test_cloudformation_will_take_the_template(assembly: Path) -> None:
    """The CDK's own validation of the template against CloudFormation's schemas finds nothing."""
    report = json.loads((assembly / "validation-report.json").read_text())

    assert report["pluginReports"] == []
    assert (assembly / "Tidegate.template.json").is_file()


def test_a_template_fits_any_account(assembly: Path) -> None:
    """Neither account nor region is written into it: who deploys says where."""
    manifest = json.loads((assembly / "manifest.json").read_text())

    assert (
        manifest["artifacts"]["Tidegate"]["environment"] == "aws://unknown-account/unknown-region"
    )


def test_libraries_are_built_for_the_lambdas_platform(packaged: Path) -> None:
    """Every binary in the package is for Python 3.13 on arm64, whatever this machine is."""
    binaries = [path.name for path in packaged.rglob("*.so")]

    assert binaries
    assert not [name for name in binaries if "cpython-313-aarch64-linux-gnu" not in name]


def test_the_package_holds_what_lambdas_run(packaged: Path) -> None:
    """It holds the handlers, the code behind them and the locked libraries; boto3 is AWS's."""
    lock = (REPOSITORY / "lambdas" / "requirements.txt").read_text()
    locked = re.findall(r"^([\w-]+)==", lock, re.MULTILINE)
    installed = {path.name.split("-")[0] for path in packaged.glob("*.dist-info")}
    handlers = {path.name for path in (REPOSITORY / "lambdas").glob("*.py")}

    assert {path.name for path in (packaged / "lambdas").iterdir()} == handlers
    assert (packaged / "tidegate/adapters/aws/ledger.py").is_file()
    assert installed == {name.replace("-", "_") for name in locked}
    assert not (packaged / "boto3").exists()


def test_the_package_holds_nothing_else(packaged: Path) -> None:
    """Tests, tools for people, other adapters and traces of this machine stay at home."""
    paths = {str(path.relative_to(packaged)) for path in packaged.rglob("*")}
    foreign = re.compile(
        r"^tidegate/(adapters/memory|cli|lab|local)\b|(^|/)(tests|bin|\.lock|RECORD)(/|$)"
    )

    assert not {path for path in paths if foreign.search(path)}
    assert not {path for path in paths if path.endswith(".pyc")}
    assert not {path for path in paths if path.startswith("lambdas/") and path[-3:] != ".py"}


def test_of_the_console_the_package_holds_what_the_widget_shows(packaged: Path) -> None:
    """Its pages need a server and stay at home; what the widget imports is all there."""
    loaded = "import sys, lambdas.widget; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    used = {name.split(".")[2] for name in done.stdout.split() if "tidegate.console." in name}
    shipped = {path.stem for path in (packaged / "tidegate/console").iterdir()}

    assert shipped == used | {"__init__"}


def test_everyone_may_read_the_package(packaged: Path) -> None:
    """Lambda reads it as another user, so modes do not depend on who made it."""
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in packaged.rglob("*")}

    assert modes == {(True, 0o755), (False, 0o644)}


def test_a_package_for_this_machine_brings_its_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Bytecode is shipped for the interpreter that made it, and the same sources give the same.

    A Lambda cannot write any, and without it each cold start compiles everything.
    """
    # A copy, since somebody may be working on the sources just now.
    for part in ("lambdas", "tidegate"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    monkeypatch.setattr(package, "REPOSITORY", tmp_path)
    monkeypatch.setattr(package, "HANDLERS", tmp_path / "lambdas")
    target = Platform.of(Target.LOCAL)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        package.build(folder, target)
    first, second = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in folders
    )

    assert first == second
    compiled = f"__pycache__/intake.cpython-{target.python.replace('.', '')}.pyc"
    assert Path("lambdas", compiled) in first


def test_a_missing_tool_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without uv there is no package, and no falling back on Docker."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(SynthesisError, match=r"uv is neither in .* nor on the PATH"):
        package.find_uv()


def test_a_library_that_cannot_be_had_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What uv says is in the message: it knows which library, and why."""
    lock = tmp_path / "requirements.txt"
    lock.write_text("pydantic==2.14.3\n")
    monkeypatch.setattr(package, "LOCK", lock)

    with pytest.raises(SynthesisError, match=r"(?s)could not install .*hash"):
        package.build(tmp_path / "package", Platform.of(Target.AWS))


def test_a_wrong_choice_ends_the_app_with_one_line(tmp_path: Path) -> None:
    """Whoever mistypes a context key's value sees what to do, not a traceback."""
    done = run_app(tmp_path, {"target": "azure"})

    assert done.returncode == 1
    assert done.stderr == "context key 'target' is 'azure': give aws or local\n"
    assert not list(tmp_path.iterdir())


def findings(app: App) -> set[tuple[str, str]]:
    """Return what AWS Solutions' checks find: rules, with the resources that break them."""
    return {
        (violation.rule_name, resource.construct_path or "")
        for violation in AwsSolutionsChecks().validate_scope(app).violations
        for resource in violation.violating_resources
    }


def test_cdk_nag_finds_nothing_that_has_no_reason(aws: Synthesized, local: Synthesized) -> None:
    """The stack passes AWS Solutions' checks; each finding that stays has its reason beside it."""
    assert findings(aws.app) == set()
    assert findings(local.app) == set()


def test_cdk_nag_would_find_something() -> None:
    """The checks above do check: a bare queue does not pass them."""
    app = App()
    Queue(Stack(app, "Bare"), "Queue")

    assert ("AwsSolutions-SQS3", "Bare/Queue/Resource") in findings(app)
