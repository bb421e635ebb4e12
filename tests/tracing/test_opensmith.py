"""Against a real server of LangSmith's trace protocol, written by others: needs node, and npm's registry once.

Not part of the ordinary run; ``pytest -m opensmith tests/tracing/test_opensmith.py`` asks for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenward.tracing import LangSmithSettings, LangSmithSink, push

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tracing.conftest import Bench

pytestmark = pytest.mark.opensmith

PACKAGE = "@langgraph-js/open-smith@2.3.0"
MASTER_KEY = "master-key-of-this-test"
SERVE = """
import { serve } from "@hono/node-server";
import { app } from "@langgraph-js/open-smith/dist/app.js";
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, (info) => console.log(`PORT ${info.port}`));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of open-smith on loopback; the package is installed once and kept in the temporary folder."""
    kept = Path(tempfile.gettempdir()) / "tenward-open-smith-2.3.0"
    if not (kept / "node_modules").is_dir():
        kept.mkdir(exist_ok=True)
        install = ["npm", "install", PACKAGE, "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(kept)]
        subprocess.run(install, check=True, timeout=600, capture_output=True)
    script = kept / "serve.mjs"
    script.write_text(SERVE)
    environ = {"PATH": os.environ["PATH"], "MASTER_KEY": MASTER_KEY}
    folder = tmp_path_factory.mktemp("open-smith")
    with subprocess.Popen(["node", str(script)], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = next(line.split()[1] for line in process.stdout if line.startswith("PORT"))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def call(address: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> Any:
    """One JSON request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, headers={"content-type": "application/json"} | headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def settings(server: str) -> LangSmithSettings:
    """An account, made with the master key."""
    made = call(f"{server}/admin/systems", {"authorization": f"Bearer {MASTER_KEY}"}, {"name": "tenward"})
    return LangSmithSettings(api_key=made["data"]["api_key"], endpoint=server)


def kept_traces(settings: LangSmithSettings) -> list[dict[str, Any]]:
    """All traces the server has, with their runs."""
    headers = {"x-api-key": settings.api_key}
    found = call(f"{settings.endpoint}/trace/search/traces?limit=100", headers)["data"]
    return [call(f"{settings.endpoint}/trace/{row['trace_id']}", headers) for row in found]


def test_it_takes_what_is_pushed_and_what_is_sent_live(bench: Bench, settings: LangSmithSettings) -> None:
    """Each case is a trace of two runs; the server knows no data sets, so that is all."""
    report = push(bench.write("pushed"), settings=settings)
    assert (report.sent, report.dataset) == (3, None)
    told: list[str] = []
    sink = LangSmithSink(settings, bench.folder, warn=told.append)
    bench.tell(sink, bench.record("live"), [bench.result(case) for case in bench.cases(2)])
    sink.close(60)
    assert told == []
    kept = kept_traces(settings)
    assert len(kept) == 5
    for trace in kept:
        root, judge = sorted(trace["runs"], key=lambda run: run["run_type"])
        assert (root["run_type"], judge["run_type"], judge["trace_id"]) == ("chain", "llm", root["id"])
        assert json.loads(judge["extra"])["metadata"]["usage_metadata"]["total_tokens"] == 150
        assert root["name"].startswith("evaluate case-")
        assert json.loads(root["outputs"])["value"] == pytest.approx(0.7)
