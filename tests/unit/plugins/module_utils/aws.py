# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""botocore clients with responses of the test: requests and responses are validated with botocore's models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.model import OperationModel
from botocore.validate import ParamValidator

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


class RefusedError(Exception):
    """AWS refuses the call, with this code."""

    def __init__(self, code: str, message: str = "refused", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _wrong(answer: dict[str, Any], model: OperationModel) -> Iterator[str]:
    """Return errors of a response. Length limits of the models apply to requests: an untagged zone has no tags."""
    if model.output_shape:
        report = ParamValidator().validate(answer, model.output_shape)
        yield from (line for line in report.generate_report().splitlines() if "Invalid length" not in line)


def client(service: str, answer: Answer, *, region: str = "eu-central-1") -> Any:
    """Return a client of *service* that calls ``answer(operation, parameters)`` in place of AWS."""
    made = _session().create_client(
        service,
        region_name=region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def given(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context["given"] = dict(params)

    def call(model: OperationModel, context: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        try:
            status, parsed = 200, answer(model.name, context["given"])
        except RefusedError as error:
            status, parsed = error.status, {"Error": {"Code": error.code, "Message": error.message}}
        else:
            wrong = [*_wrong(parsed, model)]
            assert not wrong, f"{model.name}: {wrong}"
        return AWSResponse("", status, HTTPHeaders(), None), {**parsed, "ResponseMetadata": {"HTTPStatusCode": status}}

    made.meta.events.register("before-parameter-build", given)
    made.meta.events.register("before-call", call)  # type: ignore[arg-type]
    return made


class Fake:
    """One account's service: a method per operation, which takes the request's parameters by their names.

    ``calls`` are what changed something, or was to; ``reads`` are the others.
    """

    reading = ("Describe", "List", "Get")

    def __init__(self, service: str, *, region: str = "eu-central-1") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.reads: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, RefusedError] = {}
        self.client = client(service, self._answer, region=region)

    def _answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        (self.reads if operation.startswith(self.reading) else self.calls).append((operation, given))
        if operation in self.refuse:
            raise self.refuse[operation]
        found: dict[str, Any] = getattr(self, operation)(**given)
        return found

    @property
    def made(self) -> list[str]:
        """The names of the changing operations, in their order."""
        return [operation for operation, _ in self.calls]


class FakeModule:
    """A fake AnsibleAWSModule with options and the clients of a test."""

    def __init__(self, client: Callable[[str], Any], params: Mapping[str, Any], *, check_mode: bool = False) -> None:
        self.client, self.params, self.check_mode = client, dict(params), check_mode
        self.warned: list[str] = []
        self.warn = self.warned.append

    def log(self, line: str) -> None:
        pass


def meta(service: str) -> SimpleNamespace:
    """Return the metadata of a botocore client of *service*, for fakes that are not botocore clients."""
    events = SimpleNamespace(register=lambda *_: None)
    return SimpleNamespace(service_model=_session().get_service_model(service), events=events)
