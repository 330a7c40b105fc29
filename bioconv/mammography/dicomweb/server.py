"""A DICOMweb server: its address, who asks, and requests that are bounded, repeated and never follow elsewhere.

The standard library's HTTP is used: it reads as bytes come, so that a stall is noticed and a large instance never lies
in memory, and it trusts the certificates that the system trusts.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from bioconv.download import ATTEMPTS, FIRST_WAIT_S, READ_TIMEOUT_S, SLOWEST_BYTES_PER_S
from bioconv.errors import DownloadError
from bioconv.runtime import logger

BLOCK = 1 << 16
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT_S = 60.0
_REMEDIES = {
    400: "the server does not understand the request; does the address end where DICOMweb begins?",
    401: "give a token that the server takes with --token-file",
    403: "the token is not allowed to read it; ask for the right to query and retrieve",
    404: "there is no such thing, or DICOMweb begins elsewhere (often https://HOST/dicom-web); give the part of the "
    "address that comes before /studies",
    405: "DICOMweb begins elsewhere; give the part of the address that comes before /studies",
    406: "the server does not send application/dicom and application/dicom+json; it cannot be read from",
    410: "it is no longer there",
}
_Found = TypeVar("_Found")


class MissingResourceError(DownloadError):
    """The server answered 404 or 410."""


class PassingError(Exception):
    """Another attempt may do better.

    Parameters
    ----------
    wait_s
        Seconds the server asks to wait.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Limits:
    """What is put up with.

    Parameters
    ----------
    attempts
        Of each request.
    first_wait_s
        Seconds before the second attempt; each further one waits twice as long.
    stall_s
        Seconds without a byte.
    slowest
        Bytes per second; after `stall_s` an answer that comes slower counts as stalled.
    largest
        Bytes of one instance.
    longest
        Bytes of one list.
    """

    attempts: int = ATTEMPTS
    first_wait_s: float = FIRST_WAIT_S
    stall_s: float = READ_TIMEOUT_S
    slowest: int = SLOWEST_BYTES_PER_S
    largest: int = 2 << 30
    longest: int = 64 << 20


@dataclass(frozen=True)
class Server:
    """Where DICOMweb begins, and what is sent with each request.

    Parameters
    ----------
    url
        Without a slash at its end.
    authorization
        Value of the header of that name; never said.
    tls
        How https:// is checked; None for http://.
    limits
        What is put up with of each request.
    """

    url: str
    authorization: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    limits: Limits = field(default_factory=Limits)

    @contextmanager
    def get(self, path: str, accept: str) -> Iterator[HTTPResponse]:
        """Open the answer to one request, made once.

        Parameters
        ----------
        path
            What follows the address, from the slash on.
        accept
            Value of the header of that name.

        Yields
        ------
        HTTPResponse
            Its body not yet read.

        Raises
        ------
        PassingError
            If another attempt may do better.
        DownloadError
            If it will not. The message ends with what to do.
        """
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "bioconv"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        with _told(self.limits.stall_s):
            response = self._opener().open(Request(self.url + path, headers=headers), timeout=self.limits.stall_s)
        with response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                message = f"the answer is packed ({response.headers['Content-Encoding']}), which was not asked for"
                raise DownloadError(message)
            yield response

    def _opener(self) -> OpenerDirector:
        handlers: list[Any] = [_SameServer(), HTTPSHandler(context=self.tls)]
        if is_local(urlsplit(self.url)):
            handlers.append(ProxyHandler({}))  # a proxy elsewhere would read what is not to leave this machine
        return build_opener(*handlers)

    def repeated(self, what: str, once: Callable[[], _Found]) -> _Found:
        """Return what one of several attempts returns.

        Parameters
        ----------
        what
            What is asked for, for messages.
        once
            Makes one attempt.

        Raises
        ------
        DownloadError
            Naming the server and `what`; of the kind that `once` raised, where another attempt would not do better.
        """
        reason, wait = "", 0.0
        for attempt in range(self.limits.attempts):
            if attempt:
                logger.info("%s: %s; trying again (%d of %d)", what, reason, attempt + 1, self.limits.attempts)
                time.sleep(max(wait, self.limits.first_wait_s * 2 ** (attempt - 1)))
            try:
                return once()
            except PassingError as problem:
                reason, wait = str(problem), min(problem.wait_s, _LONGEST_WAIT_S)
            except DownloadError as error:
                message = f"{self.url}: {what}: {error}"
                raise type(error)(message) from error
        message = f"{self.url}: {what}: {reason}, in {self.limits.attempts} attempt(s); see whether the server is up"
        message += " and can be reached from here, and run again"
        raise DownloadError(message)


