# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a lock's files before a change."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock import held
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import VARIABLE, clock, started
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client, Server
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import LockLostError, UnreachableError
from botocore.exceptions import BotoCoreError, EndpointConnectionError

PLUGINS = Path(__file__).parents[5] / "plugins"
NOWHERE = "http://127.0.0.1:9"


class Place:
    """The files of one lock."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "run_lock-1")
        Path(self.path + ".users").touch()
        self.memory(run=os.getpid(), run_started=started(os.getpid()))
        self.state()

    def memory(self, **about: Any) -> None:
        lock = {"cluster": "dp-staging", "ttl": 300}
        keeper = {"pid": os.getpid(), "started": "another time"}
        Path(self.path + ".json").write_text(json.dumps({"lock": lock, **keeper, **about}))

    def state(self, silent: float = 0, lost: bool = False, problem: str = "") -> None:
        about = {"renewed": clock() - silent, "lost": lost, "problem": problem}
        Path(self.path + ".state").write_text(json.dumps(about))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    monkeypatch.setenv(VARIABLE, place.path)
    return place


def test_a_held_lock_allows_the_change(place: Place) -> None:
    assert held.demand() == ""
    place.state(silent=239, problem="expired")
    assert held.demand() == "expired"


def test_without_a_lock_nothing_is_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert held.demand() == ""


def test_a_lost_lock_stops_it(place: Place) -> None:
    place.state(lost=True)
    with pytest.raises(LostError, match="has lost its lock on cluster dp-staging"):
        held.demand()


@pytest.mark.parametrize(("problem", "said"), [("expired", "expired"), ("", "the process that renews it has ended")])
def test_silence_stops_it_a_minute_before_another_run_may_take_the_lock(place: Place, problem: str, said: str) -> None:
    place.state(silent=241, problem=problem)
    with pytest.raises(LostError, match=rf"dp-staging could not be renewed for 4m01s \({said}\)\."):
        held.demand()
    assert [held.margin(ttl) for ttl in (9, 60, 300, 3600)] == [3, 20, 60, 60]


def test_a_suspended_machine_is_distinguished_from_a_process_that_ended(place: Place) -> None:
    own = started(os.getpid())
    place.memory(run=os.getpid(), run_started=own, pid=os.getpid(), started=own)
    place.state(silent=241)
    with pytest.raises(LostError, match=r"\(the machine slept, or was too busy\)"):
        held.demand()


def test_a_run_that_has_ended_stops_it(place: Place) -> None:
    place.memory(run=os.getpid(), run_started="another time")
    with pytest.raises(LostError, match="has ended"):
        held.demand()


@pytest.mark.parametrize("suffix", [".json", ".state"])
def test_a_run_that_has_ended_and_tidied_up_stops_it(place: Place, suffix: str) -> None:
    Path(place.path + suffix).unlink()
    with pytest.raises(LostError, match="has ended"):
        held.demand()


def test_no_call_is_made_without_the_lock(place: Place) -> None:
    ec2 = boto3.client(
        "ec2", region_name="eu-central-1", endpoint_url=NOWHERE, aws_access_key_id="a", aws_secret_access_key="b"
    )
    kubernetes = Client(Server(NOWHERE))
    held.watched(ec2)
    with pytest.raises(EndpointConnectionError):
        ec2.delete_vpc(VpcId="vpc-1")
    with pytest.raises(UnreachableError):
        kubernetes.request("DELETE", "/api")
    place.state(lost=True)
    with pytest.raises(BotoCoreError, match="has lost its lock"):
        ec2.delete_vpc(VpcId="vpc-1")
    with pytest.raises(LockLostError, match="has lost its lock"):
        kubernetes.request("DELETE", "/api")


# Modules that only read, and a key that is looked up.
READING = {
    ("check_ownership.py", "sts"),
    ("secretsmanager_documents_info.py", "secretsmanager"),
}


def test_modules_watch_their_clients() -> None:
    found = set()
    for file in [*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("module_utils/*/*.py")]:
        for before, service in re.findall(r'(\w*)\(?(?:self\.)?module\.client\("?(\w+)', file.read_text()):
            if before != "watched":
                found.add((file.name, service))
    assert found == READING
