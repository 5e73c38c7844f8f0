# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the tests, and their distribution to workers."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import init_plugin_loader
from xdist.scheduler import LoadScopeScheduling

# Also with PYTHONDONTWRITEBYTECODE, because compiling the tests takes half of the time of their collection.
sys.dont_write_bytecode = False
# Before the collection is imported: as a plain package, it would have no plugins for Ansible's templates.
init_plugin_loader([str(Path(__file__).parents[1] / "collections")])


# Started first, so that all workers end at about the same time: files that take longer than their number of
# tests suggests.
LONGEST = (
    "integration/site/",
    "integration/kafka/test_kafka",
    "roles/test_pki",
    "roles/test_vpc",
    "roles/test_peering",
    "integration/awx/",
    "integration/playbooks/",
    "integration/warm/",
    "integration/kubeconfig/",
    "prometheus/test_pipeline",
    "modules/test_eks_info",
    "modules/test_eks_throttled",
    "roles/test_kafka_records",
    "modules/test_vpc",
    "alarms/test_messages",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        longest = next((index for index, path in enumerate(LONGEST) if path in item.nodeid), None)
        return (longest, 0) if longest is not None else (len(LONGEST), -tests[item.path])

    items.sort(key=place)


class OneFleet(LoadScopeScheduling):
    """Runs all tests of a file on one worker, and all tests of site.yml, whose fleet takes minutes to create."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        """In the order of the collection, which has the longest files before those with the most tests."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.split("::", 1)[0])
        return str(path.parent if path.parent.name == "site" else path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Return the scheduler for --dist loadfile."""
    return OneFleet(config, log) if config.getoption("dist") == "loadfile" else None
