# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from .conftest import eventually, status


def test_creating_then_active(eks, make_cluster):
    name = make_cluster(wait=False)
    first = eks.describe_cluster(name=name)["cluster"]
    assert first["status"] == "CREATING"
    assert "endpoint" not in first
    eventually(lambda: status(eks, name) == "ACTIVE")
    assert eks.describe_cluster(name=name)["cluster"]["endpoint"].startswith("https://")
