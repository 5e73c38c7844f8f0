# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of two clusters on real nodes, under load."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader
from ansible_collections.dataplatform.fleet.tests.e2e import workloads
from ansible_collections.dataplatform.fleet.tests.e2e.fleet import NAMESPACE, WORKLOAD, Fleet, eventually
from ansible_collections.dataplatform.fleet.tests.e2e.reader import Reader

from localcloud.model import LocalCloudError
from localcloud.nodes import requirements

init_plugin_loader([str(Path(__file__).parents[2] / "collections")])

RATE = int(os.environ.get("E2E_RATE", "5000"))
"""Samples per second of all generators together."""
GENERATORS, INTERVAL = 6, 5
BUDGET = float(os.environ.get("E2E_BUDGET_SECONDS", "inf"))
"""How long after the start a test may still begin."""
STARTED = time.monotonic()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skip the remaining tests after a time limit, as in CI."""
    if time.monotonic() - STARTED > BUDGET:
        pytest.skip(f"the {BUDGET:.0f} seconds of E2E_BUDGET_SECONDS are used up")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    try:
        requirements.check(folder)
    except LocalCloudError as error:
        pytest.skip(str(error))
    with Fleet.running(folder) as running:
        yield running


@pytest.fixture(scope="session")
def reader(fleet: Fleet) -> Reader:
    """The reader of all messages in staging's topic during load."""
    series = RATE * INTERVAL // GENERATORS
    fleet.controlplane.apply(workloads.reader(fleet.images, f"metrics-{WORKLOAD}"))
    fleet.workload.apply(workloads.namespace(NAMESPACE))
    for item in workloads.load(fleet.images, NAMESPACE, GENERATORS, series):
        fleet.workload.apply(item)
    name = "app.kubernetes.io/name"
    eventually(lambda: fleet.workload.ready(NAMESPACE, f"{name}={workloads.LOAD}", GENERATORS))
    eventually(lambda: fleet.controlplane.ready("kafka", f"{name}=kafka-reconciler,e2e={workloads.READER}", 1))
    found = Reader(fleet.controlplane, series)
    eventually(lambda: found.behind() < 4 * INTERVAL, 300)
    return found
