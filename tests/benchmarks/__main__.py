"""``make bench``: compares with peers in one run, prints a table and writes build/bench.json.

Each row is ``{work, peer, ours_s, peer_s, ratio, target, ours_requests, peer_requests}``: seconds are medians of
interleaved runs, ``ratio`` is ``peer_s / ours_s``, ``target`` and the request counts are null where there is none.
A row may measure something else than seconds, which are null then: ``ours_mb`` and ``peer_mb`` are resident memory in
MB (``ratio`` is theirs), ``ours_lost`` and ``peer_lost`` are samples, with ``ours_doubled`` and ``peer_doubled``.
``ours_per_s`` and ``peer_per_s`` are samples each second, beside seconds.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import NotRequired, TypedDict

from ansible.plugins.loader import init_plugin_loader

BENCHMARKS = ("bench_apply", "bench_inventory", "bench_roles", "bench_pipeline")
REPORT = Path("build/bench.json")


class Row(TypedDict):
    work: str
    peer: str
    ours_s: float | None
    peer_s: float | None
    ratio: float | None
    target: float | None
    ours_requests: int | None
    peer_requests: int | None
    ours_mb: NotRequired[float]
    peer_mb: NotRequired[float]
    ours_per_s: NotRequired[float]
    peer_per_s: NotRequired[float]
    ours_lost: NotRequired[int]
    peer_lost: NotRequired[int]
    ours_doubled: NotRequired[int]
    peer_doubled: NotRequired[int]


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row in the table, with units."""
    if "ours_mb" in row:
        sides = f"{row['ours_mb']:.0f} MB", f"{row['peer_mb']:.0f} MB"
    elif "ours_lost" in row:
        sides = f"{row['ours_lost']:,} lost", f"{row['peer_lost']:,} lost"
    else:
        sides = f"{row['ours_s']:.2f} s", f"{row['peer_s']:.2f} s"
    more = "-"
    if "ours_per_s" in row:
        more = f"{row['ours_per_s']:,.0f} / {row['peer_per_s']:,.0f} samples/s"
    elif "ours_doubled" in row:
        more = f"{row['ours_doubled']:,} / {row['peer_doubled']:,} doubled"
    elif row["ours_requests"] is not None:
        more = f"{row['ours_requests']} / {row['peer_requests']} requests"
    return (
        row["work"],
        row["peer"],
        *sides,
        "-" if row["ratio"] is None else f"{row['ratio']:.1f}×",
        "-" if row["target"] is None else f"{row['target']:g}×",
        more,
    )


def table(rows: list[Row]) -> str:
    head = ("work", "peer", "ours", "peer's", "ratio", "target", "more")
    lines = [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *lines)
    )


def main(names: list[str]) -> int:
    # Before the collection is imported: as a plain package, it would have no plugins for Ansible's templates.
    init_plugin_loader([str(Path("collections").resolve())])
    rows: list[Row] = []
    for name in names or BENCHMARKS:
        print(f"measuring {name.removeprefix('bench_')} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.benchmarks.{name}").rows()
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")
    print(table(rows))
    for row in rows:
        if row["target"] and row["ratio"] and row["ratio"] < row["target"]:
            print(f"missed: {row['work']} against {row['peer']}: {row['ratio']:.1f}× of {row['target']:g}×")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
