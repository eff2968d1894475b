"""Files of secrets that are pipes: read once at the start, waited for by nobody that is at work; and those that go away."""
import os
import pathlib
import signal
import unittest
import urllib.error
import urllib.request

from harness import Broker, FolderTest, HttpServer, Tool, standing, tool_path, wait_until
from harness.process import run
from harness.tls import self_signed

SECRET = "0123456789abcdef-s3cret"
IRK = "Anna ec0234a357c8ad05341010a60a397d9b"  # of the Core Specification, Vol 3 Part H D.7
# Each file that a command reads whole: the command line before its name, and what stands in it.
READERS = [
    (["blesend", "--host", "localhost", "-u", "pi", "--password-file"], SECRET),
    (["blesend", "--url", "http://localhost", "--api-key-file"], SECRET),
    (["blesend", "--host", "localhost", "--confirm", "stored", "--confirm-key"], SECRET),
    (["blesub", "--host", "localhost", "-u", "backend", "--password-file"], SECRET),
    (["blesub", "--host", "localhost", "--confirm", "--confirm-key"], SECRET),
    (["blerecv", "--api-keys-file"], SECRET),
    (["blews", "--token-file"], SECRET),
    (["blescan", "--replay", "-", "--hash-key"], SECRET),
    (["blescan", "--replay", "-", "--irk"], IRK),
]
TLS = [(["blerecv", "--port", "0"], 78), (["blews", "--port", "0"], 78), (["blesend", "--url", "https://localhost:1"], 64),
       (["blesub", "--host", "localhost", "--port", "1"], 64)]


