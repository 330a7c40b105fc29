"""Where a DICOMweb server is and who asks: addresses, tokens and certificates as the user gives them."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from bioconv.errors import OptionError
from bioconv.mammography.dicomweb.server import Limits, Server, is_local
from bioconv.runtime import logger
from bioconv.wording import unreadable


def open_server(
    url: str, *, token_file: Path | None = None, ca: Path | None = None, limits: Limits | None = None
) -> Server:
    """Return the server of an address; nothing is asked yet.

    Parameters
    ----------
    url
        Where DICOMweb begins: what comes before `/studies`.
    token_file
        A file of one line: a bearer token, or the whole value of the Authorization header, as `Basic dXNlcjpwdw==`.
    ca
        PEM file of the authorities whose certificates are trusted in place of the system's.
    limits
        What is put up with; None: the usual.

    Raises
    ------
    OptionError
        If the address is none, a token would travel without TLS to another machine, or a file cannot be used.
    """
    place = _checked(url)
    authorization = "" if token_file is None else _authorization(token_file)
    if place.scheme == "http" and not is_local(place):
        if authorization:
            message = f"--dicomweb {url}: a token is not sent over http:// to another machine; give an https:// address"
            raise OptionError(message)
        logger.warning("%s: images travel without encryption; use https:// if the server has it", url)
    tls = None
    if place.scheme == "https":
        try:
            tls = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError) as error:
            message = f"--ca {ca}: cannot be read as PEM certificates: {getattr(error, 'strerror', None) or error}"
            raise OptionError(message) from error
    elif ca is not None:
        message = f"--ca {ca} is for https://, and --dicomweb is {url}"
        raise OptionError(message)
    return Server(url.rstrip("/"), authorization, tls, limits or Limits())


def _checked(url: str) -> SplitResult:
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError:
        place = SplitResult("", "", "", "", "")
    if place.username is not None or place.password is not None:
        message = "--dicomweb holds a user or a password; they would be seen by others: give a --token-file instead, "
        raise OptionError(message + "with the line `Basic ` and base64 of user:password")
    plain = re.fullmatch(r"[!-~]+", url) and place.scheme in ("http", "https") and place.hostname
    if not plain or place.query or place.fragment:
        message = f"--dicomweb {url!r} is no address; give one such as https://pacs.example.org/dicom-web"
        raise OptionError(message)
    return place


def _authorization(path: Path) -> str:
    """Return the header's value; no message quotes the file."""
    try:
        lines = [line.strip() for line in path.read_text("ascii").splitlines() if line.strip()]
    except OSError as error:
        raise OptionError(unreadable(f"--token-file {path}", error)) from error
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1 or not re.fullmatch(r"[!-~]+( [!-~]+)?", lines[0]):
        message = f"--token-file {path}: no token; one line is expected: a token, or a scheme, a space and its value"
        raise OptionError(message) from None
    if path.stat().st_mode & 0o077:
        logger.warning("--token-file %s can be read by others; chmod 600 keeps it yours", path)
    return lines[0] if " " in lines[0] else f"Bearer {lines[0]}"
