"""Certificates for servers on this machine, and brokers that have them."""
import os
import shutil
import subprocess
import tempfile

from .broker import Broker


def self_signed(folder, names="IP:127.0.0.1,DNS:localhost"):
    """Makes one for these: the paths of (certificate, key)."""
    cert, key = (os.path.join(folder, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def _authority(folder):
    """Makes an authority ca.pem, which the folder as a whole stands for as well, with the certificates server.pem and expired.pem (for localhost), elsewhere.pem (for
    broker.example), wildcard.pem (for *.board.localhost) and client.pem, each with its .key, and other.pem, an authority that vouches for none of them. orphan.pem
    (for localhost) is issued by between.pem, which is issued by ca.pem; complete.pem is both."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=test {name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")
    here = "DNS:localhost,IP:127.0.0.1,IP:::ffff:127.0.0.1"
    # `openssl ca`, since of the others no version both takes a time that is over and is in Debian 12.
    with open(os.path.join(folder, "ca.conf"), "w", encoding="ascii") as f:
        f.write("[ca]\ndefault_ca=test\n[test]\ndatabase=issued\nnew_certs_dir=.\ndefault_md=sha256\nrand_serial=yes\n"
                "unique_subject=no\npolicy=any\n[any]\ncommonName=supplied\n")
    own = [("server", here), ("expired", here), ("elsewhere", "DNS:broker.example"), ("client", "DNS:client.example"), ("wildcard", "DNS:*.board.localhost"),
           ("between", None), ("orphan", here)]
    for name, names in own:
        issuer = "between" if name == "orphan" else "ca"
        for file, text in [("names", f"subjectAltName={names}\n" if names else "basicConstraints=critical,CA:TRUE\n"), ("issued", "")]:
            with open(os.path.join(folder, file), "w", encoding="ascii") as f:
                f.write(text)
        valid = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] if name == "expired" else ["-days", "2"]
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "csr")
        openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key", "-in", "csr",
                "-extfile", "names", "-out", f"{name}.pem", *valid)
    os.remove(os.path.join(folder, "csr"))
    openssl("rehash", ".")
    # Not before: the folder must not vouch for what lies between.
    with open(os.path.join(folder, "complete.pem"), "wb") as f:
        for name in ("orphan", "between"):
            with open(os.path.join(folder, f"{name}.pem"), "rb") as part:
                f.write(part.read())
    shutil.copy(os.path.join(folder, "orphan.key"), os.path.join(folder, "complete.key"))


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