class Pipes(FolderTest):
    def start(self, *argv, **options):
        tool = Tool(*argv, **options)
        self.addCleanup(tool.__exit__, None, None, None)
        return tool

    def status(self, url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def url(self, server):
        server.wait_err("listening on ")
        return server.err.split("listening on ")[1].split()[0]

    def in_shell(self, words, text, *more):
        return ["bash", "-c", 'exec "$0" "${@:2}" <(printf "%s\\n" "$1")', tool_path(words[0]), text, *more, *words[1:]]

    def test_the_pipe_of_a_shell_will_do(self):
        for words, text in READERS:
            with self.subTest(words=words):
                code, _, err = run(*self.in_shell(words, text, "--check"))
                self.assertEqual(code, 0, err)

    def test_the_token_is_read_once(self):
        server = self.start(*self.in_shell(["blews", "--port", "0", "--token-file"], SECRET))
        url = self.url(server)
        self.assertEqual(self.status(url, Authorization="Bearer " + SECRET), 200)
        self.assertEqual(self.status(url, Authorization="Bearer " + SECRET[1:]), 401)
        server.signal(signal.SIGHUP)
        server.wait_err("the token and its cookie stay as they were: a secret: /dev/fd/")
        self.assertEqual(self.status(url, Authorization="Bearer " + SECRET), 200)

    def test_at_the_start_the_writer_of_a_pipe_is_waited_for(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe, 0o600)
        server = self.start("blews", "--port", "0", "--token-file", pipe)
        # The opening waits until somebody reads; the second half comes as late as it likes.
        with open(pipe, "w", encoding="ascii") as writer:
            writer.write(SECRET[:9])
            writer.flush()
            wait_until(lambda: standing(writer) == 0, "the first half to be read")
            writer.write(SECRET[9:] + "\n")
        self.assertEqual(self.status(self.url(server), Authorization="Bearer " + SECRET), 200)

    def secret(self):
        path = self.folder / "secret"
        path.unlink(missing_ok=True)
        return self.file("secret", SECRET + "\n")

    def reloaded(self, tool, path, text):
        """The file has become a pipe into which somebody could write at any time: nobody may wait for that."""
        os.unlink(path)
        os.mkfifo(path, 0o600)
        holder = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, holder)
        tool.signal(signal.SIGHUP)
        tool.wait_err(text)

    def test_a_file_that_became_a_pipe_keeps_no_server_from_its_work(self):
        for argv, what in ((["blews", "--token-file"], "token and its cookie"), (["blerecv", "--api-keys-file"], "keys")):
            path = self.secret()
            server = self.start(argv[0], "--port", "0", *argv[1:], path)
            url = self.url(server)
            self.reloaded(server, path, f"the {what} stay as they were: a secret: {path} is not a regular file")
            key = {"Authorization": "Bearer " + SECRET}
            self.assertEqual(self.status(url + "/nothing", **key), 404)
            self.assertEqual(self.status(url + "/nothing"), 401)

    def test_nor_a_sender_or_a_subscriber(self):
        with Broker() as broker, HttpServer() as web:
            of_broker = ["--broker", "127.0.0.1", "--port", broker.port]
            for argv in (
                    ["blesend", *of_broker, "-u", "pi", "--password-file"],
                    ["blesend", *of_broker, "--confirm", "stored", "--confirm-key"],
                    ["blesend", "--url", web.url, "--api-key-file"],
                    ["blesub", *of_broker, "-u", "backend", "--password-file"],
                    ["blesub", *of_broker, "--confirm", "--confirm-key"],
            ):
                with self.subTest(argv=argv):
                    path = self.secret()
                    tool = self.start(*argv, path, "--verbose")
                    tool.wait_err("ready: ")
                    self.reloaded(tool, path, f"the secrets stay as they were: a secret: {path} is not a regular file")
                    self.assertEqual(tool.stats()["tool"], argv[0])

    def test_files_of_tls_are_files(self):
        cert, key = (pathlib.Path(path) for path in self_signed(self.folder))
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        for words, code in TLS:
            for files in ([cert, pipe], [pipe, key]):
                with self.subTest(words=words, files=files):
                    got, _, err = run(*words, "--cert", files[0], "--key", files[1])
                    self.assertEqual(got, code, err)
                    self.assertIn(f"unable to use {pipe}: it is a pipe", err)
        for name in ("blerecv", "blews"):
            server = self.start(name, "--port", "0", "--cert", cert, "--key", key)
            server.wait_err("listening on ")
            cert.rename(self.folder / "kept")
            os.mkfifo(cert)
            server.signal(signal.SIGHUP)
            server.wait_err(f"the certificates stay as they were: unable to use {cert}: it is a pipe")
            self.assertEqual(server.stats()["tool"], name)
            (self.folder / "kept").replace(cert)

    def test_a_credential_that_is_gone_lets_nobody_in(self):
        for name, credential, what in (("blews", "blepipe_token", "token and its cookie"), ("blerecv", "api_key", "keys")):
            path = self.file(credential, SECRET + "\n")
            server = self.start(name, "--port", "0", env={"CREDENTIALS_DIRECTORY": str(self.folder)})
            url = self.url(server)
            path.unlink()
            server.signal(signal.SIGHUP)
            server.wait_err(f"the {what} stay as they were: ")
            self.assertIn("is not there any more", server.err)
            self.assertEqual(self.status(url + "/nothing"), 401)
            self.assertEqual(self.status(url + "/nothing", Authorization="Bearer " + SECRET), 404)

    def test_nor_is_a_sender_without_it(self):
        with Broker() as broker:
            for name in ("blesend", "blesub"):
                for credential, more in (("mqtt_password", ["-u", "pi"]), ("confirm_key", ["--confirm"] + (["stored"] if name == "blesend" else []))):
                    path = self.file(credential, SECRET + "\n")
                    tool = self.start(name, "--broker", "127.0.0.1", "--port", broker.port, *more, "--verbose",
                                      env={"CREDENTIALS_DIRECTORY": str(self.folder)})
                    tool.wait_err("ready: ")
                    path.unlink()
                    tool.signal(signal.SIGHUP)
                    tool.wait_err("the secrets stay as they were: the ")
                    self.assertIn("is not there any more", tool.err)

    def test_one_that_came_later_must_stay_as_well(self):
        with Broker() as broker:
            to_broker = ["--broker", "127.0.0.1", "--port", broker.port, "-u", "pi", "--verbose"]
            for name, credential, words in (("blesend", "mqtt_password", to_broker), ("blesub", "mqtt_password", to_broker),
                                            ("blerecv", "api_key", ["--port", "0"]), ("blews", "blepipe_token", ["--port", "0"])):
                with self.subTest(name):
                    tool = self.start(name, *words, env={"CREDENTIALS_DIRECTORY": str(self.folder)})
                    tool.wait_err("listening on " if "0" in words else "ready: ")
                    path = self.file(credential, SECRET + "\n")
                    tool.signal(signal.SIGHUP)
                    tool.wait_err("read again")
                    path.unlink()
                    tool.signal(signal.SIGHUP)
                    tool.wait_err("is not there any more")


if __name__ == "__main__":
    unittest.main()
