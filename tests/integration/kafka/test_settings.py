# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's settings are settings that the real Kafka reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.action.check_role_options import refused_keys
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import evaluate

from localcloud.artifacts.programs.kafka import distribution

pytestmark = pytest.mark.integration
# org.apache.kafka.metadata.authorizer.StandardAuthorizer reads these, which no definition has.
AUTHORIZER = {"super.users", "allow.everyone.if.no.acl.found"}
# Families: of each listener, of configuration providers (KIP-421), and of the two plugins of tiered storage (KIP-405),
# whose prefixes are the defaults of remote.log.storage.manager.impl.prefix and remote.log.metadata.manager.impl.prefix.
FAMILIES = {"listener.name.*", "config.providers.*", "rsm.config.*", "rlmm.config.*"}


def test_the_role_takes_what_kafka_reads() -> None:
    source = Path(__file__).with_name("Settings.java")
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{distribution()}/libs/*", str(source)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    names = set(evaluate("kafka", "__kafka_keys.kafka_config"))
    assert names == set(ran.stdout.split()) | AUTHORIZER | FAMILIES


def test_the_roles_own_settings_are_kafkas() -> None:
    config = evaluate("kafka", "__kafka_plan.config")
    assert refused_keys(config, evaluate("kafka", "__kafka_keys.kafka_config")) == {}
    assert refused_keys({"log.retention.hour": 1}, evaluate("kafka", "__kafka_keys.kafka_config")) == {
        "log.retention.hour": "log.retention.hours"
    }
