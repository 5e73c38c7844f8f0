from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import Lock, age

LOCK = Lock("dp-staging", "r1", "ann@laptop", "site.yml", 1000, 1085, 300)


def test_an_item_is_read_as_it_was_written() -> None:
    assert Lock.from_item(LOCK.to_item()) == LOCK
    assert LOCK.to_item()["ttl"] == {"N": "300"}


def test_an_item_edited_by_hand_is_still_read() -> None:
    lock = Lock.from_item({"cluster": {"S": "c"}, "heartbeat_at": {"N": "12.7"}})
    assert lock.holder == "somebody unknown"
    assert lock.heartbeat_at == 12
    assert lock.stale(13)


@pytest.mark.parametrize(("now", "stale"), [(1085, False), (1385, False), (1386, True)])
def test_a_holder_without_heartbeats_for_its_time_to_live_is_stale(now: int, stale: bool) -> None:
    assert LOCK.stale(now) is stale


def test_a_description_names_the_holder_and_the_time() -> None:
    assert LOCK.describe(1090) == "ann@laptop (site.yml) for 1m30s, last heartbeat 5s ago"
    assert LOCK.public(1090)["age"] == 90


@pytest.mark.parametrize(
    ("seconds", "text"), [(-2, "0s"), (5, "5s"), (90, "1m30s"), (3600, "1h00m"), (93784, "26h03m")]
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text
