"""As much of Kubernetes' API as Snakemake uses: a job's command is run here, not in a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
current-context: here
"""


class Kubernetes:
    """What was asked of it: ``manifests``, in order, and ``config``, the file that leads here."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.manifests: list[dict] = []
        self.output: list[str] = []
        self.config = folder / "kubeconfig"
        self._environment = environment
        self._codes: dict[str, int | None] = {}

    def create(self, manifest: dict) -> None:
        """Run the job's command in an empty folder and with no variables but the image's."""
        self.manifests.append(manifest)
        self._codes[manifest["metadata"]["name"]] = None
        threading.Thread(target=self._run, args=[manifest], daemon=True).start()

    def status(self, name: str) -> dict[str, int]:
        code = self._codes[name]
        return {"active": 1} if code is None else {"failed" if code else "succeeded": 1}

    def _run(self, manifest: dict) -> None:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [*container["command"], *container["args"]], cwd=folder, env=self._environment,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
        self.output.append(done.stdout)
        self._codes[manifest["metadata"]["name"]] = done.returncode


@contextmanager
def kubernetes(folder: Path, python: str, source: Path) -> Iterator[Kubernetes]:
    """The API on a free port; the image has ``python`` and the package's ``source``."""
    path = f"{Path(python).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    image = {"PATH": path, "PYTHONPATH": str(source), "HOME": str(folder)}
    cluster = Kubernetes(folder, image)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cluster))
    cluster.config.write_text(KUBECONFIG.format(port=server.server_port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()


def _handler(cluster: Kubernetes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/jobs"):
                cluster.create(body)
            self._answer(201, body)

        def do_GET(self) -> None:
            parts = self.path.split("/")
            if parts[-1] == "status":
                self._answer(200, {"status": cluster.status(parts[-2])})
            else:  # pods: none has anything to say beyond its job
                self._answer(200, {"items": []})

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(200, {})

        def log_message(self, *args: object) -> None:
            pass

        def _answer(self, code: int, body: dict) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
