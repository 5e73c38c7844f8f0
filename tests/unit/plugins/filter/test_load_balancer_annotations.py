# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.load_balancer_annotations import (
    PREFIX,
    load_balancer_annotations,
)

BY_IP = {
    "nlb-target-type": "ip",
    "attributes": "load_balancing.cross_zone.enabled=true",
    "target-group-attributes": "preserve_client_ip.enabled=true",
}
BUILTIN = {"type": "nlb", "cross-zone-load-balancing-enabled": "true"}


def annotations(controller: str, *given: Any, **options: Any) -> dict[str, str]:
    found = load_balancer_annotations(controller, *given, **options)
    assert all(name.startswith(f"{PREFIX}-") for name in found)
    return {name.removeprefix(f"{PREFIX}-"): value for name, value in found.items()}


@pytest.mark.parametrize(
    ("controller", "scheme", "expected"),
    [
        ("builtin", "internal", BUILTIN | {"internal": "true"}),
        ("builtin", "internet-facing", BUILTIN),
        ("auto_mode", "internal", BY_IP | {"scheme": "internal"}),
        ("auto_mode", "internet-facing", BY_IP | {"scheme": "internet-facing"}),
        ("controller", "internet-facing", BY_IP | {"scheme": "internet-facing", "type": "external"}),
    ],
)
def test_each_controller_is_asked_in_its_words(controller: str, scheme: str, expected: dict[str, str]) -> None:
    assert annotations(controller, scheme) == expected


def test_it_is_internal_by_default_and_can_be_public() -> None:
    assert annotations("builtin")["internal"] == "true"
    assert annotations("auto_mode")["scheme"] == "internal"


def test_a_certificate_has_a_policy_and_tls_to_the_pods() -> None:
    more = {"ssl-cert": "arn", "ssl-ports": "443", "ssl-negotiation-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}
    assert annotations("builtin", certificate="arn") == annotations("builtin") | more | {"backend-protocol": "ssl"}
    other = annotations("builtin", certificate="arn", policy="Mine", backend_protocol="tcp")
    assert (other["ssl-negotiation-policy"], other["backend-protocol"]) == ("Mine", "tcp")
    assert annotations("builtin", policy="Mine", backend_protocol="tcp") == annotations("builtin")


def test_tags_are_text_in_the_order_of_their_names() -> None:
    found = annotations("builtin", tags={"b": True, "C": 3, "a": "x"})
    assert found["additional-resource-tags"] == "a=x,b=true,C=3"
    assert annotations("builtin", tags={}) == annotations("builtin")


def test_an_unknown_controller_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="'istio'; there are builtin, auto_mode, controller"):
        load_balancer_annotations("istio")
