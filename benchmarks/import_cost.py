"""
Measures what importing each handler costs, as a ratio to what no handler can do without.

A Lambda imports its handler at every cold start. The yardstick is a script that imports boto3,
makes the handler's own clients and a Powertools logger: what is above 1 is ours. Each measurement
is the CPU time of a fresh process; yardstick and handler take turns, so that a busy machine slows
both, and the fastest of all rounds counts.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
HANDLERS = sorted(path.stem for path in REPOSITORY.glob("lambdas/[!_]*.py"))

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SECRET_ACCESS_KEY": "none",
}

#: Prints the clients that importing a handler makes.
CLIENTS = """
import importlib, json, sys
import botocore.session

made = set()
create = botocore.session.Session.create_client

def noted(session, service_name, *arguments, **settings):
    made.add(service_name)
    return create(session, service_name, *arguments, **settings)

botocore.session.Session.create_client = noted
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(made)))
"""

YARDSTICK = """
import json, sys, time
began = time.process_time()
import boto3
from aws_lambda_powertools import Logger

Logger()
session = boto3.Session()
for service in json.loads(sys.argv[1]):
    session.client(service)
print(time.process_time() - began)
"""

HANDLER = """
import importlib, sys, time
began = time.process_time()
importlib.import_module(sys.argv[1])
print(time.process_time() - began)
"""


def output_of(script: str, argument: str) -> str:
    """Return what a script prints in a fresh process."""
    return subprocess.run(
        [sys.executable, "-c", script, argument],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def measure(clients: dict[str, str], rounds: int) -> dict[tuple[str, str], float]:
    """Return the least seconds that each script took with each argument."""
    scripts = [(YARDSTICK, made) for made in sorted(set(clients.values()))]
    scripts += [(HANDLER, f"lambdas.{handler}") for handler in clients]
    least: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for script in scripts:
            seconds = float(output_of(*script))
            least[script] = min(seconds, least.get(script, seconds))
    return least


def main() -> int:
    """Print the table and return how many handlers are above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each script")
    parser.add_argument("--limit", type=float, default=1.3, help="highest ratio that passes")
    arguments = parser.parse_args()

    clients = {handler: output_of(CLIENTS, f"lambdas.{handler}").strip() for handler in HANDLERS}
    least = measure(clients, arguments.rounds)

    above = 0
    print(f"{'handler':10}{'yardstick':>10}{'import':>10}{'ratio':>7}  clients")
    for handler, made in clients.items():
        yardstick, seconds = least[YARDSTICK, made], least[HANDLER, f"lambdas.{handler}"]
        ratio = seconds / yardstick
        above += ratio > arguments.limit
        verdict = f"  above {arguments.limit}" if ratio > arguments.limit else ""
        print(
            f"{handler:10}{yardstick * 1000:7.0f} ms{seconds * 1000:7.0f} ms{ratio:7.2f}"
            f"  {', '.join(json.loads(made))}{verdict}"
        )
    return min(above, 1)


if __name__ == "__main__":
    sys.exit(main())
