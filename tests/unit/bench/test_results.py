from __future__ import annotations

from typing import Any

from bench.measuring import quantile_of, spread
from bench.results import page, ratio

MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "memory_gib": 24.0,
    "kernel": "6.1",
    "python": "3.11.7",
    "kafka": "4.3.1",
    "versions": {"aiokafka": "0.14.0"},
    "commit": "abc",
    "load_average": 0.4,
    "at": "2026-11-22T20:00+00:00",
}


def figure(median: float) -> dict[str, float]:
    return {"median": median, "least": median - 1, "most": median + 1}


def worker(cpu_us: float) -> dict[str, Any]:
    return {
        "events": 2_000_000,
        "partitions": 4,
        "runs": [{}] * 5,
        "cpu_us_per_event": figure(cpu_us),
        "events_per_s": figure(210_000),
        "rss_peak_mib": figure(400),
        "machine": MACHINE,
    }


def peers() -> dict[str, Any]:
    ours = {"name": "ours", "title": "Snapup", "work": "the whole job", "events": 10, "cpu_to_floor": figure(3.5)}
    ours |= {name: figure(9) for name in ("cpu_us_per_event", "events_per_s", "rss_peak_mib")}
    return {"rounds": 5, "events": 10, "peers": [ours], "pinned": {}, "java_heap": "-Xmx1g", "machine": MACHINE}


def test_the_page_names_machine_commit_and_what_was_not_measured() -> None:
    said = "\n".join(page({"worker": worker(4.0)}))
    assert "2 × a processor, 24.0 GiB" in said
    assert "| abc |" in said
    assert "## Not measured" in said
    assert "`make bench-peers`" in said


def test_a_goal_that_is_not_met_is_said_so() -> None:
    assert "| 4.00 (3.00 to 5.00) | ≤ 5; ≤ 3.7; ≤ 2.5 | 1 of 3 |" in "\n".join(page({"worker": worker(4.0)}))
    assert "| 0 of 3 |" in "\n".join(page({"worker": worker(6.0)}))
    row = {"name": "replay", "unit": "s", "value": 91.0, "goal": 90.0, "holds": False, "figures": {}, "commit": "abc"}
    assert "| replay | 91.00 s | ≤ 90 | no | abc |" in "\n".join(page({"scenarios": {"scale": 1, "rows": [row]}}))


def test_a_scaled_run_is_no_figure_for_a_goal() -> None:
    assert "no figure for the goals" in "\n".join(page({"scenarios": {"scale": 0.01, "rows": []}}))


def test_the_regression_ratio_is_ours_to_the_floor_of_the_same_rounds() -> None:
    assert ratio({"peers": peers()}) == figure(3.5)
    assert (
        "**Regression ratio** (our CPU an event to the floor's, of the same round): 3.50 (2.50 to 4.50)"
        in "\n".join(page({"peers": peers()}))
    )
    assert ratio({}) is None


def test_a_quantile_between_two_looks_is_the_edge_of_its_bucket() -> None:
    def looked(tenth: float, one: float, infinite: float) -> dict[str, float]:
        steps = (("0.1", tenth), ("1.0", one), ("+Inf", infinite))
        return {f'waited_seconds_bucket{{le="{edge}"}}': value for edge, value in steps}

    before, after = looked(10, 10, 10), looked(108, 110, 110)
    assert quantile_of(before, after, "waited_seconds", 0.5) == 0.1
    assert quantile_of(before, after, "waited_seconds", 0.99) == 1.0
    assert quantile_of(before, before, "waited_seconds", 0.99) != quantile_of(before, before, "waited_seconds", 0.99)


def test_a_spread_has_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 8.0]) == {"median": 3.0, "least": 1.0, "most": 8.0}
