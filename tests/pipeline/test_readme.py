"""What README.md and docs/try.md tell people to type is run as it is written, on a network of its own."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import DEADLINE_S, source_path
from harness.network import private_network
from harness.process import run

setUpModule = private_network


def section(document, begin, end):
    text = pathlib.Path(source_path(*document)).read_text(encoding="utf-8")
    return text[text.index(begin):text.index(end)]


def to_type(text):
    """The indented lines that are commands."""
    return [line[4:] for line in text.splitlines() if line.startswith("    ") and not line.startswith("    {")]


class Readme(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="blepipe-readme-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        (self.folder / "build" / "release").mkdir(parents=True)
        (self.folder / "build" / "release" / "tools").symlink_to(os.environ["BLEPIPE_BIN"])
        (self.folder / "examples").symlink_to(source_path("examples"))

    def type(self, lines):
        """In one shell, as somebody would in a checkout: what it prints."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MQTT_", "HTTP_", "DEVICE_", "BLEPIPE_"))}
        script = "\n".join(["set -e -o pipefail", *lines, "wait"])
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=2 * DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_readme(self):
        lines = to_type(section(["README.md"], "## Try it", "## Install"))
        self.assertEqual(len([line for line in lines if line.startswith("blescan")]), 3)
        said = self.type([*lines, "sqlite3 my.db 'SELECT count(*) FROM batches'"]).splitlines()
        self.assertEqual(len([line for line in said if '"event_type"' in line]), 3)
        near = [line for line in said if re.fullmatch(r'\["2026-11-22T06:3\d:\d\d\.\d{3}Z",\d+\]', line)]
        self.assertEqual(str(len(near)), said[-1])
        self.assertTrue(any("device_id" in line for line in said))

    def test_the_sample_batch_is_one(self):
        batches = re.findall(r'^    (\{"format".*)$', section(["README.md"], "## Try it", "## Install"), re.M)
        self.assertEqual(len(batches), 1)
        code, events, err = run("bleingest", "--db", ":memory:", "--strict", input=batches[0] + "\n")
        self.assertEqual((code, events.count(b'"detection_event"')), (0, 1), err)

    def test_pipelines_to_try(self):
        lines = to_type(section(["docs", "try.md"], "# Pipelines to try", "**6. From a radio"))
        said = self.type([*lines, "sqlite3 my.db 'SELECT count(*) FROM batches'", "sqlite3 moved.db 'SELECT count(*) FROM batches'",
                          "sqlite3 once.db 'SELECT count(*) FROM batches'"]).splitlines()
        stored, moved, once = map(int, said[-3:])
        self.assertEqual((stored, moved), (2 * once, once))  # by a pipe, and by HTTP
        self.assertTrue(any('"ibeacon"' in line for line in said), "no line of it")
        self.assertTrue(any(re.fullmatch(r'\["[^"]+",\d+,\d+\]', line) for line in said), "no line of it")  # by MQTT


if __name__ == "__main__":
    unittest.main()
