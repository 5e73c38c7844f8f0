"""``make bench``: measures against peers in one run, prints a table and writes build/bench.json.

Each row is ``{work, peer, ours_s, peer_s, ratio, target, ours_requests, peer_requests}``: seconds are medians of
interleaved runs, ``ratio`` is ``peer_s / ours_s``, ``target`` and the request counts are null where there is none.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TypedDict

BENCHMARKS = ("bench_apply", "bench_inventory", "bench_roles")
REPORT = Path("build/bench.json")


class Row(TypedDict):
    work: str
    peer: str
    ours_s: float
    peer_s: float
    ratio: float
    target: float | None
    ours_requests: int | None
    peer_requests: int | None


def table(rows: list[Row]) -> str:
    head = ("work", "peer", "ours s", "peer s", "ratio", "target", "requests")
    lines = [
        (
            row["work"],
            row["peer"],
            f"{row['ours_s']:.2f}",
            f"{row['peer_s']:.2f}",
            f"{row['ratio']:.1f}×",
            "-" if row["target"] is None else f"{row['target']:g}×",
            "-" if row["ours_requests"] is None else f"{row['ours_requests']} / {row['peer_requests']}",
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *lines)
    )


def main(names: list[str]) -> int:
    rows: list[Row] = []
    for name in names or BENCHMARKS:
        print(f"measuring {name.removeprefix('bench_')} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.benchmarks.{name}").rows()
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")
    print(table(rows))
    missed = [row for row in rows if row["target"] and row["ratio"] < row["target"]]
    for row in missed:
        print(f"missed: {row['work']} against {row['peer']}: {row['ratio']:.1f}× of {row['target']:g}×")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
