"""Prints who caught what, after how many runs or states."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            rows += [value for key, value in getattr(report, "user_properties", []) if key == "planted"]
    if not rows:
        return
    terminalreporter.section("planted bugs")
    for row in sorted(rows, key=lambda row: row["bug"]):
        caught = f"{row['by']} after {row['tried']:,}" if row["caught"] else "NOT CAUGHT"
        where = f"{row['in']} {row['seed']}" if "in" in row else ""
        terminalreporter.line(f"{row['bug']:<28} {row['judge']:<34} {caught:<26} {where}")
