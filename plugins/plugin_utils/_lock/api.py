# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls to DynamoDB, one per function, and the clock they are timed by."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LockError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.heartbeat import Client, skew
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import KEY, Lock
from ansible_collections.dataplatform.fleet.plugins.module_utils._ownership.tags import marks, owned, pairs_of, refusal
from ansible_collections.dataplatform.fleet.plugins.module_utils._texts import texts

with contextlib.suppress(ImportError):  # said when a client is made
    from botocore.exceptions import BotoCoreError, ClientError

CREATE_SECONDS = 120

Value = Any  # whatever a request or an answer holds


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The condition of a write did not hold; `lock` is what was there instead, if anything."""

    def __init__(self, lock: Lock | None) -> None:
        super().__init__("the condition did not hold")
        self.lock = lock


class Table:
    """The table that holds one item per locked cluster."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self.skew = 0.0

    def now(self) -> int:
        """Seconds since the epoch on the clock of AWS, as far as its last answer told: runs on machines whose clocks
        differ must not take each other for dead."""
        return round(time.time() + self.skew)

    def exists(self) -> bool:
        """Whether the table can be used."""
        answer = self._call("describe_table", absent=None)
        return answer is not None and answer["Table"]["TableStatus"] in ("ACTIVE", "UPDATING")

    def ensure(self, tags: Mapping[str, str], *, adopt: bool = False) -> bool:
        """Create the table unless it is there, wait until it can be used; whether it was created here."""
        if self.exists():
            self._check_owner(tags, adopt=adopt)
            return False
        created = self._call(
            "create_table",
            absent=None,
            ignore="ResourceInUseException",
            AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=pairs_of(texts(tags)),
        )
        deadline = time.monotonic() + CREATE_SECONDS
        while not self.exists():
            if time.monotonic() > deadline:
                raise LockError(f"The lock table {self._name} did not become ACTIVE within {CREATE_SECONDS} s.")
            time.sleep(1)
        return created is not None

    def _check_owner(self, tags: Mapping[str, str], *, adopt: bool) -> None:
        """Tag a table that lacks those of `tags` that say whose it is. Raises LockError unless it is to be adopted."""
        if not marks(tags):
            return
        arn = self._call("describe_table")["Table"]["TableArn"]
        try:
            pages = self._client.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
            had = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
            if adopt and not owned(had, tags):
                self._client.tag_resource(ResourceArn=arn, Tags=pairs_of(texts(tags)))
        except (BotoCoreError, ClientError) as error:
            raise LockError(f"The tags of the lock table {self._name} could not be managed: {error}") from error
        if not adopt and not owned(had, tags):
            raise LockError(refusal("dynamodb_table", self._name, had, tags))

    def get(self, cluster: str) -> Lock | None:
        """The lock of a cluster, if there is one."""
        answer = self._call("get_item", absent={}, Key={KEY: {"S": cluster}}, ConsistentRead=True)
        return Lock.from_item(answer["Item"]) if answer.get("Item") else None

    def put(self, lock: Lock, replaces: Lock | None = None) -> None:
        """Store `lock` if there is none, or only `replaces` exactly as it was seen. Raises Refused."""
        if replaces is None:
            condition: dict[str, Any] = {
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": {"#key": KEY},
            }
        else:
            condition = _exactly(replaces)
        self._call("put_item", Item=lock.to_item(), ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition)

    def touch(self, lock: Lock) -> None:
        """Say that the holder of `lock` lives. Raises Refused."""
        self._call(
            "update_item",
            Key={KEY: {"S": lock.cluster}},
            UpdateExpression="SET #beat = :now",
            ConditionExpression="#id = :id",
            ExpressionAttributeNames={"#beat": "heartbeat_at", "#id": "run_id"},
            ExpressionAttributeValues={":now": {"N": str(self.now())}, ":id": {"S": lock.run_id}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def delete(self, lock: Lock) -> None:
        """Remove the lock if it still belongs to the run of `lock`. Raises Refused."""
        self._call(
            "delete_item",
            Key={KEY: {"S": lock.cluster}},
            ConditionExpression="#id = :id",
            ExpressionAttributeNames={"#id": "run_id"},
            ExpressionAttributeValues={":id": {"S": lock.run_id}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def _call(self, operation: str, absent: Value = ..., ignore: str = "", **parameters: Value) -> Value:
        """Call `operation`; `absent` is the answer for a table that is not there or an ignored error code."""
        try:
            answer = getattr(self._client, operation)(TableName=self._name, **parameters)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "ConditionalCheckFailedException":
                item: Any = error.response.get("Item")
                raise Refused(Lock.from_item(item) if item else None) from None
            if absent is not ... and code in ("ResourceNotFoundException", ignore):
                return absent
            raise LockError(f"The lock table {self._name} could not be used: {error}") from error
        except BotoCoreError as error:
            raise LockError(f"The lock table {self._name} could not be reached: {error}") from error
        self.skew = skew(answer)
        return answer


def _exactly(lock: Lock) -> dict[str, Any]:
    return {
        "ConditionExpression": "#id = :id AND #beat = :beat",
        "ExpressionAttributeNames": {"#id": "run_id", "#beat": "heartbeat_at"},
        "ExpressionAttributeValues": {":id": {"S": lock.run_id}, ":beat": {"N": str(lock.heartbeat_at)}},
    }
