"""The site served on this machine, a browser that reaches no other, and what goes wrong in a tab of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from browser import needs

QUIET = [
    "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # another host is never reached
]  # fmt: skip
DESK = (1440, 900)
PATIENCE = 120_000  # milliseconds, for a machine that does much else
INLINE = ("data:", "blob:", "about:")


@dataclass(frozen=True)
class Fault:
    """What is wrong on a page, and in which view of it."""

    page: str
    view: str
    what: str


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of the site's folder, with a slash at its end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def chromium() -> Iterator[Browser]:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root cannot have one
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Page]:
    """A tab of a reader who has never been here: nothing is stored, nothing cached."""
    width, height = DESK
    with browser.new_context(viewport={"width": width, "height": height}, **options) as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


class Watch:
    """Collects what the browser complains of, in one tab, until it is asked."""

    def __init__(self, tab: Page, home: str) -> None:
        self.home, self.found = home, dict[str, None]()
        tab.on("console", self.console)
        tab.on("pageerror", lambda error: self.add(f"console error: {error.message}"))
        tab.on("request", self.request)
        tab.on("response", self.response)
        tab.on("requestfailed", self.failed)

    def add(self, what: str) -> None:
        self.found[what] = None

    def foreign(self, url: str) -> bool:
        return not url.startswith((self.home, *INLINE))

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.add(f"console error: {message.text}")

    def request(self, request: Request) -> None:
        if self.foreign(request.url):
            self.add(f"foreign request: {request.url}")

    def response(self, response: Response) -> None:
        if response.status >= 400:
            self.add(f"failed request: {response.url.removeprefix(self.home)}, status {response.status}")

    def failed(self, request: Request) -> None:
        left = request.failure == "net::ERR_ABORTED"  # by going to the next page
        if not left and not self.foreign(request.url):
            self.add(f"failed request: {request.url.removeprefix(self.home)}, {request.failure}")

    def take(self) -> list[str]:
        """What was found since it was last asked."""
        found, self.found = list(self.found), {}
        return found
