"""What the Python tests share: real processes, a real broker, free ports, conditions with a deadline."""
from .process import Tool, free_port, standing, wait_until, wait_port, tool_path, source_path, shared_path, DEADLINE_S  # noqa: F401
from .broker import Broker, NatsBroker, NatsCluster  # noqa: F401
from .example_broker import ExampleBroker  # noqa: F401
from .caddy import Caddy  # noqa: F401
from .haproxy import Haproxy  # noqa: F401
from .nginx import Nginx  # noqa: F401
from .tls import TlsBrokers, self_signed  # noqa: F401
from .websocket import WebSocketClient, EventStream, Refused, Closed, http  # noqa: F401
from .pipeline import Database, details, end_pipeline, flatten, make_batches, pipeline, positions, random_source  # noqa: F401
from .clock import WrongClock, query_under_clock, wrong_clock  # noqa: F401
from .confirmation import confirmation  # noqa: F401
from .folder import FolderTest  # noqa: F401
from .http_server import HttpServer  # noqa: F401
from .proxy import Proxy  # noqa: F401
from .connect_proxy import ConnectProxy  # noqa: F401
from .mqtt_server import MqttServer  # noqa: F401
from .websocket_server import WebSocketEnd  # noqa: F401
from .notify import Notify  # noqa: F401
from .postgres import Postgres  # noqa: F401
from .postgres_pair import PostgresPair  # noqa: F401
from .other_user import PAST_QUOTA, as_other_user  # noqa: F401
from .quota import run_past_pipe_quota  # noqa: F401
