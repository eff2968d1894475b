"""A real Caddy on a free loopback port."""
from .broker import _Server


class Caddy(_Server):
    """`text`: a Caddyfile, in which @PORT@ and @DIR@ stand for the port and the folder; it asks nobody for certificates."""

    def __init__(self, text):
        options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tstorage file_system @DIR@/storage\n}\n"
        super().__init__(["caddy", "run", "--adapter", "caddyfile", "--config"], options + text)
        self._argv = ["env", f"HOME={self.folder.name}", *self._argv]
        self.url = f"https://localhost:{self.port}"
