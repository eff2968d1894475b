"""The key of confirmations: what is none is refused, and neither it nor another secret of blesend and blesub is told to anybody."""
import json
import os
import resource
import signal
import unittest

from harness import Broker, FolderTest, HttpServer, Tool, wait_until
from harness.process import run

CONFIRM_KEY, PASSWORD, API_KEY = "confirm-key-0123456789", "password-0123456789", "api-key-0123456789"
TOOLS = {"blesend": ["blesend", "--host", "h", "--confirm", "stored"], "blesub": ["blesub", "--host", "h", "--confirm"]}


class Key(FolderTest):
    def test_a_key_that_could_be_guessed_is_78(self):
        short = "0123456789abcde"
        for words in TOOLS.values():
            for argv, env in ((["--confirm-key", self.file("short", short)], {}), ([], {"CONFIRM_KEY": short})):
                code, _, err = run(*words, *argv, "--check", env=env)
                self.assertEqual(code, 78, err)
                self.assertIn("shorter than 16 characters", err)
                self.assertIn("openssl rand -hex 32", err)
                self.assertNotIn(short, err)

    def test_a_key_that_is_for_nothing_is_64(self):
        key = self.file("key", CONFIRM_KEY)
        for words in (["blesend", "--host", "h"], ["blesub", "--host", "h"]):
            code, _, err = run(*words, "--confirm-key", key, "--check")
            self.assertEqual(code, 64, err)
            self.assertEqual(run(*words, "--check", env={"CONFIRM_KEY": "short"})[0], 0)

    def test_no_option_takes_the_key_itself(self):
        for tool, words in TOOLS.items():
            self.assertIn(b"--confirm-key FILE", run(tool, "--help")[1])
            self.assertEqual(run(*words, "--check", "--confirm-key", CONFIRM_KEY)[0], 78)


class Secrets(FolderTest):
    """The whole of it: what the tools write, what they keep, and what is left of them after an abort."""

    def abort(self, *argv, ready):
        """Whether a core was dumped; all that the tool wrote, its files and the core."""
        files = self.folder / "files"
        files.mkdir()
        with Tool(*argv, "-v", "--stats", "0.2", "--metrics", "metrics", cwd=files,
                  env={"ASAN_OPTIONS": "disable_coredump=0:handle_abort=0"},
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)) as tool:
            tool.wait_err(ready)
            if argv[0] == "blesend":
                tool.write("not JSON\n" + json.dumps({"device_id": "pi-1", "detections": []}) + "\n")
                wait_until(lambda: tool.stats()["in"] == 1, "the batch to be taken")
            written = json.dumps(tool.stats())
            os.kill(tool.pid, signal.SIGABRT)
            _, status = os.waitpid(tool.pid, 0)
        self.assertTrue(os.WIFSIGNALED(status))
        left = b"".join(path.read_bytes() for path in files.iterdir())
        cores = list(files.glob("core*"))
        for path in files.iterdir():
            path.unlink()
        files.rmdir()
        return os.WCOREDUMP(status) or bool(cores), (written + tool.err).encode() + left

    def test_they_are_in_no_output_no_file_and_no_core_dump(self):
        key, password = self.file("key", CONFIRM_KEY), self.file("password", PASSWORD)
        api_key = self.file("api_key", API_KEY)
        with Broker() as broker:
            server = HttpServer(lambda request: (201, {}, b"{}"))
            server.start()
            self.addCleanup(server.stop)
            where = ["--host", "127.0.0.1", "--port", broker.port]
            dumped, _ = self.abort("blesub", *where, ready="subscribed")
            self.assertTrue(dumped, "this machine makes no core dumps: see /proc/sys/kernel/core_pattern")
            account = ["-u", "pi", "--password-file", password]
            for argv, ready in ((["blesub", *where, *account], "subscribed"),
                                (["blesub", *where, "--confirm", "--confirm-key", key], "subscribed"),
                                (["blesend", *where, *account, "--spool", "spool"], "connected"),
                                (["blesend", *where, "--spool", "spool", "--confirm", "stored", "--confirm-key", key], "connected"),
                                (["blesend", "--url", f"http://127.0.0.1:{server.port}", "--api-key-file", api_key], "spool:")):
                with self.subTest(argv[0], words=argv[-1]):
                    dumped, written = self.abort(*argv, ready=ready)
                    self.assertFalse(dumped)
                    for secret in (CONFIRM_KEY, PASSWORD, API_KEY):
                        self.assertNotIn(secret.encode(), written)


if __name__ == "__main__":
    unittest.main()
