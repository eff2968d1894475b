"""Files with secrets, as editors and copying make them: every tool takes the first line, and says what is odd before a peer says "no"."""
import os
import resource
import signal
import subprocess
import tempfile
import unittest

from harness import Broker, Tool
from harness.process import run
from harness.tls import self_signed

SECRET = "0123456789abcdef-s3cret"
# What stands in the file, and what must be said of it.
ODD = [
    (b"%s\r\n", "CRLF"), (b"%s\n\n", "more than one line"), (b"%s\nand more\n", "more than one line"),
    (b"%s \n", "ends with a blank"), (b" %s\n", "begins with a blank"), (b"\xef\xbb\xbf%s\n", "byte order mark"),
]
UNUSABLE = [(b"", "is empty"), (b"\r\n", "empty line"), (b"\n%s\n", "empty line"), (b"\xef\xbb\xbf", "is empty"),
            (b"\xff\xfe%s\n", "UTF-16")]
# Each reader of one secret: the command line before the file's name, and the variable that may name the file.
READERS = [
    (["blesend", "--mode", "mqtt", "--host", "localhost", "-u", "pi", "--password-file"], "MQTT_PASSWORD"),
    (["blesend", "--url", "http://localhost", "--api-key-file"], "HTTP_API_KEY"),
    (["blesub", "--host", "localhost", "-u", "backend", "--password-file"], "MQTT_PASSWORD"),
    (["blesend", "--host", "localhost", "--confirm", "stored", "--confirm-key"], "CONFIRM_KEY"),
    (["blesub", "--host", "localhost", "--confirm", "--confirm-key"], "CONFIRM_KEY"),
    (["blews", "--token-file"], "BLEPIPE_TOKEN"),
    (["blescan", "--replay", "-", "--hash-key"], "BLEPIPE_HASH_KEY"),
]


