"""What is wrong with a certificate is said, and what to do about it: the same by every client, each trouble in its own words."""
import os
import shutil
import ssl
import subprocess
import unittest

from harness import HttpServer, TlsBrokers, Tool, free_port, tool_path, wait_until
from harness.mounts import with_authorities

EXPIRED, MISSING, ELSEWHERE, CLIENT = "expired", "missing", "elsewhere", "client"
SAYS = {
    EXPIRED: ["its certificate has expired on 2020-01-02", "renew it there, unless this machine's clock is wrong: it says 20"],
    MISSING: ["the certificate of the issuer 'between' is missing", "add the intermediate certificates to its certificate file"],
    ELSEWHERE: ["its certificate is for another host name: for broker.example, not for ", "connect by a name that is in"],
    CLIENT: ["it asks for a certificate of ours", "give one with --cert and --key"],
}
CERTIFICATE = {EXPIRED: "expired", MISSING: "orphan", ELSEWHERE: "elsewhere", CLIENT: "server"}


class Words(TlsBrokers, unittest.TestCase):
    def said(self, tool, trouble):
        """Waits until it has said all that it should of that trouble, and sees that it says nothing of the others."""
        for words in SAYS[trouble]:
            tool.wait_err(words)
        for other, words in SAYS.items():
            if other != trouble:
                self.assertNotIn(words[0], tool.err)
        self.assertNotIn("connected to", tool.err)
        self.assertNotIn("subscribed to", tool.err)

    def mqtt(self, name, broker, *words):
        return Tool(name, "--host", "localhost", "--port", broker.port, "--cafile", self.path("ca.pem"), *words)

    def test_mqtt_by_both_clients_in_both_versions(self):
        for trouble in SAYS:
            broker = self.broker(CERTIFICATE[trouble], "require_certificate true\n" if trouble == CLIENT else "")
            for name in ("blesend", "blesub"):
                for version in ("auto", "3.1.1"):
                    with self.subTest(trouble=trouble, name=name, version=version), \
                            self.mqtt(name, broker, "--mqtt-version", version) as tool:
                        self.said(tool, trouble)

    def test_https(self):
        for trouble in SAYS:
            pair = [self.path(f"{CERTIFICATE[trouble]}.{end}") for end in ("pem", "key")]
            for tls in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) if trouble == CLIENT else (ssl.TLSVersion.TLSv1_3,):
                with self.subTest(trouble=trouble, tls=tls), \
                        HttpServer(certificate=pair, clients_of=self.path("ca.pem") if trouble == CLIENT else None, tls=tls) as server, \
                        Tool("blesend", "--url", server.url, "--cafile", self.path("ca.pem")) as tool:
                    self.said(tool, trouble)

    def test_nginx_says_in_its_page_that_it_wants_a_certificate(self):
        page = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>"
        with HttpServer(lambda request: (400, {"Content-Type": "text/html"}, page)) as server, Tool("blesend", "--url", server.url) as tool:
            tool.wait_err("it asks for a certificate of ours: give one with --cert and --key")

    def test_whoever_is_named_is_trusted_in_place_of_the_systems(self):
        """The system trusts who vouches for all these servers; with --cafile or --capath that counts for nothing."""
        system, other = self.path("system"), self.path("another")
        for folder, file, authority in ((system, "ca-certificates.crt", "ca.pem"), (other, "other.pem", "other.pem")):
            os.mkdir(folder)
            shutil.copy(self.path(authority), os.path.join(folder, file))
            subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
        web = free_port()
        broker = self.broker("server", f"listener {web} 127.0.0.1\nprotocol websockets\ncafile {self.path('ca.pem')}\n"
                             f"certfile {self.path('server.pem')}\nkeyfile {self.path('server.key')}\n")
        with HttpServer(certificate=(self.path("server.pem"), self.path("server.key"))) as server:
            for name, url, good in (("blesub", f"mqtts://localhost:{broker.port}", "subscribed to"), ("blesub", f"wss://localhost:{web}", "subscribed to"),
                                    ("blesend", f"mqtts://localhost:{broker.port}", "connected to"), ("blesend", f"wss://localhost:{web}", "connected to"),
                                    ("blesend", server.url, "connected to")):
                for words, said in (((), good), (("--cafile", self.path("other.pem")), "TLS: "), (("--capath", other), "TLS: ")):
                    with self.subTest(name=name, url=url, words=words), \
                            Tool(*with_authorities(system, tool_path(name), "--url", url, *words)) as tool:
                        tool.wait_err(said)
                        self.assertEqual(good in tool.err, not words)

    def test_a_chain_that_is_complete_is_trusted(self):
        broker = self.broker("complete")
        for name, said in (("blesend", "connected to"), ("blesub", "subscribed to")):
            with self.mqtt(name, broker) as tool:
                tool.wait_err(said)

    def test_a_certificate_of_ours_that_the_broker_does_not_take(self):
        broker = self.broker(extra="require_certificate true\n")
        pair = ["--cert", self.path("other.pem"), "--key", self.path("other.key")]
        for name in ("blesend", "blesub"):
            with self.mqtt(name, broker, *pair) as tool:
                tool.wait_err("it does not accept our certificate (")

    def test_it_may_end_while_a_certificate_is_looked_at(self):
        pair = [self.path(f"expired.{end}") for end in ("pem", "key")]
        with HttpServer(certificate=pair) as server:
            for ms in range(1, 80, 2):
                with Tool("blesend", "--url", server.url, "--drain-timeout", ms / 1000) as tool:
                    tool.write(b'{"device_id":"pi-1","timestamp":"2026-11-22T06:00:00Z","detections":[]}\n')
                    tool.close_stdin()
                    self.assertEqual(tool.wait(), 75, tool.err)

    def test_a_trouble_is_said_once(self):
        broker = self.broker("expired")
        for name in ("blesend", "blesub"):
            with self.mqtt(name, broker) as tool:
                tool.wait_err("has expired")
                wait_until(lambda: broker.log_text().count("New connection") >= 8, "further attempts")
                self.assertEqual(tool.err.count("has expired"), 1, tool.err)
                os.truncate(os.path.join(broker.folder.name, "log"), 0)


if __name__ == "__main__":
    unittest.main()
