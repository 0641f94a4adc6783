"""One file over HTTP: resumed after a drop, retried where waiting helps, refused where it is not the file."""

import hashlib
import logging
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from filelock import FileLock
from urllib3.exceptions import HTTPError

from graft.common.errors import UserError
from graft.common.job import Progress
from graft.common.outputs import read_json, write_json

logger = logging.getLogger("graft")
ATTEMPTS = 6
PAUSE = 1.0  # seconds before the second attempt, doubled each time
LONGEST_PAUSE = 120.0  # also of what a server may ask for
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces
SLOWEST = (60.0, 1024)  # a connection that gives fewer bytes in so many seconds counts as dropped
BLOCK = 2**18
BUSY = {408, 425, 429, 500, 502, 503, 504}


class Dropped(Exception):
    """The transfer broke, or the server is busy; trying again may help. `pause` is what the server asked for."""

    def __init__(self, reason, pause=None):
        super().__init__(reason)
        self.pause = pause


def download(url, target, parts=None):
    """Download a URL to a file; a file that is there already is left as it is.

    Unfinished bytes stay in a .part file named after the URL, so that the next attempt, or the next run, continues
    where this one broke off. Two processes may ask for the same file at once.

    Parameters
    ----------
    url : str, http or https; proxies are taken from the environment
    target : path
    parts : path of a folder, optional
        Where unfinished bytes are kept. Default is beside the target.

    Returns
    -------
    Path, the target

    Raises
    ------
    UserError
        If the file is not there or not allowed, a web page comes instead, https leads to http, or all attempts fail.
    """
    target = Path(target)
    name = hashlib.sha256(url.encode()).hexdigest()[:24]
    part = Path(parts or target.parent) / f"{name}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(part.with_suffix(".lock")):
        if not target.exists():
            _attempts(url, part)
            _refuse_page(part, url, target.name)
            part.replace(target)
            _facts_of(part).unlink(missing_ok=True)
    return target


def _attempts(url, part):
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _transfer(url, part)
        except (Dropped, requests.ConnectionError, requests.Timeout, HTTPError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(
                error, requests.RequestException | ConnectionError | TimeoutError
            ):
                raise  # the disk, not the network
            if attempt == ATTEMPTS:
                raise UserError(
                    f"could not be downloaded in {ATTEMPTS} attempts ({error})",
                    where=url,
                    hint="check the network and the proxy settings, then rerun: it continues where it stopped",
                ) from error
            wait = getattr(error, "pause", None)
            wait = min(LONGEST_PAUSE, PAUSE * 2 ** (attempt - 1) if wait is None else wait)
            logger.info("%s: %s; attempt %d of %d in %.0f s", url, error, attempt + 1, ATTEMPTS, wait)
            time.sleep(wait)


def _transfer(url, part):
    """One attempt, from where the last one stopped if the server still has the same file."""
    facts = read_json(_facts_of(part)) if _facts_of(part).is_file() else {}
    have = part.stat().st_size if part.is_file() else 0
    if have and facts.get("total") == have:
        return
    headers = {"Accept-Encoding": "identity"}
    if have and facts.get("validator"):
        headers |= {"Range": f"bytes={have}-", "If-Range": facts["validator"]}
    with requests.Session() as session:
        session.hooks["response"].append(_refuse_downgrade)
        try:
            response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL, requests.TooManyRedirects) as error:
            raise UserError(
                f"cannot be downloaded ({error})", where=url, allowed="http:// and https:// URLs"
            ) from error
        with response:
            if response.status_code == 416:  # the part is longer than the file, which therefore changed
                part.unlink(missing_ok=True)
                raise Dropped("the server's file changed")
            _check_status(response, url)
            goes_on = response.status_code == 206
            if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.unlink(missing_ok=True)
                raise Dropped("the server gave another piece than asked for")
            have = have if goes_on else 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length and length.isdigit() else None
            write_json(_facts_of(part), {"url": url, "total": total, "validator": _validator(response)})
            _save(response, part, have, total, url)


def _save(response, part, have, total, url):
    """Append the body to the part; raise Dropped if it ends early or creeps."""
    progress = Progress(f"downloading {urlsplit(url).path.rpartition('/')[2]}", round((total or 0) / 1e6), "MB")
    seconds, fewest = SLOWEST
    begun, got = time.monotonic(), 0
    with part.open("ab" if have else "wb") as file:
        while block := response.raw.read1(BLOCK):
            file.write(block)
            have, got = have + len(block), got + len(block)
            progress.add(round(have / 1e6) - progress.done)
            if time.monotonic() - begun > seconds:
                if got < fewest:
                    raise Dropped(f"only {got} bytes in {seconds:.0f} s")
                begun, got = time.monotonic(), 0
    if total is not None and have != total:
        raise Dropped(f"broke off at {have} of {total} bytes")


def _facts_of(part):
    return part.with_suffix(".json")


def _validator(response):
    """What distinguishes this version of the file from another: a strong ETag, else the time of its last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _refuse_downgrade(response, **_):
    if response.is_redirect and response.url.startswith("https:"):
        goal = urljoin(response.url, response.headers["Location"])
        if goal.startswith("http:"):
            raise UserError(
                f"leads from https to plain http: {goal}",
                where=response.url,
                hint="ask for a URL that stays with https",
            )


def _check_status(response, url):
    status = response.status_code
    if status in BUSY:
        asked = response.headers.get("Retry-After", "")
        raise Dropped(f"the server answered {status} {response.reason}", float(asked) if asked.isdigit() else None)
    if status in (401, 403):
        raise UserError(
            f"the server refuses access ({status} {response.reason})",
            where=url,
            hint="a file behind a login needs a token; curl's and requests' ~/.netrc is read, a web login is not",
        )
    if status in (404, 410):
        raise UserError(
            f"is not there ({status} {response.reason})", where=url, hint="open the URL in a browser; was it moved?"
        )
    if status not in (200, 206):
        raise UserError(f"the server answered {status} {response.reason}", where=url)


def _refuse_page(part, url, name):
    """Refuse a web page (a login, an error, a licence to accept) that came in the place of a file."""
    with part.open("rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")) and not name.lower().endswith((".html", ".htm")):
        part.unlink()
        _facts_of(part).unlink(missing_ok=True)
        raise UserError(
            "gave a web page instead of the file", where=url, hint="is there a login or a licence to accept?"
        )
