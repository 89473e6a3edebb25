"""``tidegate simulate`` at the terminal: what it prints, what it writes, what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tidegate.cli.app import app
from tidegate.cli.simulate import USUAL
from tidegate.lab.rules import RULES
from tidegate.lab.scenarios import SCENARIOS

REPOSITORY = Path(__file__).parents[3]
FIRMWARE = str(REPOSITORY / "policies/firmware.yaml")
REFERENCE_FLEET = str(REPOSITORY / "fleets/reference.yaml")

#: Small and quick: the numbers do not matter here.
QUICK = ("--fleet", "200", "--runs", "2", "--jobs", "1")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test where nothing lies around."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def type_in(*arguments: str) -> Result:
    """Return what comes of a command line."""
    return CliRunner().invoke(app, ["simulate", *arguments])


def figures(*arguments: str) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    result = type_in(*arguments, *QUICK, "--json", "--no-page")
    assert result.exit_code == 0, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def test_a_table_compares_the_policy_with_the_usual(in_a_folder_of_its_own: Path) -> None:
    """Without options, the policy stands first, and what people use today below it."""
    result = type_in(FIRMWARE, "--failures", "20%", *QUICK)
    names = [(line.split() or [""])[0] for line in result.stdout.splitlines()]

    assert result.exit_code == 0, result.output
    assert [name for name in names if name in {"firmware", *RULES}] == ["firmware", *USUAL]
    assert "200 devices of the fleet reference: 20% fail" in result.stdout
    assert (in_a_folder_of_its_own / "simulation.html").is_file()
    assert "simulation.html" in result.stderr


def test_the_page_is_written_where_asked(in_a_folder_of_its_own: Path) -> None:
    """--page names the file, which has the policy's name and how to get the same again."""
    result = type_in(
        FIRMWARE, "--against", "none", "--page", "mine.html", "--failures", "20%", *QUICK
    )
    page = (in_a_folder_of_its_own / "mine.html").read_text()

    assert result.exit_code == 0, result.output
    assert "Tidegate with the policy firmware" in page
    assert "--runs 2 --days 3 --seed 1 --fleet 200 --failures 20% --against none" in page
    assert [path.name for path in in_a_folder_of_its_own.iterdir()] == ["mine.html"]


def test_no_page_is_written_when_none_is_wanted(in_a_folder_of_its_own: Path) -> None:
    """--no-page leaves nothing behind and says nothing of a page."""
    result = type_in("rings", "--against", "none", "--no-page", *QUICK)

    assert result.exit_code == 0, result.output
    assert list(in_a_folder_of_its_own.iterdir()) == []
    assert result.stderr == ""


def test_json_is_all_that_stdout_has() -> None:
    """Scripts read figures by policy under stable names, and nothing but JSON."""
    printed = figures(FIRMWARE, "--failures", "20%", "--against", "rings,aws-constant")

    assert printed["fleet"]["size"] == 200
    assert printed["fleet"]["failure_rate"] == 0.2
    assert (printed["seed"], printed["runs"], printed["is_bad"]) == (1, 2, True)
    assert [each["name"] for each in printed["policies"]] == ["firmware", "rings", "aws-constant"]
    for policy in printed["policies"]:
        assert policy.keys() >= {
            "harmed_mean",
            "harmed_p95",
            "exposed_mean",
            "stopped_share",
            "minutes_to_stop_median",
            "finished_share",
            "minutes_to_finish_median",
        }
    assert printed["policies"][2]["stopped_share"] == 0


def test_the_same_seed_gives_the_same_output() -> None:
    """A seed repeats everything; another seed is other luck."""
    arguments = ("rings", "--failures", "20%", "--against", "aws-slow", *QUICK, "--no-page")

    once, again = type_in(*arguments), type_in(*arguments)
    other = type_in(*arguments, "--seed", "2")

    assert once.stdout == again.stdout
    assert once.stdout != other.stdout


def test_the_number_of_processes_changes_nothing(in_a_folder_of_its_own: Path) -> None:
    """One process or two: table and page are the same to the last character."""
    pages, outputs = [], []
    for jobs in ("1", "2"):
        result = type_in(
            FIRMWARE, "--failures", "20%", "--against", "rings", *QUICK[:-1], jobs, "--page", "p"
        )
        assert result.exit_code == 0, result.output
        outputs.append(result.stdout)
        pages.append((in_a_folder_of_its_own / "p").read_text())

    assert outputs[0] == outputs[1]
    assert pages[0] == pages[1]


