"""The names in a PromQL expression: enough of its grammar to tell metrics and labels from functions and keywords."""

from __future__ import annotations

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?P<metric>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{(?P<matchers>[^}]*)\}")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_CALL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\s*\(")
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "sum", "min", "max", "avg", "count", "topk", "inf", "nan"}


def as_prometheus_sees_it(expr: str) -> str:
    """The expression with Grafana's variables filled in."""
    return expr.replace("$__rate_interval", "1m").replace("$__range", "1h").replace("$instance", ".*")


def metric_names(expr: str) -> set[str]:
    """Every metric that the expression reads."""
    bare = _RANGE.sub("", _STRING.sub('""', expr))
    bare = re.sub(r"\{[^}]*\}|\boffset\s+-?[0-9a-z]+", "", bare)
    bare = _CALL.sub("(", _GROUPING.sub("", bare))
    return {name for name in _NAME.findall(bare) if name.lower() not in _KEYWORDS}


def matched_labels(expr: str) -> dict[str, set[str]]:
    """Metric → labels that select it."""
    found: dict[str, set[str]] = {}
    for selector in _SELECTOR.finditer(_STRING.sub('""', expr)):
        labels = {
            re.split("[=!]", matcher)[0].strip() for matcher in selector["matchers"].split(",") if matcher.strip()
        }
        found.setdefault(selector["metric"], set()).update(labels)
    return found


def grouped_labels(expr: str) -> set[str]:
    """Every label that groups or joins."""
    return {name.strip() for group in _GROUPING.findall(expr) for name in group.split(",") if name.strip()}
