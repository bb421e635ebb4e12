from __future__ import annotations

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tenward.containment import Level, containment
from tenward.judges import KEY_VARIABLES
from tenward.judges.models import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]

KEY = "lsv2_verysecret_0123"
Checks = dict[str, dict[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    status = 200
    seen: list[str] = []  # noqa: RUF012 - shared on purpose

    def do_GET(self) -> None:
        """Answer with the status, and keep the whole request."""
        self.seen.append(f"{self.path}\n{self.headers}")
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Return the address of a service that answers with ``_Handler.status``."""
    _Handler.seen.clear()
    _Handler.status = 200
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def doctor(run: Run, workspace: Path) -> Callable[[], tuple[int, Checks]]:
    """Return a function that gives the exit code and the checks by name."""

    def call() -> tuple[int, Checks]:
        ended = run("doctor", "--json")
        assert ended.stderr == ""
        checks: list[dict[str, Any]] = json.loads(ended.stdout)
        return ended.returncode, {check["name"]: check for check in checks}

    return call


def test_a_new_machine_is_in_order(run: Run, workspace: Path) -> None:
    """Without model, keys or tracing nothing is wrong: what is optional is off, and says how to get it."""
    ended = run("doctor")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith(" ")] == [
        ["ok", "python"],
        ["ok", "git"],
        ["warn" if containment().level is Level.NONE else "ok", "commands"],
        ["ok", "content"],
        ["off", "model"],
        ["ok", "engine"],
        ["off", "keys"],
        ["off", "langsmith"],
    ]
    assert any("hint: tenward model pull qwen2.5-coder-1.5b-instruct" in line for line in lines)
    # Wrapped lines hang under the detail.
    column = lines[0].index("3.")
    assert all(line[:column].isspace() for line in lines if line.startswith(" "))


@pytest.mark.parametrize(
    ("named", "status", "words", "hint"),
    [
        ("none", "warn", "every file that its user can", "bubblewrap"),
        ("magic", "warn", "found 'magic'", "leave it out"),
    ],
)
def test_it_says_how_commands_are_contained(
    doctor: Callable[[], tuple[int, Checks]],
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    status: str,
    words: str,
    hint: str,
) -> None:
    """And what that means where they are not; it is no failure."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", named)
    exit_status, checks = doctor()
    assert (exit_status, checks["commands"]["status"]) == (0, status)
    assert words in checks["commands"]["detail"]
    assert hint in checks["commands"]["hint"]


def test_content_names_the_workspace(doctor: Callable[[], tuple[int, Checks]], workspace: Path) -> None:
    """What is found, and where it was looked for."""
    content = doctor()[1]["content"]["detail"]
    assert content.endswith(f"(workspace {workspace})")
    (workspace / "rubrics/mine.yaml").unlink()
    assert doctor()[1]["content"]["detail"].endswith("(no workspace here, the shipped library)")


def test_without_git_the_doctor_fails(
    run: Run, doctor: Callable[[], tuple[int, Checks]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty PATH has no git: exit 3, FAIL in front, and a hint."""
    monkeypatch.setenv("PATH", "")
    status, checks = doctor()
    assert status == 3
    assert checks["git"]["status"] == "fail"
    assert checks["git"]["detail"] == "not found on PATH"
    assert "install git" in checks["git"]["hint"]
    assert "FAIL  git" in run("doctor").stdout


def test_a_git_that_does_not_run_fails(
    doctor: Callable[[], tuple[int, Checks]], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git on PATH that ends with an error is not taken for one that works."""
    program = workspace / "bin/git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    status, checks = doctor()
    assert (status, checks["git"]["status"]) == (3, "fail")
    assert f"{program} does not run" in checks["git"]["detail"]


def test_a_damaged_model_is_a_warning(doctor: Callable[[], tuple[int, Checks]], cache: Path) -> None:
    """A model file that is there and wrong is more than off, and can be mended."""
    cache.mkdir(parents=True)
    (cache / CATALOGUE[0].file).write_bytes(b"GGUF")
    status, checks = doctor()
    assert (status, checks["model"]["status"]) == (0, "warn")
    assert "is damaged: " in checks["model"]["detail"]
    assert checks["model"]["hint"] == f"tenward model pull {CATALOGUE[0].name} replaces it"
    assert checks["engine"]["status"] == "ok"


def test_an_engine_that_cannot_load_the_model_is_a_warning(
    doctor: Callable[[], tuple[int, Checks]], cache: Path
) -> None:
    """A file that passes for verified but is no model shows when the engine is tried."""
    cache.mkdir(parents=True)
    path = cache / CATALOGUE[0].file
    with path.open("wb") as file:
        file.truncate(CATALOGUE[0].bytes)
    found = path.stat()
    stamp = {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": CATALOGUE[0].sha256}
    path.with_name(f"{path.name}.verified.json").write_text(json.dumps(stamp), encoding="utf-8")
    status, checks = doctor()
    assert (status, checks["model"]["status"], checks["engine"]["status"]) == (0, "ok", "warn")
    assert "cannot load" in checks["engine"]["detail"]


def test_a_missing_engine_is_off(doctor: Callable[[], tuple[int, Checks]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the embedded engine the way to install it is named."""

    def find_nothing(_name: str) -> None:
        return None

    monkeypatch.setattr("tenward.cli._doctor.find_spec", find_nothing)
    status, checks = doctor()
    assert (status, checks["engine"]["status"], checks["engine"]["hint"]) == (0, "off", "pip install 'tenward[local]'")


def test_keys_are_named_and_never_shown(run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable that is set is listed by name; a blank one does not count; no value is printed anywhere."""
    for variable in KEY_VARIABLES.values():
        monkeypatch.setenv(variable, f"verysecret-{variable.lower()}")
    monkeypatch.setenv("GROQ_API_KEY", "  ")
    for flags in ([], ["--json"]):
        ended = run("doctor", *flags)
        assert ended.returncode == 0
        assert "OPENAI_API_KEY" in ended.stdout
        assert "GROQ_API_KEY" not in ended.stdout
        assert "verysecret" not in ended.stdout + ended.stderr


def test_langsmith_is_off_without_a_key(
    doctor: Callable[[], tuple[int, Checks]], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key nothing is asked, whatever the endpoint."""
    monkeypatch.setenv("LANGSMITH_ENDPOINT", endpoint)
    status, checks = doctor()
    assert (status, checks["langsmith"]["status"]) == (0, "off")
    assert "nothing is sent anywhere" in checks["langsmith"]["detail"]
    assert _Handler.seen == []


@pytest.mark.parametrize("family", ["LANGSMITH", "LANGCHAIN"])
@pytest.mark.parametrize("status", [200, 401, 404])
def test_langsmith_answers(
    run: Run, workspace: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch, family: str, status: int
) -> None:
    """Any answer below 500 shows that the address is right; the key is neither sent nor shown."""
    monkeypatch.setattr(_Handler, "status", status)
    monkeypatch.setenv(f"{family}_API_KEY", KEY)
    monkeypatch.setenv(f"{family}_ENDPOINT", f"{endpoint}/")
    ended = run("doctor")
    assert ended.returncode == 0
    assert f"ok    langsmith  key set, {endpoint}/ answers\n" in ended.stdout
    assert _Handler.seen[0].startswith("/info\n")
    assert KEY not in ended.stdout + ended.stderr + "".join(_Handler.seen)


def test_langsmith_that_fails_is_a_warning(
    doctor: Callable[[], tuple[int, Checks]], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that answers with a fault of its own is named with its status; nothing needs it, so the exit is 0."""
    monkeypatch.setattr(_Handler, "status", 503)
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", endpoint)
    status, checks = doctor()
    assert (status, checks["langsmith"]["status"]) == (0, "warn")
    assert checks["langsmith"]["detail"] == f"key set, but {endpoint} answers with status 503"


def test_a_dead_langsmith_endpoint_is_a_warning(
    doctor: Callable[[], tuple[int, Checks]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address where nobody listens is named with the reason and a hint."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        monkeypatch.setenv("LANGSMITH_ENDPOINT", address)
        status, checks = doctor()
    assert (status, checks["langsmith"]["status"]) == (0, "warn")
    assert checks["langsmith"]["detail"].startswith(f"key set, but {address} cannot be reached (")
    assert "LANGSMITH_ENDPOINT" in checks["langsmith"]["hint"]


def test_something_that_speaks_no_http_is_a_warning(
    doctor: Callable[[], tuple[int, Checks]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address where another protocol is spoken does not end in a traceback, and its words are made harmless."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"\x1b[2J hello\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        status, checks = doctor()
        thread.join()
    assert (status, checks["langsmith"]["status"]) == (0, "warn")
    assert "cannot be reached" in checks["langsmith"]["detail"]


@pytest.mark.parametrize("address", ["ftp://x.invalid", "file:///etc/passwd", "api.smith.invalid", "http://[::1"])
def test_an_endpoint_that_is_no_address_is_a_warning(
    doctor: Callable[[], tuple[int, Checks]], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """What is no http address is neither opened nor raised over."""
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", address)
    status, checks = doctor()
    assert (status, checks["langsmith"]["status"]) == (0, "warn")
    assert address in checks["langsmith"]["detail"]


def test_a_password_in_the_endpoint_is_not_shown(run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User name and password of an address are replaced, whether it can be used or not."""
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    for address in ("ftp://anna:verysecret@x.invalid", "http://anna:verysecret@127.0.0.1:1"):
        monkeypatch.setenv("LANGSMITH_ENDPOINT", address)
        for flags in ([], ["--json"]):
            ended = run("doctor", *flags)
            assert "verysecret" not in ended.stdout + ended.stderr
            assert "***@" in ended.stdout
