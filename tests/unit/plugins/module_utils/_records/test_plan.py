# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._records import plan as records
from ansible_collections.dataplatform.fleet.plugins.module_utils._records.plan import ForeignRecordError, mark
from botocore.validate import ParamValidator

OWNER = "kafka/one"
WANTED = {"kafka-0.example.internal": "a.elb.amazonaws.com", "kafka-1.example.internal": "b.elb.amazonaws.com"}


def record(name: str, kind: str, value: str, ttl: int = 60) -> dict[str, Any]:
    return {"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def own(*names: str, owner: str = OWNER, value: str = "a.elb.amazonaws.com") -> list[dict[str, Any]]:
    return [
        one for name in names for one in (record(name, "CNAME", value), record(f"_owner.{name}", "TXT", mark(owner)))
    ]


def plan(live: list[dict[str, Any]], wanted: dict[str, str], owner: str, ttl: int, adopt: Any = ()) -> Any:
    """The batch, and the records that it changes, before and after."""
    planned = records.plan("Z1", live, wanted, owner, ttl=ttl, adopt=adopt)
    batch = [change for step in planned for change in step.request["ChangeBatch"]["Changes"]]
    return batch, planned.diff()["before"], planned.diff()["after"]


def carried_out(live: list[dict[str, Any]], wanted: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    changes, before, after = plan(live, wanted, OWNER, 60, **more)
    there = {(one["Name"].rstrip("."), one["Type"]): one for one in live}
    for change in changes:
        one = change["ResourceRecordSet"]
        if change["Action"] == "DELETE":
            del there[one["Name"].rstrip("."), one["Type"]]
        else:
            there[one["Name"].rstrip("."), one["Type"]] = one
    assert bool(changes) == bool({**before, **after})
    left = list(there.values())
    assert plan(left, wanted, OWNER, 60, **more) == ([], {}, {})
    return left


def names(live: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["Name"].rstrip("."), one["Type"]) for one in live}


def test_makes_each_record_and_its_mark_and_then_nothing() -> None:
    left = carried_out([], WANTED)
    assert names(left) == {
        (f"{prefix}{key}", kind) for key in WANTED for prefix, kind in (("", "CNAME"), ("_owner.", "TXT"))
    }
    # In the format of Route 53's responses.
    shown = [{**one, "Name": f"{one['Name']}."} for one in left]
    assert plan(shown, WANTED, OWNER, 60) == ([], {}, {})


def test_the_changes_are_as_route53_takes_them() -> None:
    live = own("kafka-1.example.internal", "kafka-2.example.internal", value="old")
    (step,) = records.plan("Z1", live, WANTED, OWNER, ttl=60)
    shape = botocore.session.get_session().get_service_model("route53").operation_model(step.operation).input_shape
    assert not ParamValidator().validate(dict(step.request), shape).has_errors()
    changes = step.request["ChangeBatch"]["Changes"]
    # A deletion names the record exactly as it is.
    assert [one["ResourceRecordSet"] for one in changes if one["Action"] == "DELETE"] == live[2:]


def test_records_of_removed_brokers_are_deleted_and_others_are_kept() -> None:
    others = [
        record("kafka-7.example.internal", "CNAME", "theirs"),
        record("kafka-8.example.internal", "A", "10.0.0.1"),
        record("_owner.kafka-7.example.internal", "TXT", '"heritage=external-dns,external-dns/owner=x"'),
        *own("kafka-9.example.internal", owner="kafka/two"),
        record("example.internal", "NS", "ns"),
    ]
    live = [*own("kafka-0.example.internal", "kafka-2.example.internal"), *others]
    left = carried_out(live, WANTED)
    assert names(others) < names(left)
    assert ("kafka-2.example.internal", "CNAME") not in names(left)
    assert names(carried_out(left, {})) == names(others)


def test_a_marker_record_without_a_record_is_deleted() -> None:
    assert carried_out(own("kafka-2.example.internal")[1:], {}) == []


def test_a_changed_target_and_time_to_live_are_corrected() -> None:
    live = own("kafka-0.example.internal", "kafka-1.example.internal", value="old.elb.amazonaws.com")
    _changes, before, after = plan(live, WANTED, OWNER, 60)
    assert before["kafka-0.example.internal"] == "60 CNAME old.elb.amazonaws.com"
    assert after["kafka-0.example.internal"] == "60 CNAME a.elb.amazonaws.com"
    assert set(plan(live, WANTED, OWNER, 30)[2]) == names_with_marks(WANTED)


def names_with_marks(wanted: dict[str, str]) -> set[str]:
    return {*wanted, *(f"_owner.{key}" for key in wanted)}


def test_an_unmanaged_record_is_refused_unless_it_has_the_declared_value() -> None:
    with pytest.raises(ForeignRecordError, match="is a record of another owner: 60 CNAME x"):
        plan([record("kafka-0.example.internal", "CNAME", "x")], WANTED, OWNER, 60)
    same = [record("kafka-0.example.internal", "CNAME", "A.elb.amazonaws.com.")]
    carried_out(same[:1], {"kafka-0.example.internal": "a.elb.amazonaws.com."}, adopt=["kafka-0.example.internal"])
    for value in ("a.elb.amazonaws.com", "A.elb.amazonaws.com."):
        known = [record("kafka-0.example.internal", "CNAME", value)]
        assert names(carried_out(known, WANTED)) >= {("_owner.kafka-0.example.internal", "TXT")}
    foreign = [record("kafka-0.example.internal", "CNAME", "x")]
    assert names(carried_out(foreign, WANTED, adopt=["kafka-0.example.internal"])) == names(carried_out([], WANTED))


def test_a_name_with_records_of_another_type_is_refused() -> None:
    for adopt in ([], list(WANTED)):
        with pytest.raises(ForeignRecordError, match="has records of the type A"):
            plan([record("kafka-0.example.internal", "A", "10.0.0.1")], WANTED, OWNER, 60, adopt)


@pytest.mark.parametrize("cname", [[], [record("kafka-0.example.internal", "CNAME", "a.elb.amazonaws.com")]])
def test_the_mark_of_others_is_refused_unless_it_is_adopted(cname: list[dict[str, Any]]) -> None:
    live = [*cname, record("_owner.kafka-0.example.internal", "TXT", mark("kafka/two"))]
    with pytest.raises(ForeignRecordError, match=r"_owner\.kafka-0\.example\.internal is a record of another owner"):
        plan(live, WANTED, OWNER, 60)
    assert names(carried_out(live, WANTED, adopt=["dns_record/kafka-0.example.internal"])) == names(
        carried_out([], WANTED)
    )


@pytest.mark.parametrize("routing", [{"SetIdentifier": "one", "Weight": 1}, {"AliasTarget": {"DNSName": "x."}}])
def test_a_routed_record_is_refused_in_any_case(routing: dict[str, Any]) -> None:
    """Route 53 accepts no simple record beside it, so adoption cannot help."""
    live = [{**record("kafka-0.example.internal", "CNAME", "a.elb.amazonaws.com"), **routing}]
    for adopt in ([], ["kafka-0.example.internal"]):
        with pytest.raises(ForeignRecordError, match="has a routing policy or is an alias") as refused:
            plan(live, WANTED, OWNER, 60, adopt)
        assert "adopt" not in str(refused.value)


def test_names_to_adopt_are_read_as_names_of_records_are() -> None:
    live = [record("kafka-0.example.internal", "CNAME", "x")]
    carried_out(live, WANTED, adopt=["Kafka-0.example.internal.", "dns_record/Kafka-1.example.internal."])


def test_records_without_a_marker_are_deleted_if_they_are_named() -> None:
    """Records of older versions without marker records."""
    live = [record(key, "CNAME", value) for key, value in WANTED.items()]
    others = [record("kafka-9.example.internal", "CNAME", "theirs"), record("kafka-1.example.internal", "MX", "1 x")]
    assert names(carried_out([*live, *others], {}, adopt=[f"dns_record/{key}" for key in WANTED])) == names(others)
