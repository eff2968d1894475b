"""A real nginx on a free loopback port."""
from .broker import _Server


class Nginx(_Server):
    """`server`: the directives of a server that listens on the port, or, with `whole`, all of a configuration's http part, in
    which @PORT@ and @DIR@ stand for the port and the folder. `tls`: (certificate, key)."""

    def __init__(self, server, tls=None, whole=False):
        folders = "".join(f"{name}_temp_path @DIR@/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        if not whole:
            secret = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
            server = f"server {{ listen 127.0.0.1:@PORT@ {'ssl' if tls else ''}; {secret} {server} }}"
        # One process, which ends by its number.
        super().__init__(["/usr/sbin/nginx", "-e", "stderr", "-c"], f"""
            daemon off;
            master_process off;
            pid @DIR@/pid;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                {folders}
                {server}
            }}
            """)
        self.url = f"{'https' if tls or whole else 'http'}://localhost:{self.port}"