def test_a_policy_that_soaks_stands_beside_itself_without(in_a_folder_of_its_own: Path) -> None:
    """What a soak costs and finds is seen at once: the same policy, the same luck, none of it."""
    soaking = in_a_folder_of_its_own / "soaking.yaml"
    soaking.write_text(Path(FIRMWARE).read_text().replace("# soak: 1h", "soak: 1h"))
    printed = figures(str(soaking), "--scenario", "dark", "--against", "rings")
    looking, trusting, _ = printed["policies"]

    assert [looking["name"], trusting["name"]] == ["firmware", "firmware-without-soak"]
    assert printed["is_bad"]
    assert looking["exposed_mean"] <= trusting["exposed_mean"]
    told = type_in(str(soaking), "--scenario", "dark", "--against", "none", *QUICK).stdout
    assert "10% of those that succeed go dark, and count as harmed." in told


def test_a_baseline_can_be_asked_about() -> None:
    """Instead of a policy's file a baseline's name will do; it is not compared with itself."""
    printed = figures("rings", "--against", "rings,aws-slow")

    assert [each["name"] for each in printed["policies"]] == ["rings", "aws-slow"]


@pytest.mark.parametrize(
    ("against", "names"),
    [
        (("none",), []),
        (("aws-slow",), ["aws-slow"]),
        (("aws-slow", "aws-constant"), ["aws-slow", "aws-constant"]),
        (("aws-slow, aws-constant,aws-slow",), ["aws-slow", "aws-constant"]),
    ],
)
def test_baselines_are_chosen_by_name(against: tuple[str, ...], names: list[str]) -> None:
    """--against takes names by commas or one by one, each counted once, or none at all."""
    options = [part for name in against for part in ("--against", name)]

    printed = figures("rings", *options)

    assert [each["name"] for each in printed["policies"]] == ["rings", *names]


def test_all_baselines_can_be_compared() -> None:
    """--against all leaves out nothing that --list names."""
    printed = figures("rings", "--against", "all")

    assert sorted(each["name"] for each in printed["policies"]) == sorted(RULES)


def test_a_fleet_of_ones_own_is_read() -> None:
    """--fleet takes a YAML file; --failures overrides the rate that stands in it."""
    result = type_in(
        *("rings", "--fleet", REFERENCE_FLEET, "--failures", "0.3", "--runs", "1"),
        *("--against", "none", "--no-page", "--json"),
    )

    printed = json.loads(result.stdout)

    assert printed["fleet"]["size"] == 100_000
    assert printed["fleet"]["failure_rate"] == 0.3


def test_a_scenario_can_have_another_size() -> None:
    """--scenario names what happens, --fleet how many devices it happens to."""
    printed = figures("rings", "--scenario", "drift", "--against", "none")

    assert printed["fleet"]["name"] == "drift"
    assert printed["fleet"]["size"] == 200


def test_the_policys_timeout_is_the_jobs(in_a_folder_of_its_own: Path) -> None:
    """A policy that sets the in-progress timeout sets it for every rule that it is compared to."""
    (in_a_folder_of_its_own / "p.yaml").write_text("name: quick\njob: {timeout: 25m}\n")

    printed = figures("p.yaml", "--against", "none")

    assert printed["fleet"]["timeout_minutes"] == 25


def test_a_policy_may_have_a_baselines_name(in_a_folder_of_its_own: Path) -> None:
    """A policy that is called like a baseline can be told from it in the table."""
    (in_a_folder_of_its_own / "p.yaml").write_text("name: rings\n")

    printed = figures("p.yaml", "--against", "rings")

    assert [each["name"] for each in printed["policies"]] == ["policy rings", "rings"]


def test_the_tolerated_rate_is_the_policys(in_a_folder_of_its_own: Path) -> None:
    """Whether a stop is a mistake depends on what the policy tolerates."""
    (in_a_folder_of_its_own / "p.yaml").write_text("name: lax\nharm: {tolerated_rate: 30%}\n")

    result = type_in("p.yaml", "--failures", "20%", "--against", "none", "--no-page", *QUICK)

    assert "false stops" in result.stdout
    assert "The release is tolerable" in result.stdout


