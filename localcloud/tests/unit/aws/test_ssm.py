# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/release_version", "1.36.3-20261106"),
        ("bottlerocket/aws-k8s-1.37/arm64/latest/image_version", "1.54.0-0b9e4d27"),
    ],
)
def test_the_newest_node_image_is_public(server: Any, name: str, value: str) -> None:
    found = server.client("ssm").get_parameter(Name=f"/aws/service/{name}")["Parameter"]
    assert found["Value"] == value
