# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest fixtures of an API server and a local cloud (``-p localcloud.pytest_fixtures``)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import LocalCloud


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with its etcd, without controllers, scheduler and nodes."""
    with ControlPlane.temporary(tmp_path_factory.mktemp("api-server")) as plane:
        yield plane


@pytest.fixture(scope="module")
def own_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server for one module, without namespaces of other tests that remain Terminating."""
    with ControlPlane.temporary(tmp_path_factory.mktemp("own-api-server")) as plane:
        yield plane


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A running local cloud with its own state directory and port."""
    with LocalCloud.running(tmp_path_factory.mktemp("local-cloud")) as cloud:
        yield cloud
