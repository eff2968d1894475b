// blerecv: take batches by HTTP, write them on standard output, answer 201 when its reader has consumed them.
// The contract (options, guarantees, exit codes) is man/blerecv.1.

#include <unistd.h>

#include <optional>

#include "base/command_line.hpp"
#include "base/counting_writer.hpp"
#include "base/file.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "server/http_receiver.hpp"
#include "server/listener.hpp"
#include "server/lws_loop.hpp"

namespace {

using namespace ble;

// Longer than a request may wait for the reader: at the end of it every client has its answer.
constexpr std::chrono::seconds farewell(10);

struct Options {
    CommonOptions common;
    std::string bind = "127.0.0.1";
    std::int64_t port = 8000;
    std::string prefix;
    std::string keys_file;
    std::string cert, key;
    bool insecure = false;
    std::int64_t max_clients = 256;
    std::chrono::milliseconds client_timeout{30000};
    std::int64_t count = 0;
    ApiKeys keys;
};

void declare(Options &o, CommandLine &line) {
    line.group("Listening");
    line.text("-b,--bind ADDRESS", o.bind,
              "address to listen on; others than loopback need a key or --insecure");
    line.number("-p,--port N", o.port, 0, 65535,
                "port to listen on; 0: the system chooses, the log says which");
    line.text("--cert FILE", o.cert, "PEM file with the certificate chain: serve HTTPS");
    line.text("--key FILE", o.key, "PEM file with the certificate's private key");
    line.text("--prefix PATH", o.prefix, "path that a proxy passes on before those of blerecv, as /ble");
    line.number("--max-clients", o.max_clients, 1, 65000,
                "connections at once; further ones are answered 503");
    line.duration("--client-timeout", o.client_timeout,
                  "a client that takes longer than this to send a request is disconnected");
    line.group("Who may send");
    line.text(
        "--api-keys-file FILE", o.keys_file,
        "file of keys, one a line, that clients show as X-API-Key (or one key in the environment: API_KEY)");
    line.flag("--insecure", o.insecure, "take batches from anybody, on an address that others can reach");
    line.group("Ending");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end when this many batches were consumed; 0: never");
    line.epilogue(
        "Examples:\n"
        "  blerecv | bleingest --db ble.db\n"
        "  curl -H 'Content-Type: application/json' -d @batch.json \\\n"
        "       http://127.0.0.1:8000/api/v1/detections/bulk");
}

void validate(Options &o, const CommandLine &) {
    if (o.cert.empty() != o.key.empty())
        throw Error(ExitCode::usage, "--cert and --key belong together: name both or neither");
    if (o.client_timeout < std::chrono::seconds(1) || o.client_timeout > std::chrono::hours(1))
        throw Error(ExitCode::usage, "--client-timeout: between 1 s and 1 h");
    PathPrefix{o.prefix};
    if (const auto keys = find_secrets(o.keys_file, "API_KEY"))
        o.keys = ApiKeys(*keys, o.keys_file.empty() ? "API_KEY" : o.keys_file);
    if (is_loopback(o.bind)) return;
    if (o.keys.empty() && !o.insecure)
        throw Error(ExitCode::config,
                    "refusing to take batches from anybody who can reach " + o.bind +
                        ": name the keys with --api-keys-file or API_KEY, or say --insecure");
    if (!o.keys.empty() && o.cert.empty())
        log_warning("without TLS (--cert, --key) the clients' keys can be read on the network");
}

ExitCode run(const Options &o) {
    Counters counters;
    std::optional<HttpReceiver> receiver;  // outlives the loop, whose connections it serves
    Lifecycle lifecycle(o.common, counters, [&] {
        counters.queued = counters.in - counters.out;
        counters.oldest_ms = receiver ? static_cast<std::uint64_t>(receiver->oldest().count()) : 0;
    });
    CountingWriter output(STDOUT_FILENO, CountingWriter::Promise::committed);
    LwsLoop::Config config;
    config.bind = o.bind;
    config.port = static_cast<std::uint16_t>(o.port);
    config.cert = o.cert;
    config.key = o.key;
    config.max_clients = static_cast<std::size_t>(o.max_clients);
    config.header_timeout = std::chrono::ceil<std::chrono::seconds>(o.client_timeout);
    LwsLoop loop(config);

    const auto counted = [&] { return counters.out >= static_cast<std::uint64_t>(o.count); };
    const auto deadline = loop.timer([&] { loop.stop(); });
    bool leaving = false;
    const auto changed = [&] {
        if (o.count > 0 && counted()) lifecycle.stop();
        if (!lifecycle.stopping()) return;
        if (!leaving) {
            leaving = true;
            loop.stop_listening();
            receiver->stop();
            loop.arm(deadline, farewell);
        }
        if (!receiver->busy() && output.unwritten() == 0) loop.stop();
    };
    HttpReceiver::Options receiving;
    receiving.keys = o.keys;
    receiving.prefix = PathPrefix(o.prefix);
    receiving.body_timeout = o.client_timeout;
    receiver.emplace(loop, output, counters, receiving, changed);
    loop.watch(lifecycle.fd(), [&] {
        lifecycle.progress();
        lifecycle.handle();
        changed();
    });
    loop.listen({receiver->protocol()});
    log_info("listening on " + loop.url());
    lifecycle.ready("listening on " + loop.url());
    loop.run();
    return lifecycle.ran_out() && !counted() ? ExitCode::temporary : ExitCode::ok;
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool(
        argc, argv, "blerecv",
        "Take batches by HTTP, write them on standard output, answer 201 when its reader has consumed them.",
        declare, validate, run);
}
