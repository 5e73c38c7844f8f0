# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real Kafka for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cluster import Kafka


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    found = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        found.start()
        found.wait()
        found.share_classes()
        yield found
    finally:
        found.stop()