def test_a_rollout_that_never_ends_is_given_up() -> None:
    """A rule that waits for ever neither stops nor finishes within the days that are looked at."""
    (held,) = figures("hawkbit-canary", "--failures", "50%", "--against", "none", "--days", "1")[
        "policies"
    ]

    assert (held["stopped_share"], held["finished_share"]) == (0, 0)
    assert held["minutes_to_stop_median"] is None
    assert held["minutes_to_finish_median"] is None


def test_the_list_names_all_there_is() -> None:
    """--list tells every baseline and scenario with its title, and does nothing else."""
    result = type_in("--list")

    assert result.exit_code == 0
    for name, rule in RULES.items():
        assert name in result.stdout
        assert rule.title in result.stdout
    assert all(name in result.stdout for name in SCENARIOS)


def test_help_tells_the_exit_status() -> None:
    """Whoever scripts it finds in --help what the exit status means."""
    result = type_in("--help")

    assert result.exit_code == 0
    assert "Exit status: 0 when done, 2 when the input is refused" in result.stdout


BROKEN = "name: broken\nharm:\n  tolerated_rate: 2\n  budgte: 5\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no policy is named"),
        (("nothing.yaml",), '"nothing.yaml" is neither a file nor a baseline'),
        (("aws-constan",), "is aws-constant"),
        (("x" * 5000,), "is neither a file nor a baseline"),
        (("broken.yaml",), "broken.yaml:3:19: harm.tolerated_rate: 2, but a share is needed"),
        (("broken.yaml",), "broken.yaml:4:3: harm.budgte: unknown key (is budget meant?)"),
        ((".",), ".: the policy cannot be read: Is a directory"),
        (("binary",), "binary: not UTF-8 at byte 0: save the policy"),
        (("rings", "--failures", "130%"), '--failures is "130%", but a share from 0% to 100%'),
        (("rings", "--failures", "-1%"), '--failures is "-1%", but a share'),
        (("rings", "--failures", "20"), '--failures is "20", but a share'),
        (("rings", "--failures", "many"), '--failures is "many", but a share'),
        (("rings", "--fleet", "0"), "--fleet is 0, but it must be 1 to 10000000"),
        (("rings", "--fleet", "10000001"), "--fleet is 10000001, but it must be 1 to 10000000"),
        (("rings", "--fleet", "100k"), '--fleet is "100k", which is no file'),
        (("rings", "--fleet", "broken.yaml"), "broken.yaml:2:1: harm: unknown key"),
        (("rings", "--fleet", "broken.yaml", "--scenario", "drift"), "so is --scenario drift"),
        (("rings", "--scenario", "dirft"), '"dirft" is no scenario: is drift meant?'),
        (("rings", "--against", "argo-33"), '"argo-33" is no baseline: is argo-3'),
        (("rings", "--against", "zzz"), "tidegate simulate --list tells"),
        (("rings", "--page", "."), "--page . is a folder: name a file in it"),
        (("rings", "--page", "no/where.html"), "there is no folder no"),
        (("rings", "--runs", "0"), "'--runs'"),
        (("rings", "--runs", "100001"), "'--runs'"),
        (("rings", "--runs", "some"), "'--runs'"),
        (("rings", "--jobs", "0"), "'--jobs'"),
        (("rings", "--days", "15"), "'--days'"),
        (("rings", "--seed", "-1"), "'--seed'"),
        (("rings", "--nonsense"), "--nonsense"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_word(
    arguments: tuple[str, ...], told: str, in_a_folder_of_its_own: Path
) -> None:
    """Each mistake is told on stderr, names what is wrong, and ends with 2 and no traceback."""
    (in_a_folder_of_its_own / "broken.yaml").write_text(BROKEN)
    (in_a_folder_of_its_own / "binary").write_bytes(b"\xff\x00")

    result = type_in(*arguments)

    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not (in_a_folder_of_its_own / "simulation.html").exists()


def test_a_page_that_cannot_be_written_is_told() -> None:
    """What goes wrong only at the end has its message too."""
    result = type_in("rings", "--against", "none", "--page", "x" * 300, *QUICK)

    assert result.exit_code == 2
    assert "cannot be written: File name too long" in result.stderr
