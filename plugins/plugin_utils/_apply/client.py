# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small concurrent client of the Kubernetes API: one connection pool, and the only place that has threads."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote, urlencode, urlsplit

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock import held
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._yamltext import encode

from .errors import ApiError, LockLostError, UnreachableError
from .objects import Json, Value

try:
    import urllib3
    from urllib3.connection import HTTPSConnection
    from urllib3.exceptions import HTTPError, LocationParseError
except ImportError:
    urllib3 = None  # type: ignore[assignment]

WORKERS: Final = 16
ATTEMPTS: Final = 6
_RETRY_STATUS: Final = frozenset({429, 500, 502, 503, 504})
# Errors with status 500 for which a repetition is useless.
_FINAL_500: Final = ("failed to create typed", "failed to create manager", "failed to prune", "failed to convert")


class Credentials(Protocol):
    """Gives the headers that authenticate a request."""

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:
        """Return the headers of a request; *renew* is true after a 401 response."""


class NoCredentials:
    """For servers that know the client by its certificate."""

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's signature
        return {}


class StaticToken:
    """A fixed bearer token."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def headers(self, *, renew: bool = False) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's signature
        return self._headers


@dataclass(frozen=True)
class Server:
    """The address, trust and credentials of an API server. Certificates and keys are PEM text."""

    url: str
    ca: str = ""
    client_cert: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    verify: bool = True
    proxy_url: str = ""
    tls_server_name: str = ""
    label: str = ""
    credentials: Credentials = field(default_factory=NoCredentials, repr=False)

    def __str__(self) -> str:
        return f"{self.label} ({self.url})" if self.label else self.url


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self) -> Json:
        body: Json = json.loads(self.data)
        return body


class Client:
    """Requests to one API server. Safe to use from several threads."""

    def __init__(self, server: Server, *, workers: int = WORKERS, timeout: float = 60) -> None:
        if urllib3 is None:
            raise UnreachableError(missing_required_lib("urllib3"))
        self.server = server
        self._requests = 0
        self._lock = threading.Lock()
        url = urlsplit(server.url)
        self._prefix = url.path.rstrip("/")
        if not url.hostname:
            raise UnreachableError(f"{server.url!r} is not the URL of an API server.")
        options: dict[str, Any] = {
            "maxsize": workers,
            "timeout": urllib3.Timeout(connect=10, read=timeout),
            "retries": False,
        }
        if url.scheme == "https":
            ssl_context(server)  # invalid files are reported before the first request
            if server.tls_server_name:
                options["server_hostname"] = server.tls_server_name
                options["assert_hostname"] = server.tls_server_name if server.verify else False
        if server.proxy_url and url.scheme == "http":
            # A proxy is asked for the whole address unless it tunnels.
            self._prefix = f"{url.scheme}://{url.netloc}{self._prefix}"
        try:
            manager = (
                urllib3.ProxyManager(server.proxy_url, proxy_headers=proxy_headers(server.proxy_url), **options)
                if server.proxy_url
                else urllib3.PoolManager(**options)
            )
            self._pool = manager.connection_from_url(server.url)
            if url.scheme == "https":
                cast(Any, self._pool).ConnectionCls = partial(_own_context, server)  # typed as a class
        except (LocationParseError, ValueError) as error:
            raise UnreachableError(
                f"Cannot use {without_userinfo(server.proxy_url) or server.url!r}: {error}."
            ) from None
        self._executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="apply")

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._requests

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._pool.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def map[A, B](self, call: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """Calls concurrently; results in the order of *items*. The first error is raised once all calls have ended."""
        work = list(items)
        if len(work) <= 1:
            return [call(item) for item in work]
        futures = [self._executor.submit(call, item) for item in work]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = "application/json") -> Json:
        return self.request("GET", path, query, accept=accept).json()

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Value = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        allowed: frozenset[int] = frozenset(),
    ) -> Response:
        """Send one request, again where that can help. Statuses of 400 and above raise ApiError unless *allowed*."""
        target = self._prefix + path + ("?" + urlencode(query) if query else "")
        data = None if body is None else encode(body)
        renewed = False
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            sent = {"Accept": accept, "User-Agent": "dataplatform.fleet.apply", **(headers or {})}
            sent.update(self.server.credentials.headers(renew=renewed))
            if data is not None:
                sent["Content-Type"] = content_type
            _demand_lock()
            with self._lock:
                self._requests += 1
            try:
                answer = self._pool.request(
                    method, target, body=data, headers=sent, redirect=False, assert_same_host=False
                )
            except HTTPError as error:
                if last or not transient(error):
                    raise self._unreachable(error) from None
                pause(attempt)
                continue
            response = Response(answer.status, answer.headers, answer.data)
            if response.status < 400 or response.status in allowed:
                return response
            if response.status == 401 and not renewed:
                renewed = True
                continue
            problem = self._problem(response)
            if last or response.status not in _RETRY_STATUS or problem.message.startswith(_FINAL_500):
                raise problem
            pause(attempt, response.headers.get("Retry-After"))
        raise AssertionError("the last attempt returns or raises")

    def _problem(self, response: Response) -> ApiError:
        try:
            status = response.json()
            message = str(status.get("message") or "")
            reason, details = str(status.get("reason") or ""), status.get("details") or {}
        except (ValueError, AttributeError):
            message, reason, details = response.data[:200].decode(errors="replace").strip(), "", {}
        if response.status == 401:
            expired = expiry(self.server.client_cert)
            message = f"{self.server} does not accept the credentials (401 {message or 'Unauthorized'})"
            message += f": {expired}" if expired else "."
        return ApiError(message or f"HTTP {response.status}", response.status, reason, details)

    def _unreachable(self, error: Exception) -> UnreachableError:
        via = f" through proxy {without_userinfo(self.server.proxy_url)}" if self.server.proxy_url else ""
        return UnreachableError(f"The API server {self.server} cannot be reached{via}: {reason(error)}")


def reason(error: Exception) -> str:
    """Return why a server cannot be reached, from an exception of urllib3."""
    *_, cause = _causes(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused; is it running, and is the address right?"
    if isinstance(cause, socket.gaierror):
        return f"its name cannot be resolved ({cause.strerror}); is the address right, and reachable from here?"
    text = str(cause).strip() or type(cause).__name__
    return text.rpartition(">: ")[2]


def expiry(certificate: str) -> str:
    """What is said of a client's certificate that has expired; or nothing. Raises ValueError if it is none."""
    if not certificate:
        return ""
    from cryptography import x509  # noqa: PLC0415 - only needed here

    ends = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    if ends >= datetime.now(UTC):
        return ""
    return f"its client certificate expired on {ends:%Y-%m-%d}. Log in again, or renew it."


