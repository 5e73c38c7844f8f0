# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behaviour of S3 that differs from ministack: lifecycle rules, deletion of many objects, pages of versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from xml.etree import ElementTree

from localcloud.aws import ministack
from localcloud.aws.errors import Response

Query = dict[str, Any]
Handler = Callable[..., Response]

LONGEST_PAGE = 1000
"""Maximum number of objects that one call lists or deletes."""
_ID_LENGTH = 255
_RULES = 1000
_ACTIONS = (
    "AbortIncompleteMultipartUpload",
    "Expiration",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransition",
    "Transition",
)
_COUNTS = {
    "Expiration": "Days",
    "NoncurrentVersionExpiration": "NoncurrentDays",
    "AbortIncompleteMultipartUpload": "DaysAfterInitiation",
}


def install() -> None:
    ministack.put_lifecycle.wrap(_put_lifecycle)
    ministack.delete_objects.wrap(_delete_objects)
    ministack.list_versions.wrap(lambda listing: lambda bucket, query: list_versions_of(listing, bucket, query))
    ministack.s3_checks.wrap(_checks)


def _put_lifecycle(put: Handler) -> Handler:
    def put_bucket_lifecycle(name: str, body: bytes) -> Response:
        refused = lifecycle_refusal(body) if name in ministack.buckets else None
        return ministack.s3_error(*refused) if refused else put(name, body)

    return put_bucket_lifecycle


def _delete_objects(deletion: Handler) -> Handler:
    def delete(bucket: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        root = _parsed(body)
        objects = [] if root is None else _children(root, "Object")
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
        if root is None or not objects or len(objects) > LONGEST_PAGE:
            return ministack.s3_error("MalformedXML", ministack.MALFORMED_XML, 400)
        return delete_permitted(deletion, bucket, root, headers or {})

    return delete


def _checks(checks: Callable[..., list[tuple[str, str]]]) -> Callable[..., list[tuple[str, str]]]:
    def additional_checks(method: str, *request: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - of ministack
        # Each object of a deletion has a result of its own: delete_permitted() returns it.
        own = ("s3:DeleteObject", "s3:DeleteObjectVersion")
        return [one for one in checks(method, *request) if method != "POST" or one[0] not in own]

    return additional_checks


def delete_permitted(deletion: Handler, bucket: str, root: ElementTree.Element, headers: Mapping[str, str]) -> Response:
    """Delete the objects that the caller may delete, and return an error for each of the others.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    errors = ""
    for one in _children(root, "Object"):
        key, version = _text(one, "Key"), _text(one, "VersionId")
        action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
        if ministack.s3_refused(action, headers, f"arn:aws:s3:::{bucket}/{key}"):
            root.remove(one)
            named = f"<Key>{ministack.s3_escape(key)}</Key>" + (f"<VersionId>{version}</VersionId>" if version else "")
            errors += f"<Error>{named}<Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    status, answer, body = deletion(bucket, ElementTree.tostring(root), headers)
    if errors and status == HTTPStatus.OK:
        text = re.sub(r"<DeleteResult([^>]*?)\s*/>", r"<DeleteResult\1></DeleteResult>", body.decode())
        body = text.replace("</DeleteResult>", f"{errors}</DeleteResult>").encode()
    return status, answer, body


def list_versions_of(listing: Handler, bucket: str, query: Query) -> Response:
    """Return a page of versions of at most S3's size, which may start after a version that has been deleted."""
    longest = ministack.s3_parameter(query, "max-keys", "")
    if longest.isdigit() and int(longest) > LONGEST_PAGE:
        query = {**query, "max-keys": [str(LONGEST_PAGE)]}
    key, version = (
        ministack.s3_parameter(query, "key-marker", ""),
        ministack.s3_parameter(query, "version-id-marker", ""),
    )
    known = [one["version_id"] for one in ministack.object_versions.get((bucket, key)) or []]
    if not (key and version) or version in known:
        return listing(bucket, query)
    # Versions before the marker were listed, and deleted, together with it.
    before = {"key-marker": [_just_before(key)], "version-id-marker": [""]}
    status, headers, body = listing(bucket, {**query, **before})
    text = body.decode() if isinstance(body, bytes) else body
    marks = f"<KeyMarker>{ministack.s3_escape(key)}</KeyMarker><VersionIdMarker>{version}</VersionIdMarker>"
    text = re.sub(r"<KeyMarker>.*?</KeyMarker><VersionIdMarker\s*/>", lambda _: marks, text, count=1, flags=re.DOTALL)
    return status, headers, text.encode()


def _just_before(key: str) -> str:
    last = ord(key[-1])
    return key[:-1] + (f"{chr(last - 1)}\U0010ffff" if last > 1 else "")


def lifecycle_refusal(body: bytes) -> tuple[str, str, int] | None:
    """Return S3's error (code, message and status) for a lifecycle configuration; None if it is valid.

    Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html and
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    root = _parsed(body)
    rules = [] if root is None else _children(root, "Rule")
    if not 0 < len(rules) <= _RULES:
        return "MalformedXML", ministack.MALFORMED_XML, 400
    identifiers = [identifier for rule in rules if (identifier := _text(rule, "ID"))]
    if len(set(identifiers)) < len(identifiers):
        return "InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule", 400
    return next((refused for rule in rules if (refused := _rule_refusal(rule))), None)


def _rule_refusal(rule: ElementTree.Element) -> tuple[str, str, int] | None:
    if len(_text(rule, "ID")) > _ID_LENGTH:
        return "InvalidArgument", f"ID length should not exceed allowed limit of {_ID_LENGTH}", 400
    chosen = _children(rule, "Filter") or _children(rule, "Prefix")
    if len(_children(rule, "Status")) != 1 or len(chosen) != 1:
        return "MalformedXML", ministack.MALFORMED_XML, 400
    actions = {name: found for name in _ACTIONS if (found := _children(rule, name))}
    if not actions:
        return "InvalidRequest", "At least one action needs to be specified in a rule", 400
    for name, count in _COUNTS.items():
        for action in actions.get(name, []):
            days = _text(action, count)
            if days and not (days.isdigit() and int(days) > 0):
                return "InvalidArgument", f"'{count}' for {name} action must be a positive integer", 400
    return _combination_refusal(rule, actions)


def _combination_refusal(
    rule: ElementTree.Element, actions: Mapping[str, list[ElementTree.Element]]
) -> tuple[str, str, int] | None:
    marker = any(_text(one, "ExpiredObjectDeleteMarker") for one in actions.get("Expiration", []))
    if marker and any(_text(one, "Days") or _text(one, "Date") for one in actions["Expiration"]):
        return "MalformedXML", ministack.MALFORMED_XML, 400
    tagged = any(element.tag.rsplit("}", 1)[-1] == "Tag" for one in _children(rule, "Filter") for element in one.iter())
    if tagged and marker:
        return "InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags.", 400
    if tagged and "AbortIncompleteMultipartUpload" in actions:
        return "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.", 400
    for one in actions.get("NoncurrentVersionExpiration", []):
        if _text(one, "NewerNoncurrentVersions") and not _text(one, "NoncurrentDays"):
            return "MalformedXML", ministack.MALFORMED_XML, 400
    return None


def _parsed(body: bytes) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(body)  # noqa: S314 - the user's own request
    except ElementTree.ParseError:
        return None


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element if child.tag.rsplit("}", 1)[-1] == name]


def _text(element: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "")
