"""Certificates for servers on this machine, and brokers that have them."""
import os
import subprocess
import tempfile

from .broker import Broker


def self_signed(folder):
    """Makes one for 127.0.0.1 and localhost: the paths of (certificate, key)."""
    cert, key = (os.path.join(folder, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def _authority(folder):
    """Makes an authority ca.pem, which the folder as a whole stands for as well, with the certificates server.pem and expired.pem (for localhost), elsewhere.pem (for
    broker.example) and client.pem, each with its .key, and other.pem, an authority that vouches for none of them."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=test {name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")
    here = "DNS:localhost,IP:127.0.0.1,IP:::ffff:127.0.0.1"
    for name, names, days in [("server", here, "2"), ("expired", here, "-1"), ("elsewhere", "DNS:broker.example", "2"),
                              ("client", "DNS:client.example", "2")]:
        with open(os.path.join(folder, "names"), "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "csr")
        openssl("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days,
                "-extfile", "names", "-out", f"{name}.pem")
    openssl("rehash", ".")


class TlsBrokers:
    """Of a TestCase whose brokers speak TLS only, with certificates of one authority: those of _authority()."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = tempfile.TemporaryDirectory(prefix="blepipe-tls-")
        cls.addClassCleanup(cls.keys.cleanup)
        _authority(cls.keys.name)

    def path(self, name):
        return os.path.join(self.keys.name, name)

    def broker(self, certificate="server", extra=""):
        broker = Broker(f"cafile {self.path('ca.pem')}\ncertfile {self.path(certificate + '.pem')}\n"
                        f"keyfile {self.path(certificate + '.key')}\n{extra}")
        broker.start()
        self.addCleanup(broker.__exit__)
        return broker
