"""Servers on the loopback address: files with ranges and faults, and as much of the hub's protocol as graft needs."""

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

ERRORS = {"gated": (403, "GatedRepo"), "missing": (404, "RepoNotFound"), "revision": (404, "RevisionNotFound")}


@contextmanager
def serve(files=None):
    """A server of `files` (path -> bytes).

    Yields an object with
    * url: the address, without a slash at the end
    * files: path -> bytes
    * headers: path -> dict of headers, laid over the usual ones
    * faults: path -> list, one of which is used up per GET: ("status", code, headers), ("drop", bytes sent),
      ("creep", seconds between bytes), ("pause", seconds), "ignore range", "ignore if-range"
    * seen: list of (method, path, headers)
    """
    state = SimpleNamespace(files=dict(files or {}), headers={}, faults={}, seen=[])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, body):
            path = self.path.partition("?")[0]
            state.seen.append((self.command, path, dict(self.headers)))
            fault = state.faults[path].pop(0) if body and state.faults.get(path) else None
            if isinstance(fault, tuple) and fault[0] == "pause":
                time.sleep(fault[1])
            if isinstance(fault, tuple) and fault[0] == "status":
                return self._send(fault[1], b"", fault[2] if len(fault) > 2 else {})
            if path not in state.files:
                return self._send(404, b"", state.headers.get(path, {}))
            content = state.files[path]
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:40]}"', **state.headers.get(path, {})}
            status, start = headers.pop("status", 200), self._start(headers, fault)
            if start >= len(content) > 0:
                return self._send(416, b"", {})
            if start:
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(status, content[start:], headers, body, fault)

        def _start(self, headers, fault):
            asked = self.headers.get("Range")
            stale = self.headers.get("If-Range") not in (None, headers["ETag"]) and fault != "ignore if-range"
            if not asked or fault == "ignore range" or stale:
                return 0
            return int(asked.removeprefix("bytes=").partition("-")[0])

        def _send(self, status, content, headers, body=True, fault=None):
            self.send_response(status)
            headers = {"Content-Type": "application/octet-stream", "Content-Length": len(content), **headers}
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            if not body:
                return
            kind, amount = fault if isinstance(fault, tuple) else (None, None)
            if kind == "drop":
                self.wfile.write(content[:amount])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)
            elif kind == "creep":
                for i in range(len(content)):
                    self.wfile.write(content[i : i + 1])
                    self.wfile.flush()
                    time.sleep(amount)
            else:
                self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a client that hangs up is part of the tests

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def add_repository(state, name, files, commit="a" * 40, kind="model", revisions=("main",)):
    """Put a repository on the server, as the hub's own library asks for it."""
    base = f"/{name}" if kind == "model" else f"/{kind}s/{name}"
    for revision in (*revisions, commit):
        _add_json(state, f"/api/{kind}s/{name}/revision/{revision}", {"id": name, "sha": commit, "siblings": []})
    tree = [
        {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        for path, data in files.items()
    ]
    _add_json(state, f"/api/{kind}s/{name}/tree/{commit}", tree)
    for path, data in files.items():
        place = f"{base}/resolve/{commit}/{path}"
        state.files[place] = data
        state.headers[place] = {"X-Repo-Commit": commit}


def add_refusal(state, name, error, revision="main"):
    """Let the server answer as the hub does for a gated or missing repository or a missing revision."""
    status, code = ERRORS[error]
    for path in (f"/api/models/{name}/revision/{revision}", f"/api/models/{name}/tree/{revision}"):
        state.files[path] = b"{}"
        state.headers[path] = {"status": status, "X-Error-Code": code, "Content-Type": "application/json"}


def _add_json(state, path, content):
    state.files[path] = json.dumps(content).encode()
    state.headers[path] = {"Content-Type": "application/json"}
