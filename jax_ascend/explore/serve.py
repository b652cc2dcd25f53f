"""The explorer as a page of this machine: each reload compiles the function as its file is then."""

from __future__ import annotations

import html
import linecache
import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from ..compiler.errors import AscendError, InvalidInputError
from ..compiler.graph.location import is_installed

_HOSTS = ("localhost", "127.0.0.1")  # by which a browser may ask: a page of elsewhere that leads here has another


def serve(make: Callable[[], str], port: int, ready: Callable[[str], None]) -> None:
    """Serve the page that `make` returns until Ctrl-C; `ready` is told the address. Port 0 is any that is free.

    An error of the user's, or of the compiler, is a page with its text.

    Raises:
        InvalidInputError: the port cannot be had.
    """
    try:
        server = HTTPServer(("127.0.0.1", port), _handler(make))
    except (OSError, OverflowError) as error:
        raise InvalidInputError(f"[--port {port}] cannot be had: {error}; expected a free one. 0 takes any.") from error
    with server:
        ready(f"http://localhost:{server.server_port}/")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def forget(folder: Path) -> None:
    """Have modules that come from a folder imported anew, and their lines read anew."""
    linecache.checkcache()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or is_installed(file) or name.split(".")[0] in ("__main__", "jax_ascend"):
            continue
        if folder in Path(file).resolve().parents:
            del sys.modules[name]


def _handler(make: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
            if host not in _HOSTS:
                self.send_error(403, "this page is for the machine that it runs on")
            elif self.path != "/":
                self.send_error(404)
            else:
                self._answer(*_page(make))

        def _answer(self, status: int, page: str) -> None:
            data = page.encode(errors="replace")
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _page(make: Callable[[], str]) -> tuple[int, str]:
    try:
        return 200, make()
    except AscendError as error:
        text = (
            f"<!doctype html><title>error</title><pre>{html.escape(str(error))}</pre><p>Mend it, and reload this page."
        )
        return 500, text
