# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's run from options to result: clients, the plan, its execution unless in check mode, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .._lock.held import watched
from .._texts import texts
from . import calls, references
from .aliases import Client, Document, Value
from .errors import AwsError
from .plan import Plan, Step
from .waiters import Poller

try:  # noqa: SIM105
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    pass  # AnsibleAWSModule says what is missing

# In seconds, for modules without the option: a change of another run can be in progress.
_WAIT_TIMEOUT = 900


class Run:
    """One run of a module: ``steps`` are those that were decided, ``done`` those that were carried out."""

    def __init__(self, module: Any, about: str = "") -> None:  # noqa: ANN401 - AnsibleAWSModule
        """*about* completes the message of an error: "Could not ..."."""
        self.about = about
        self.module = module
        tags = module.params.get("tags")
        self.options: Mapping[str, Any] = {**module.params, "tags": None if tags is None else texts(tags)}
        self.check_mode: bool = module.check_mode
        self.wait = bool(self.options.get("wait", True))
        self.poller = Poller(float(self.options.get("wait_timeout", _WAIT_TIMEOUT)), module.log)
        self.steps: list[Step] = []
        self.done: list[dict[str, Value]] = []
        self.made = False

    def client(self, service: str, **more: Any) -> Client:  # noqa: ANN401 - options of boto3
        """Return a client that makes no call unless the lock is held."""
        return watched(self.module.client(service, **more))

    def call(self, client: Client, operation: str, /, **request: object) -> Document:
        """Make one call, whether or not in check mode."""
        there = partial(references.exist, self.client, request)
        answer = calls.send(client, operation, request, made=self.made, exist=there)
        self.made = self.made or calls.creates(operation)
        return answer

    def pages(self, client: Client, operation: str, key: str, /, **request: object) -> list[Any]:
        """Return the items under *key* of all pages, of what this run may have made a moment ago."""
        return calls.read(client, operation, key, request, made=self.made)

    def do(self, client: Client, step: Step, settle: Callable[[ClientError], bool] = lambda _: False) -> Document:
        """Make the call of *step* and return its answer; in check mode make none and return nothing.

        *settle* waits for the operation because of which AWS has refused the call, and returns whether there was one.
        """

        def send() -> Document:
            while True:
                try:
                    return self.call(client, step.operation, **step.request)
                except ClientError as error:
                    if calls.is_gone(step.operation, error):
                        return {}
                    if not settle(error):
                        raise

        return self.carry_out(step, send) or {}

    def carry_out[Answer](self, step: Step, work: Callable[[], Answer]) -> Answer | None:
        """Do the *work* of a step that is more than a call, and return its answer; in check mode return nothing."""
        self.steps.append(step)
        if self.check_mode:
            return None
        answer = work()
        self.done.append(step.as_dict())
        return answer

    def apply(self, client: Client, plan: Plan) -> None:
        """Make the calls of *plan*, unless in check mode."""
        for step in plan:
            self.do(client, step)

    def plan(self) -> Plan:
        """Return all steps so far as a plan, for what decides a step by the answers before it."""
        return Plan(steps=tuple(self.steps))


def outcome(plan: Plan, **returned: Value) -> dict[str, Value]:
    """Return a module's result. The changes are those of the plan, in check mode too."""
    return {"changed": bool(plan), "diff": plan.diff(), "actions": plan.as_list(), **returned}


def run(
    module: Any,  # noqa: ANN401 - AnsibleAWSModule
    about: str,
    work: Callable[[Run], Mapping[str, Value]],
    *,
    where: str = "",
) -> None:
    """Do *work* and leave the module with its result, or with its error. *about* is what it manages.

    *where* is the prefix of error messages that do not name the resource.
    """
    this = Run(module, f"manage {about}")
    try:
        result = work(this)
    except (AwsError, BotoCoreError, ClientError) as error:
        # The steps before the error are done. The next run continues from there.
        told = {"changed": bool(this.done), "actions": this.done, "waited": this.poller.report()}
        if isinstance(error, AwsError):
            message = f"{where}: {error.message}" if where else error.message
            module.fail_json(msg=message, **{**told, **error.details})
        module.fail_json_aws(error, msg=f"Could not {this.about}", **told)
    module.exit_json(**result)
