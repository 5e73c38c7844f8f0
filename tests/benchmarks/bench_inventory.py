"""Discovery of 200 clusters in 10 regions with 50 ms latency, compared with sequential calls."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

ACCOUNT = "111122223333"
REGIONS = (
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ap-southeast-1",
    "ap-northeast-1",
)
PER_REGION = 20
LATENCY = 0.05
REPEATS = 3
TARGET = 10.0
SETTINGS = {"region_name": "eu-central-1", "aws_access_key_id": ACCOUNT, "aws_secret_access_key": "s"}


@contextmanager
def fleet(latency: float = LATENCY) -> Iterator[str]:
    """An AWS with the clusters; its URL."""
    world = {ACCOUNT: {region: [{"name": f"{region}-{i:02}"} for i in range(PER_REGION)] for region in REGIONS}}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "world.json"
        path.write_text(json.dumps(world))
        command = [sys.executable, str(Path(__file__).with_name("fake_eks.py")), str(path), str(latency)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin and server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait(10)


def requests(url: str) -> int:
    """How many calls the AWS at this URL has answered."""
    with urllib.request.urlopen(f"{url}/requests") as answer:  # noqa: S310 - our own URL
        return sum(json.load(answer).values())


def ours(url: str) -> int:
    """Discover with the plugin's code; return the number of clusters."""
    from ansible_collections.dataplatform.fleet.plugins.plugin_utils._eks_inventory.fetch import (  # noqa: PLC0415
        Query,
        discover,
    )

    found = discover(Query(region="eu-central-1", access_key=ACCOUNT, secret_key="s", endpoint_url=url))
    assert not found.problems, found.problems
    return len(found.clusters)


def call_after_call(url: str) -> int:
    """Discover with sequential calls of boto3: each region, each cluster."""
    session = boto3.session.Session(**SETTINGS)
    found = []
    for region in session.client("ec2", endpoint_url=url).describe_regions()["Regions"]:
        eks: Any = session.client("eks", region_name=region["RegionName"], endpoint_url=url)
        for page in eks.get_paginator("list_clusters").paginate():
            found += [eks.describe_cluster(name=name)["cluster"] for name in page["clusters"]]
    return len(found)


def measure(work: Any, url: str) -> tuple[float, int]:
    """Seconds and requests of one run that finds all clusters."""
    before, start = requests(url), time.perf_counter()
    count = work(url)
    seconds = time.perf_counter() - start
    assert count == PER_REGION * len(REGIONS)
    return seconds, requests(url) - before


def rows() -> list[dict[str, Any]]:
    """The table's row."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))
    runs: dict[Any, list[tuple[float, int]]] = {ours: [], call_after_call: []}
    with fleet() as url:
        for _ in range(REPEATS):
            for work, measured in runs.items():
                measured.append(measure(work, url))
    ours_s, peer_s = (statistics.median(seconds for seconds, _ in measured) for measured in runs.values())
    return [
        {
            "work": f"inventory of {PER_REGION * len(REGIONS)} clusters in {len(REGIONS)} regions, 50 ms a call",
            "peer": "call after call",
            "ours_s": ours_s,
            "peer_s": peer_s,
            "ratio": peer_s / ours_s,
            "target": TARGET,
            "ours_requests": runs[ours][0][1],
            "peer_requests": runs[call_after_call][0][1],
        }
    ]
