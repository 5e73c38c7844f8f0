# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated texts."""

from __future__ import annotations

import base64
import re

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.passwords import complete, generate

WANTED = {"elastic": "password", "kibana-encryption-key": "key", "kafka-cluster-id": "id"}
LIVE = {"elastic": "a", "kibana-encryption-key": "b", "kafka-cluster-id": "c"}


def test_passwords_need_no_escaping() -> None:
    assert re.fullmatch("[A-Za-z0-9]{32}", generate())
    assert generate() != generate()


def test_ids_are_16_bytes_and_no_option() -> None:
    for _ in range(200):
        text = generate("id")
        assert len(base64.urlsafe_b64decode(text + "==")) == 16
        assert not text.startswith("-")


def test_existing_resources_are_kept_even_if_they_are_not_declared() -> None:
    assert complete(LIVE | {"extra": "d"}, WANTED, []) == (LIVE | {"extra": "d"}, [])
    found, made = complete({}, WANTED, [])
    assert (set(found), made) == (set(WANTED), sorted(WANTED))


@pytest.mark.parametrize(
    ("rotate", "made"),
    [
        (["all"], ["elastic"]),
        (["elastic"], ["elastic"]),
        (["kibana-encryption-key"], ["kibana-encryption-key"]),
        (["kafka-cluster-id"], []),
    ],
)
def test_rotation(rotate: list[str], made: list[str]) -> None:
    found, changed = complete(LIVE, WANTED, rotate)
    assert changed == made
    assert {name for name in LIVE if found[name] != LIVE[name]} == set(made)