class Body:
    """The bytes of an answer: counted, and no more and no slower than the limits say."""

    def __init__(self, response: HTTPResponse, limits: Limits, largest: int) -> None:
        self._response, self._limits, self._largest = response, limits, largest
        self._begin = time.monotonic()
        self.count = 0
        length = response.headers.get("Content-Length", "")
        self.length = int(length) if length.isascii() and length.isdigit() and not response.chunked else None
        if self.length is not None and self.length > largest:
            self._refuse(self.length)

    def read(self) -> bytes:
        """Return the next bytes, nothing at the end.

        Raises
        ------
        PassingError
            If it broke off, ended before its length, stalled or drips.
        DownloadError
            If there is too much of it.
        """
        with _told(self._limits.stall_s):
            block = self._response.read1(BLOCK)
        self.count += len(block)
        if self.count > self._largest:
            self._refuse(self.count)
        if not block and self.length is not None and self.count < self.length:
            message = f"it ended after {self.count} of {self.length} bytes"
            raise PassingError(message)
        spent = time.monotonic() - self._begin
        if block and spent > self._limits.stall_s + self.count / self._limits.slowest:
            message = f"stalled: {self.count} bytes in {spent:.0f} s"
            raise PassingError(message)
        return block

    def _refuse(self, count: int) -> None:
        message = f"{count} bytes or more, where {self._largest} are the most that is taken; fetch it by other means"
        raise DownloadError(message)


class _SameServer(HTTPRedirectHandler):
    """Follows redirects on the same server only: neither token nor question goes elsewhere."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        fp.close()  # what else the answer holds is not read
        if _origin(urlsplit(newurl)) != _origin(urlsplit(req.full_url)):
            place = urlsplit(newurl)
            message = (
                f"the server sends on to {place.scheme}://{place.hostname or ''}, where neither the token nor the "
            )
            message += "question goes by itself; give that server's address with --dicomweb if it is the right one"
            raise DownloadError(message)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    usual = {"http": 80, "https": 443}.get(url.scheme)
    try:
        return url.scheme, (url.hostname or "").rstrip("."), url.port or usual
    except ValueError:
        return url.scheme, "", -1


def is_local(url: SplitResult) -> bool:
    """Say whether an address is this machine's own."""
    host = url.hostname or ""
    return host in ("localhost", "::1") or re.fullmatch(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}", host) is not None


@contextmanager
def _told(stall_s: float) -> Iterator[None]:
    """Tell what another attempt may mend from what it will not."""
    try:
        yield
    except HTTPError as error:
        with error:
            _refused(error)
    except URLError as error:
        _unreached(error.reason if isinstance(error.reason, Exception) else error, stall_s)
    except (HTTPException, OSError, UnicodeError) as error:  # UnicodeError: a host that no name server can know
        _unreached(error, stall_s)


def _refused(error: HTTPError) -> None:
    """Raise what an answer of 3xx to 5xx comes to."""
    status = error.code
    if status in _PASSING:
        wait = str(error.headers.get("Retry-After", "")).strip()
        message = f"the server answered {status}"
        raise PassingError(message, float(wait) if wait.isascii() and wait.isdigit() else 0.0) from error
    kind = MissingResourceError if status in (404, 410) else DownloadError
    message = f"the server answered {status}; {_REMEDIES.get(status, 'ask who runs it what that means')}"
    raise kind(message) from error


def _unreached(error: Exception, stall_s: float) -> None:
    """Raise what a broken connection comes to."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"its certificate is not trusted ({error.verify_message}); give the certificate of the authority "
        raise DownloadError(message + "that signed it with --ca, a PEM file") from error
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        message = f"no TLS connection ({error.reason or error}); is it an http:// address?"
        raise DownloadError(message) from error
    if isinstance(error, TimeoutError):
        message = f"nothing came for {stall_s:g} s"
        raise PassingError(message) from error
    if isinstance(error, IncompleteRead):
        message = "it broke off"
        raise PassingError(message) from error
    message = f"no connection, or it broke off ({getattr(error, 'strerror', None) or type(error).__name__})"
    raise PassingError(message) from error
