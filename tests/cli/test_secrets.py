"""Files with secrets, as editors and copying make them: every tool takes the first line, and says what is odd before a peer says "no"."""
import os
import subprocess
import tempfile
import unittest

from harness import Broker, Tool
from harness.process import run

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

    def test_what_is_none_is_78(self):
        for words, variable in READERS:
            for text, said in UNUSABLE:
                self.put(text)
                for code, err in self.check(words, variable):
                    with self.subTest(words=words, text=text):
                        self.assertEqual(code, 78, err)
                        self.assertIn(said, err)

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
