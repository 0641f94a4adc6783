"""A real browser, driven as a user drives it: keys, clicks, what is on the page, what it saves. It speaks Chromium's DevTools
protocol through a pipe, so no package and no port is needed."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def opened(page, folder, width=1280, height=900):
    """The browser with a page (path); what it keeps and what it saves go into `folder`. The test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    (to_read, to_write), (answers, answered) = os.pipe(), os.pipe()

    def connect():  # the browser reads from 3 and writes to 4, which may be among the four
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, answered)]
        os.dup2(ends[0], 3), os.dup2(ends[1], 4)

    command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    command += ["--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={folder / 'browser'}"]
    process = subprocess.Popen(
        [*command, f"--window-size={width},{height}", "about:blank"],
        preexec_fn=connect,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read), os.close(answered)
    browser = Browser(to_write, answers, folder)
    try:
        browser.open(page, width, height)
        yield browser
    finally:
        try:
            browser.send("Browser.close", session=False)  # so that it writes down what it keeps
            process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        os.close(to_write), os.close(answers)


class Browser:
    def __init__(self, to_write, answers, folder):
        self.to_write, self.answers, self.folder = to_write, answers, folder
        self.rest, self.number, self.session = b"", 0, None

    def send(self, method, session=True, **parameters):
        """Call a method of the protocol; its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if session and self.session else {}
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def _next(self):
        while b"\0" not in self.rest:
            part = os.read(self.answers, 1 << 16)
            if not part:
                raise OSError("the browser has ended")
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, page, width, height):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Browser.setDownloadBehavior", session=False, behavior="allow", downloadPath=str(self.folder))
        self.send("Page.enable")
        self.send("Page.navigate", url=page.as_uri())
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def ask(self, expression):
        """The value of an expression of JavaScript on the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression, seconds=20):
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.05)

    def text(self, selector):
        return self.ask(f"document.querySelector({json.dumps(selector)}).innerText")

    def press(self, keys):
        """Press one key after the other; a text of one letter each, or a list of names such as Enter and Tab."""
        for key in keys:
            code = {"Enter": 13, "Tab": 9}.get(key) or (ord(key.upper()) if key.isalnum() else 0)
            text = {"Enter": "\r", "Tab": ""}.get(key, key)
            down = {"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text}
            self.send("Input.dispatchKeyEvent", **down)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def click(self, selector):
        """Press the left button of the mouse in the middle of an element."""
        box = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{box}.scrollIntoView({{block: 'center'}})")
        place = self.ask(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box}.getBoundingClientRect())")
        for what in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=what, x=place[0], y=place[1], button="left", clickCount=1)

    def saved(self, name, seconds=20):
        """The bytes of a file that the page saved."""
        end = time.monotonic() + seconds
        while not (self.folder / name).exists():
            assert time.monotonic() < end, f"{name} was never saved"
            time.sleep(0.05)
        return (self.folder / name).read_bytes()
