# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation of requests against botocore's EKS service model: members, types, limits, enums."""

from __future__ import annotations

import functools
import re
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from localcloud.aws.errors import invalid_parameter
from localcloud.aws.jsontypes import Json

#: Path parameters that hold an ARN, and so slashes.
_ARN_LABELS = {"principalArn", "policyArn", "resourceArn"}


@functools.cache
def service_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("eks", "service-2"), service_name="eks")


@functools.cache
def _routes() -> list[tuple[str, re.Pattern[str], OperationModel]]:
    """Return the method and path of every operation, the most literal paths first."""
    routes: list[tuple[int, str, re.Pattern[str], OperationModel]] = []
    for name in service_model().operation_names:
        operation = service_model().operation_model(name)
        uri = operation.http["requestUri"]
        pattern = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}>{'.+?' if m[1] in _ARN_LABELS else '[^/]+'})", uri)
        literal = len(re.sub(r"\{\w+\}", "", uri))
        routes.append((literal, operation.http["method"], re.compile(pattern), operation))
    return [(method, pattern, operation) for _, method, pattern, operation in sorted(routes, key=lambda r: -r[0])]


def match(method: str, path: str) -> tuple[OperationModel, dict[str, str]] | None:
    """Return the operation of a request and its path parameters."""
    for route_method, pattern, operation in _routes():
        found = pattern.fullmatch(path) if method == route_method else None
        if found:
            return operation, {key: unquote(value) for key, value in found.groupdict().items()}
    return None


def parameters(
    operation: OperationModel, path: dict[str, str], query: dict[str, list[str]], body: dict[str, Any]
) -> dict[str, Any]:
    """Return all parameters of a request with their names in the model, validated.

    Raises InvalidParameterException as EKS does, naming the member.
    """
    shape = operation.input_shape
    if not isinstance(shape, StructureShape):
        return {}
    values: dict[str, Any] = dict(body)
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri":
            values[name] = path[wire]
        elif location == "querystring" and wire in query:
            values[name] = _from_query(member, query[wire])
    _check(shape, values, "")
    return values


def _from_query(shape: Shape, values: list[str]) -> Json:
    if isinstance(shape, ListShape):
        return list(values)
    if shape.type_name == "integer":
        try:
            return int(values[0])
        except ValueError as error:
            raise invalid_parameter(f"{shape.name} must be a number") from error
    if shape.type_name == "boolean":
        return values[0].lower() == "true"
    return values[0]


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "timestamp": (str, int, float),
}


def _check(shape: Shape, value: Json, where: str) -> None:
    if isinstance(shape, StructureShape):
        _expect(isinstance(value, dict), where, "a structure")
        for name in shape.required_members:
            if value.get(name) is None:
                raise invalid_parameter(f"{where}{name} is a required parameter.")
        for name, item in value.items():
            if name not in shape.members:
                raise invalid_parameter(f"Unknown parameter in input: {where}{name}.")
            if item is not None:
                _check(shape.members[name], item, f"{where}{name}.")
    elif isinstance(shape, ListShape):
        _expect(isinstance(value, list), where, "a list")
        _length(shape, len(value), where, value)
        for item in value:
            _check(shape.member, item, where)
    elif isinstance(shape, MapShape):
        _expect(isinstance(value, dict), where, "a map")
        _length(shape, len(value), where, value)
        for key, item in value.items():
            _check(shape.key, key, where)
            _check(shape.value, item, where)
    else:
        types = _TYPES.get(shape.type_name)
        if types:
            right = isinstance(value, types) and (shape.type_name == "boolean" or not isinstance(value, bool))
            _expect(right, where, f"of type {shape.type_name}")
        _scalar(shape, value, where)


def _scalar(shape: Shape, value: Json, where: str) -> None:
    metadata = shape.metadata
    if metadata.get("enum") and value not in metadata["enum"]:
        _violated(value, where, f"Member must satisfy enum value set: [{', '.join(metadata['enum'])}]")
    if isinstance(value, str):
        _length(shape, len(value), where, value)
        if "pattern" in metadata and not re.fullmatch(metadata["pattern"], value):
            _violated(value, where, f"Member must satisfy regular expression pattern: {metadata['pattern']}")
    elif isinstance(value, int) and not isinstance(value, bool):
        if "min" in metadata and value < metadata["min"]:
            _violated(value, where, f"Member must have value greater than or equal to {metadata['min']}")
        if "max" in metadata and value > metadata["max"]:
            _violated(value, where, f"Member must have value less than or equal to {metadata['max']}")


def _length(shape: Shape, length: int, where: str, value: Json) -> None:
    if length < shape.metadata.get("min", 0) and length:
        _violated(value, where, f"Member must have length greater than or equal to {shape.metadata['min']}")
    if length > shape.metadata.get("max", length):
        _violated(value, where, f"Member must have length less than or equal to {shape.metadata['max']}")


def _violated(value: Json, where: str, constraint: str) -> None:
    raise invalid_parameter(
        f"1 validation error detected: Value '{value}' at '{where.rstrip('.')}' failed to satisfy constraint: "
        f"{constraint}"
    )


def _expect(right: bool, where: str, what: str) -> None:
    if not right:
        raise invalid_parameter(f"{where.rstrip('.') or 'The request'} must be {what}.")
