"""TLS of blerecv and blews: client certificates, files that change while they run, old protocols, and what blesend says of their certificates."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

from harness import DEADLINE_S, Tool, TlsBrokers, http, wait_until
from harness.process import run

SECRET = "0123456789abcdef"
BATCH = '{"device_id":"pi-1","detections":[]}'


class Server(Tool):
    def __init__(self, name, *options, **more):
        super().__init__(name, "--port", "0", *options, **more)
        self.wait_err("listening on ")
        self.url = self.err.split("listening on ", 1)[1].split()[0]
        self.port = int(self.url.rsplit(":", 1)[1])


class ServerTls(TlsBrokers, unittest.TestCase):
    def pair(self, name):
        return ["--cert", self.path(f"{name}.pem"), "--key", self.path(f"{name}.key")]

    def start(self, name, *options, certificate="server", **more):
        server = Server(name, *self.pair(certificate), *options, **more)
        self.addCleanup(server.__exit__)
        return server

    def curl(self, url, *words):
        """(exit code, body) of the real curl, which trusts the authority."""
        done = subprocess.run(["curl", "-sS", "--max-time", str(DEADLINE_S), "--cacert", self.path("ca.pem"), *words, url],
                              capture_output=True, timeout=DEADLINE_S + 10, check=False)
        return done.returncode, done.stdout.decode()

    def blesend(self, url, *options, **more):
        tool = Tool("blesend", "--url", url, "--cafile", self.path("ca.pem"), *options, **more)
        self.addCleanup(tool.__exit__)
        tool.write(BATCH + "\n")
        return tool

    def test_clients_need_a_certificate_of_the_authority(self):
        for name in ("blerecv", "blews"):
            server = self.start(name, "--client-ca", self.path("ca.pem"))
            for words in ([], self.pair("other")):
                self.assertNotEqual(self.curl(server.url + "/health", *words)[0], 0, words)
            code, body = self.curl(server.url + "/health", *self.pair("client"))
            self.assertEqual((code, json.loads(body)["status"]), (0, "healthy"))
            server.wait_err("refusing the certificate of 127.0.0.1: ")
            self.assertEqual(server.err.count("refusing the certificate"), 1)

    def test_the_name_in_the_certificate_is_the_sender_unless_there_is_a_key(self):
        server = self.start("blerecv", "--client-ca", self.path("ca.pem"))
        self.blesend(server.url, *self.pair("client"))
        self.assertEqual(server.line().decode(), BATCH[:-1] + ',"sender":"certificate client"}')
        stranger = self.blesend(server.url)
        stranger.wait_err("it asks for a certificate of ours")
        refused = self.blesend(server.url, *self.pair("other"))
        refused.wait_err("it does not accept our certificate (")
        both = self.start("blerecv", "--client-ca", self.path("ca.pem"), env={"API_KEY": SECRET})
        self.blesend(both.url, *self.pair("client"), env={"HTTP_API_KEY": SECRET})
        self.assertEqual(both.line().decode(), BATCH[:-1] + ',"sender":"key *"}')
        self.blesend(both.url, *self.pair("client")).wait_err("401")
        self.blesend(both.url, env={"HTTP_API_KEY": SECRET}).wait_err("it asks for a certificate of ours")

    def test_the_files_are_read_again_on_sighup_and_broken_ones_are_not(self):
        for name in ("blerecv", "blews"):
            with tempfile.TemporaryDirectory() as folder:
                def put(certificate, to=folder):
                    for end in ("pem", "key"):
                        shutil.copy(self.path(f"{certificate}.{end}"), f"{to}/now.{end}")
                put("server")
                shutil.copy(self.path("other.pem"), f"{folder}/ca.pem")
                server = Server(name, "--cert", f"{folder}/now.pem", "--key", f"{folder}/now.key", "--client-ca", f"{folder}/ca.pem")
                self.addCleanup(server.__exit__)
                self.assertNotEqual(self.curl(server.url + "/health", *self.pair("client"))[0], 0)
                shutil.copy(self.path("ca.pem"), f"{folder}/ca.pem")
                put("complete")
                server.signal(signal.SIGHUP)
                server.wait_err("the certificates are read again")
                self.assertEqual(http(server.port, path="/health", tls=self.tls_context())[0], 200)
                self.assertIn(("commonName", "orphan"), self.subject(server.port))
                shutil.copy(self.path("server.pem"), f"{folder}/now.pem")  # with the key of another
                server.signal(signal.SIGHUP)
                server.wait_err("the certificates stay as they were: unable to use the key")
                os.remove(f"{folder}/ca.pem")
                put("server")
                server.signal(signal.SIGHUP)
                server.wait_err("the certificates stay as they were: unable to use the authorities")
                self.assertIn(("commonName", "orphan"), self.subject(server.port))

    def test_another_kind_of_key_is_said_to_take_a_restart(self):
        with tempfile.TemporaryDirectory() as folder:
            pair = ["-keyout", f"{folder}/key", "-out", f"{folder}/cert"]

            def make(kind, *words):
                subprocess.run(["openssl", "req", "-x509", "-nodes", "-subj", f"/CN={kind}", "-newkey", *words, *pair], check=True,
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            make("ec", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
            server = Server("blews", "--cert", f"{folder}/cert", "--key", f"{folder}/key")
            self.addCleanup(server.__exit__)
            make("rsa", "rsa:2048")
            server.signal(signal.SIGHUP)
            server.wait_err("the certificates stay as they were: the key " + folder)
            self.assertIn("restart to use it", server.err)

    def tls_context(self):
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # from Python 3.13 on; the test's certificates are plain ones
        context.load_cert_chain(self.path("client.pem"), self.path("client.key"))
        return context

    def subject(self, port):
        """The subject of the certificate that the server shows now."""
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock, \
                self.tls_context().wrap_socket(sock, server_hostname="localhost") as tls:
            return [pair for part in tls.getpeercert()["subject"] for pair in part]

    def test_a_connection_that_stands_outlives_new_files(self):
        server = self.start("blews")
        with Tool("curl", "-sN", "--cacert", self.path("ca.pem"), server.url + "/events", stdin=None) as listener:
            self.assertIn(b'"connected"', listener.line())
            server.signal(signal.SIGHUP)
            server.wait_err("the certificates are read again")
            server.write('{"type":"x","data":{}}\n')
            wait_until(lambda: b'"type":"x"' in listener.line(), "the event")

    def test_protocols_before_tls_1_2_are_refused(self):
        with tempfile.NamedTemporaryFile("w") as conf:
            # A system that would still speak them.
            conf.write("openssl_conf=o\n[o]\nssl_conf=s\n[s]\nsystem_default=d\n[d]\nMinProtocol=TLSv1\nCipherString=DEFAULT:@SECLEVEL=0\n")
            conf.flush()
            for name in ("blerecv", "blews"):
                server = self.start(name, env={"OPENSSL_CONF": conf.name})

                def curl(least, most):
                    words = [f"--tlsv{least}", "--tls-max", most, "--ciphers", "DEFAULT:@SECLEVEL=0"]
                    return self.curl(server.url + "/health", *words)[0]
                self.assertEqual(curl("1.0", "1.2"), 0)
                self.assertEqual(curl("1.0", "1.1"), 35)

    def test_blesend_says_what_is_wrong_with_its_server(self):
        for certificate, words in (("expired", "its certificate has expired on 2020-01-02"), ("orphan", "the certificate of the issuer 'between' is missing"),
                                   ("elsewhere", "its certificate is for another host name: for broker.example")):
            server = self.start("blerecv", certificate=certificate)
            self.blesend(server.url).wait_err(words)
            if certificate == "expired":
                server.wait_err("has expired, and clients will refuse it: renew it")
            else:
                self.assertNotIn("expired", server.err)
        server = self.start("blerecv")
        with Tool("blesend", "--url", server.url) as tool:
            tool.wait_err("--cafile")
        for certificate in ("server", "complete", "wildcard"):
            server = self.start("blerecv", certificate=certificate)
            url = server.url if certificate != "wildcard" else f"https://pi.board.localhost:{server.port}"
            self.blesend(url)
            self.assertEqual(server.line().decode(), BATCH)

    def test_what_is_wrong_with_the_files_is_78_and_with_the_words_64(self):
        for name in ("blerecv", "blews"):
            self.assertEqual(run(name, "--check", "--client-ca", self.path("ca.pem"))[0], 64)
            good = self.pair("server")
            for words, said in (([*good[:2], "--key", self.path("other.key")], "other.key"), ([*good, "--client-ca", self.path("ca.key")], "ca.key"),
                                ([*good, "--client-ca", "/nonexistent"], "No such file"), (["--cert", "/nonexistent", *good[2:]], "No such file")):
                code, _, err = run(name, "--check", *words)
                self.assertEqual(code, 78, err)
                self.assertIn(said, err)
            self.assertEqual(run(name, "--check", *good, "--client-ca", self.path("ca.pem"), "--bind", "0.0.0.0")[0], 0)

    def test_a_secret_that_would_cross_a_network_in_clear_is_warned_of(self):
        for name, env in (("blerecv", {"API_KEY": SECRET}), ("blews", {"BLEPIPE_TOKEN": SECRET})):
            for words, warned in ((["--bind", "0.0.0.0"], True), ([], False), (["--bind", "0.0.0.0", *self.pair("server")], False)):
                code, _, err = run(name, "--check", *words, env=env)
                self.assertEqual((code, "can be read on the network" in err), (0, warned), err)
                self.assertNotIn(SECRET, err)


if __name__ == "__main__":
    unittest.main()