def _demand_lock() -> None:
    try:
        held.demand()
    except LostError as error:
        raise LockLostError(str(error)) from None


def without_userinfo(url: str) -> str:
    return url.rpartition("@")[2]


def proxy_headers(url: str) -> dict[str, str]:
    """A proxy's user and password, which urllib3 leaves in the URL."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    return dict(urllib3.make_headers(proxy_basic_auth=unquote(user))) if at else {}


def _own_context(server: Server, *arguments: Any, **options: Any) -> HTTPSConnection:  # noqa: ANN401 - urllib3's
    """A connection with an SSL context of its own.

    urllib3 changes the context for each connection that it makes, and OpenSSL's may not be changed while another thread
    makes a connection of it: https://docs.openssl.org/master/man7/openssl-threads/.
    """
    return HTTPSConnection(*arguments, **{**options, "ssl_context": ssl_context(server)})


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    yield error
    inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
    if isinstance(inner, Exception):
        yield from _causes(inner)


# What OpenSSL calls handshakes that end so every time: a certificate or a version that one side does not take.
_FINAL_TLS: Final = re.compile("CERTIFICATE|UNKNOWN_CA|VERSION|UNSUPPORTED_PROTOCOL|HTTPS?_|UNRECOGNIZED_NAME")


def transient(error: Exception) -> bool:
    """Whether a repetition can help: after a broken connection, or a handshake that a busy server aborted."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.CertificateError) for cause in causes):
        return False
    return not any(
        isinstance(cause, ssl.SSLError) and _FINAL_TLS.search(getattr(cause, "reason", None) or "") for cause in causes
    )


def pause(attempt: int, retry_after: str | None = None) -> None:
    """Wait before the next attempt: full jitter up to 0.2, 0.4, 0.8 ... s, and never less than the server asked for."""
    asked = 0.0
    with contextlib.suppress(ValueError, TypeError):
        asked = min(float(retry_after or 0), 30.0)
    time.sleep(asked + random.uniform(0.05, 0.2 * 2 ** (attempt - 1)))  # noqa: S311 - not for secrets


def ssl_context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=server.ca or None)
    except ssl.SSLError as error:
        raise UnreachableError(f"The CA certificate for {server} cannot be read: {error.reason or error}.") from None
    # Authorities of many EKS clusters lack the key identifiers that Python 3.13 began to insist on (RFC 5280, 4.2.1.1).
    # Chain, dates and names are verified as before, and as kubectl does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if server.client_cert:
        # The ssl module reads certificates from files only.
        descriptor, name = tempfile.mkstemp()
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(server.client_cert + "\n" + server.client_key)
            context.load_cert_chain(name)
        except (ssl.SSLError, OSError):
            raise UnreachableError(f"The client certificate for {server} and its key do not go together.") from None
        finally:
            os.unlink(name)  # noqa: PTH108
    return context
