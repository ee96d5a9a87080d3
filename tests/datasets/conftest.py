"""A project folder with parameters of its own, and a web server that can misbehave."""

from __future__ import annotations

import base64
import copy
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from hypothesis import settings

from stages.config import PARAMS

settings.register_profile("no_clock", deadline=None)
settings.load_profile("no_clock")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Call it with parameters, as `{"data.source": "folder"}`: they are set in an empty project, which is entered.

    It has one search, no grid, a crossed design of two seeds, and as many seeds for every task.
    """
    params = loads_yaml(PARAMS.read_text(encoding="utf-8"))
    params["tune"]["searches"], params["grid"]["train"] = 1, []
    params["crossed"] |= {"splits": 2, "draws": 2}
    del params["tasks"]["random"]["seeds"]
    monkeypatch.chdir(tmp_path)

    def enter(changes: dict[str, Any]) -> Path:
        changed = copy.deepcopy(params)
        for key, value in changes.items():
            *sections, last = key.split(".")
            section = changed
            for name in sections:
                section = section[name]
            section[last] = value
        PARAMS.write_text(dumps_yaml(changed), encoding="utf-8")
        return tmp_path

    return enter


@dataclass
class Server:
    """Answers each path from a list of answers; the last one stays."""

    address: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    credentials: str = ""
    """`user:password` that every request must bring, if any."""

    def answer(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return f"{self.address}{path}"


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    cut: bool = False
    """Close the connection after half of the body that was announced."""
    location: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            answers = state.answers.get(self.path, [Answer(status=404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            wanted = f"Basic {base64.b64encode(state.credentials.encode()).decode()}"
            if state.credentials and self.headers["Authorization"] != wanted:
                answer = Answer(status=401)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.location:
                self.send_header("Location", answer.location)
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state = Server(f"http://127.0.0.1:{httpd.server_port}")
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture
def speaker() -> Iterator[Callable[..., str]]:
    """Call it with what a server says after a request, to the byte: parts, and a pause in seconds before each but the
    first. Returns its address."""
    over = threading.Event()
    servers: list[socketserver.ThreadingTCPServer] = []

    def speak(*parts: bytes, pause: float = 0) -> str:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                with suppress(OSError):  # of a client that has had enough
                    for part in parts:
                        self.wfile.write(part)
                        if over.wait(pause):
                            break

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/one"

    yield speak
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are noted instead of made."""
    noted: list[float] = []
    monkeypatch.setattr("pooch.core.time.sleep", noted.append)
    return noted
