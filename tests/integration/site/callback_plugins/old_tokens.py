"""Test callback: with OLD_TOKENS set, the first cluster token of each task has expired."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: old_tokens
type: notification
short_description: Lets tokens expire
description: Signs the first token of each task 20 minutes ago and writes each token's age to the file OLD_TOKENS.
"""

AGE = timedelta(minutes=20)


def let_tokens_expire(record: Path) -> None:
    """Patch botocore in this process; every task runs in a fork of it."""
    from botocore import auth, signers  # noqa: PLC0415 - only where it is asked for

    now, sign = auth.get_current_datetime, signers.RequestSigner.generate_presigned_url
    minted: list[int] = []

    def old(*args: Any, **kwargs: Any) -> datetime:
        moment: datetime = now(*args, **kwargs) - AGE
        return moment

    def presign(self: Any, *args: Any, **kwargs: Any) -> Any:
        first = os.getpid() not in minted
        minted.append(os.getpid())
        auth.get_current_datetime = old if first else now
        try:
            return sign(self, *args, **kwargs)
        finally:
            auth.get_current_datetime = now
            with record.open("a") as stream:
                stream.write("old\n" if first else "new\n")

    signers.RequestSigner.generate_presigned_url = presign


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "old_tokens"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        super().__init__()
        if os.environ.get("OLD_TOKENS"):
            let_tokens_expire(Path(os.environ["OLD_TOKENS"]))
