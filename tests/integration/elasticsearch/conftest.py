# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At a module's end, all requests to the fake are checked with the official client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch.client import OfficialClient, Sent


@pytest.fixture(scope="module")
def sent() -> Iterator[list[Sent]]:
    """The requests, which the fixtures with a fake add to."""
    found: list[Sent] = []
    yield found
    problems = OfficialClient().problems(found)
    assert not problems, "\n".join(problems)
