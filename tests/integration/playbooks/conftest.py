# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single playbooks in a local cloud, with fleets of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.site.conftest import Run, playbook

__all__ = ["playbook"]


def said(run: Run) -> str:
    """Return the message of the only failed task, as one line."""
    assert len(run.failures) == 1, run.output[-4000:]
    assert "Traceback" not in run.output
    return " ".join(run.failures[0].split())


@contextmanager
def unchanged(local_cloud: Any) -> Iterator[None]:
    """Check that AWS is unchanged, except for the lock."""

    def changes() -> list[dict[str, Any]]:
        return [call for call in local_cloud.aws_calls() if call["service"] not in ("dynamodb", "sts")]

    before = changes()
    yield
    assert changes() == before


def build(local_cloud: Any, fleet: str, *members: str) -> None:
    """Create the markers of members that have been built."""
    client = local_cloud.client("secretsmanager")
    for member in members:
        for document in ("issuer", "kafka", "tls"):
            tags = {"dataplatform.fleet/fleet": fleet, "dataplatform.fleet/member": member}
            client.create_secret(
                Name=f"{fleet}/{member}/{document}",
                SecretString="{}",
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
