"""A real Prometheus server, on loopback, with a folder of its own."""
import http.server
import json
import os
import pathlib
import shutil
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

from .process import DEADLINE_S, Tool, free_port, wait_until


class Prometheus:
    """`config`: the text of prometheus.yml; `files`: others beside it. Use as a context manager: it is ready then."""

    def __init__(self, config, *files):
        self._config, self._files = config, files
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="blepipe-prometheus-")
        folder = pathlib.Path(self._folder.name)
        (folder / "prometheus.yml").write_text(self._config, encoding="utf-8")
        for file in self._files:
            shutil.copy(file, folder)
        self._server = Tool("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                            f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn", stdin=None, stdout=None)
        wait_until(self._ready, lambda: f"prometheus to be ready: {self._server.err}")
        return self

    def __exit__(self, *_):
        self._server.__exit__()
        self._folder.cleanup()

    def _ready(self):
        if not self._server.running():
            raise AssertionError(f"prometheus ended: {self._server.err}")
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=DEADLINE_S) as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path, **arguments):
        """The data of an answer of its API; fails when that is an error."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {arguments}: {error.read().decode()}") from None

    def query(self, expression):
        """[(labels, value)]"""
        data = self.get("query", query=expression)
        if data["resultType"] != "vector":
            raise AssertionError(f"{expression} is a {data['resultType']}")
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]


class NodeExporter:
    """Serves the files *.prom of a folder as node_exporter's textfile collector does. Use as a context manager."""

    def __init__(self, folder):
        outer = self
        self._folder = pathlib.Path(folder)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                body = outer.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def text(self):
        """Several files may hold one metric: its samples stand together then."""
        heads, samples = {}, {}
        for file in sorted(self._folder.glob("*.prom")):
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.startswith("# "):
                    name = line.split()[2]
                    heads.setdefault(name, []).append(line)
                else:
                    samples.setdefault(line.split("{", 1)[0], []).append(line)
            mtime = f'node_textfile_mtime_seconds{{file="{file}"}} {os.stat(file).st_mtime}'
            samples.setdefault("node_textfile_mtime_seconds", []).append(mtime)
        return "".join(line + "\n" for name, lines in samples.items() for line in (*dict.fromkeys(heads.get(name, [])), *lines))

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join(DEADLINE_S)
        self._server.server_close()