class Secrets(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-secrets-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "secret")

    def put(self, text):
        with open(self.path, "wb") as f:
            f.write(text.replace(b"%s", SECRET.encode()))
        os.chmod(self.path, 0o640)

    def check(self, words, variable):
        """(exit code, standard error) of both ways to name the file."""
        for argv, env in ((words + [self.path], {}), (words[:-1], {f"{variable}_FILE": self.path})):
            code, _, err = run(*argv, "--check", env=env)
            self.assertNotIn(SECRET, err)
            yield code, err

    def test_what_is_odd_is_said_and_the_first_line_taken(self):
        for words, variable in READERS:
            for text, said in ODD:
                self.put(text)
                for code, err in self.check(words, variable):
                    with self.subTest(words=words, text=text):
                        self.assertIn(said, err)
                        # A token may have no blank in it.
                        self.assertEqual(code, 78 if "blank" in said and words[0] == "blews" else 0, err)

    def test_what_is_right_is_not_talked_about(self):
        for words, variable in READERS:
            for text in (b"%s", b"%s\n"):
                self.put(text)
                for code, err in self.check(words, variable):
                    self.assertEqual((code, "secret" in err or variable in err), (0, False), err)

    def test_a_file_that_all_may_read_is_warned_of(self):
        for words, variable in READERS:
            for mode, warned in ((0o640, False), (0o644, True)):
                self.put(b"%s\n")
                os.chmod(self.path, mode)
                for code, err in self.check(words, variable):
                    self.assertEqual((code, "chmod o=" in err), (0, warned), err)

    def test_a_key_that_can_be_guessed_is_warned_of(self):
        for words, variable in READERS:
            with open(self.path, "wb") as f:
                f.write(SECRET[:15].encode())
            os.chmod(self.path, 0o600)
            for code, err in self.check(words, variable):
                # A password is the broker's to judge; a token of blews and a key of confirmations are refused.
                expected = {"MQTT_PASSWORD": (0, False), "BLEPIPE_TOKEN": (78, False), "CONFIRM_KEY": (78, False)}.get(variable, (0, True))
                self.assertEqual((code, "can be guessed" in err), expected, err)

    def test_whoever_holds_a_secret_dumps_no_core(self):
        self.assertTrue(self.dumps("blesend", "--url", "http://127.0.0.1:1"),
                        "this machine makes no core dumps: see /proc/sys/kernel/core_pattern")
        self.put(b"%s\n")
        with tempfile.TemporaryDirectory(prefix="blepipe-secrets-") as folder:
            cert, key = self_signed(folder)
            for words in [words + [self.path] for words, _ in READERS] + [
                    ["blesend", "--url", "https://localhost:1", "--cert", cert, "--key", key],
                    ["blesub", "--host", "localhost", "--port", "1", "--cert", cert, "--key", key],
                    ["blerecv", "--port", "0", "--cert", cert, "--key", key],
                    ["blews", "--port", "0", "--cert", cert, "--key", key]]:
                with self.subTest(words=words):
                    self.assertFalse(self.dumps(*words))

    def dumps(self, *words):
        """Whether the running tool leaves a core when it is aborted. What it said till then holds no secret."""
        with tempfile.TemporaryDirectory(prefix="blepipe-secrets-") as folder, \
                Tool(*words, "-v", "--stats", "0.2", cwd=folder, env={"ASAN_OPTIONS": "disable_coredump=0:handle_abort=0"},
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)) as tool:
            tool.wait_err('{"tool":')
            os.kill(tool.pid, signal.SIGABRT)
            _, status = os.waitpid(tool.pid, 0)
            self.assertNotIn(SECRET, tool.err)
            self.assertTrue(os.WIFSIGNALED(status))
            return os.WCOREDUMP(status)

    def test_what_is_none_is_78(self):
        for words, variable in READERS:
            for text, said in UNUSABLE:
                self.put(text)
                for code, err in self.check(words, variable):
                    with self.subTest(words=words, text=text):
                        self.assertEqual(code, 78, err)
                        self.assertIn(said, err)

    def test_a_secret_for_everybody_to_read_is_warned_of(self):
        self.put(b"%s\n")
        mqtt, http = ["-u", "pi", "--password-file", self.path], ["--api-key-file", self.path]
        for words, secret in ((["blesend", "--host"], mqtt), (["blesub", "--host"], mqtt), (["blesend", "--url"], http)):
            for host, warned in (("peer.invalid", 1), ("127.0.0.1", 0), ("localhost", 0), ("[::1]", 0)):
                where = [*words, f"http://{host}" if words[-1] == "--url" else host, "--run-for", "0.1"]
                for argv, count in ((where, 0), ([*where, *secret], warned)):
                    with self.subTest(argv):
                        code, _, err = run(*argv)
                        self.assertEqual((code, err.count("where others can read it")), (0, count), err)
                        self.assertNotIn(SECRET, err)
        err = run("blesend", "--host", "peer.invalid", "--tls", *mqtt, "--run-for", "0.1")[2]
        self.assertNotIn("for everybody", err)

    def test_a_password_that_is_put_into_a_name_is_not_repeated(self):
        for name in (f"mqtt://pi:{SECRET}@h", f"pi:{SECRET}@h", f"mqtts://{SECRET}@h", f"http://pi:{SECRET}@h"):
            for argv, env in ((["blesend", "--broker", name], {}), (["blesend", "--url", name], {}), (["blesub", "--host", name], {}),
                              (["blesub", "--url", name], {}), (["blesend", "--mode", "http", "--url", name], {}),
                              (["blesend", "--mode", "http"], {"HTTP_BASE_URL": name}), (["blesub"], {"MQTT_BROKER": name})):
                _, out, err = run(*argv, "--check", env=env)
                self.assertNotIn(SECRET, err + out.decode(), argv)

    def test_files_of_several_keys_may_come_from_windows(self):
        irk = b"phone 0123456789abcdef0123456789abcdef"
        for words, line in ((["blerecv", "--api-keys-file"], SECRET.encode()), (["blescan", "--replay", "-", "--irk"], irk)):
            self.put(b"\xef\xbb\xbf# keys\r\n" + line + b"\r\n\r\n")
            code, _, err = run(*words, self.path, "--check")
            self.assertEqual(code, 0, err)
            self.assertIn("byte order mark", err)
            self.put(b"\xff\xfe#\n")
            code, _, err = run(*words, self.path, "--check")
            self.assertEqual(code, 78, err)
            self.assertIn("UTF-16", err)

    def test_a_broker_takes_the_password_of_an_odd_file(self):
        passwords = f"{self.path}.broker"
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "pi", SECRET], check=True)
        with Broker(f"allow_anonymous false\npassword_file {passwords}\n") as broker:
            for text in (b"%s\r\n", b"%s\n\n", b"\xef\xbb\xbf%s\r\n"):
                for tool, said in (("blesend", "connected to"), ("blesub", "subscribed to")):
                    self.put(text)
                    with Tool(tool, "--host", "127.0.0.1", "--port", broker.port, "-u", "pi", "--password-file", self.path) as client:
                        client.wait_err(said)


if __name__ == "__main__":
    unittest.main()
