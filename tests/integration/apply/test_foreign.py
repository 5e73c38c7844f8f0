# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets like those of other projects: applied, changed by controllers, and applied again."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.integration.certificates import server_certificate

from . import foreign
from .conftest import Cluster

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An old and a new certificate authority."""

    def made(name: str) -> str:
        ca: Path = server_certificate(tmp_path_factory.mktemp(name))[0]
        return base64.b64encode(ca.read_bytes()).decode()

    return made("old"), made("new")


@pytest.fixture(params=["operator", "monitoring", "exported"])
def foreign_set(
    request: pytest.FixtureRequest, namespace: str, certificates: tuple[str, str]
) -> tuple[list[foreign.Json], list[foreign.Write]]:
    if request.param == "operator":
        return foreign.operator(namespace, certificates)
    return getattr(foreign, request.param)(namespace, certificates[1])


def versions(cluster: Cluster, writes: list[foreign.Write]) -> list[str]:
    return [cluster.client.get(path)["metadata"]["resourceVersion"] for _, path, _ in writes]


def test_applied_again_nothing_changes_whatever_controllers_have_done(
    cluster: Cluster, namespace: str, foreign_set: tuple[list[foreign.Json], list[foreign.Write]]
) -> None:
    objects, writes = foreign_set
    first = cluster.apply("s", namespace, objects)
    assert {action.action for action in first.actions} == {"created"}
    again = cluster.apply("s", namespace, objects)
    assert [action.report() for action in again.actions if action.action != "unchanged"] == []

    for manager, path, patch in writes:
        query = {"fieldManager": manager}
        cluster.client.request("PATCH", path, query, body=patch, content_type="application/strategic-merge-patch+json")
    before = versions(cluster, writes)
    for check in (True, False):
        after = cluster.apply("s", namespace, objects, check=check)
        assert [action.report() for action in after.actions if action.action != "unchanged"] == []
        assert {item["manager"] for action in after.actions for item in action.left_to} == {
            manager for manager, *_ in writes
        }
    assert versions(cluster, writes) == before
