"""
Measures how soon the console's pages are on the screen, as a ratio to its smallest ones.

The yardstick is the same page of an account with one rollout that was reviewed once. Yardstick and
page take turns in one Chromium, so that a busy machine slows both, and the fastest of all rounds
counts. The account is in memory: what AWS takes to answer comes on top.
"""

import argparse
import sys
from contextlib import ExitStack

from playwright.sync_api import Browser

from tests.browser.serving import CHROMIUMS, Served, browsing, chromium_path, serving
from tests.unit.cli.desk import JOB, going

PAGES = {
    "200 rollouts": "/",
    "1,000,000 devices, 3,000 decisions": f"/rollouts/{JOB}",
}
#: The browser may note the paint after the page is loaded.
_PAINTED = """() => new Promise((tell) => new PerformanceObserver((list) => {
  for (const each of list.getEntriesByName("first-contentful-paint")) tell(each.startTime);
}).observe({ type: "paint", buffered: true }))"""


def first_paint_seconds(chromium: Browser, served: Served, path: str) -> float:
    """Return how long a page took, from the request until something was on the screen."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served.address)
    page.goto(served.at(path))
    seconds = float(page.evaluate(_PAINTED)) / 1000
    context.close()
    return seconds


def measure(chromium: Browser, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least seconds of the yardstick and of the page itself, by the page's name."""
    least: dict[str, tuple[float, float]] = {}
    with ExitStack() as servers:
        small, large = (servers.enter_context(serving()) for _ in range(2))
        small.desk.decide(small.desk.enroll(), going())
        large.desk.fill()
        for _ in range(rounds):
            for name, path in PAGES.items():
                pair = [first_paint_seconds(chromium, each, path) for each in (small, large)]
                before = least.get(name, (pair[0], pair[1]))
                least[name] = (min(pair[0], before[0]), min(pair[1], before[1]))
    return least


def main() -> int:
    """Print the table; return 1 if any page is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each page")
    parser.add_argument("--limit", type=float, default=4.0, help="highest ratio that passes")
    arguments = parser.parse_args()

    path = chromium_path()
    if path is None:
        print(f"not measured: no Chromium here: install one of {', '.join(CHROMIUMS)}")
        return 0
    with browsing(path) as chromium:
        least = measure(chromium, arguments.rounds)

    status = 0
    print(f"{'first paint of':36}{'yardstick':>10}{'page':>10}{'ratio':>7}")
    for name, (yardstick, seconds) in least.items():
        ratio = seconds / yardstick
        verdict = ""
        if ratio > arguments.limit:
            status, verdict = 1, f"  above {arguments.limit}"
        print(f"{name:36}{yardstick * 1000:7.0f} ms{seconds * 1000:7.0f} ms{ratio:7.2f}{verdict}")
    return status


if __name__ == "__main__":
    sys.exit(main())
