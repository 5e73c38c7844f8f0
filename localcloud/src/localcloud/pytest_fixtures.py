# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests run against, as fixtures of pytest (``-p localcloud.pytest_fixtures``): an API server, a local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import LocalCloud


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A bare API server with its etcd: no controllers, no scheduler, no nodes."""
    with ControlPlane.temporary(tmp_path_factory.mktemp("api-server")) as plane:
        yield plane


@pytest.fixture(scope="module")
def own_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Another one for a module alone, which others have left no namespace in that never ends."""
    with ControlPlane.temporary(tmp_path_factory.mktemp("own-api-server")) as plane:
        yield plane


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A running local cloud with a state directory and a port of its own."""
    with LocalCloud.running(tmp_path_factory.mktemp("local-cloud")) as cloud:
        yield cloud
