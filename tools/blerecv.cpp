// blerecv: take batches by HTTP, write them on standard output, answer 201 when its reader has consumed them.
// The contract (options, guarantees, exit codes) is man/blerecv.1.

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/command_line.hpp"
#include "base/counting_writer.hpp"
#include "base/duration.hpp"
#include "base/host.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "server/access.hpp"
#include "server/api_keys.hpp"
#include "server/doorkeeper.hpp"
#include "server/http_receiver.hpp"
#include "server/listener.hpp"
#include "server/lws_loop.hpp"
#include "server/metrics_site.hpp"

namespace {

using namespace ble;

// Longer than a request may wait for the reader: at the end of it every client has its answer.
constexpr std::chrono::seconds farewell(10);

struct Options {
    CommonOptions common;
    std::string bind = "127.0.0.1";
    std::int64_t port = 8000;
    std::string prefix, metrics;
    std::string keys_file, new_key;
    std::vector<std::string> origins, proxies;
    TlsFiles tls;
    bool insecure = false;
    std::int64_t max_clients = 256, share = 0, rate = 2000;
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
    line.text("--cert FILE", o.tls.cert, "PEM file with the certificate chain: serve HTTPS");
    line.text("--key FILE", o.tls.key, "PEM file with the certificate's private key");
    line.text("--client-ca FILE", o.tls.client_ca,
              "PEM file of authorities: clients need a certificate that one of them has issued");
    line.text("--prefix PATH", o.prefix, "path that a proxy passes on before those of blerecv, as /ble");
    line.texts("--trusted-proxy ADDRESS", o.proxies,
               "proxy that is believed when it says who the client is (X-Forwarded-For)");
    line.number("--max-clients", o.max_clients, 1, 65000,
                "connections at once; further ones are answered 503");
    line.number("--max-clients-per-address", o.share, 0, 65000,
                "of them, from one address; 0: a quarter, 16 at least");
    line.number("--max-rate", o.rate, 0, 1'000'000,
                "requests a second of one key, or of one address; 0: any number");
    line.duration("--client-timeout", o.client_timeout,
                  "a client that takes longer than this to send a request is disconnected");
    declare_metrics_address(o.metrics, line);
    line.group("Who may send");
    line.text("--api-keys-file FILE", o.keys_file,
              "lines DEVICE:HASH of the keys that clients show as X-API-Key (or one key in the environment: "
              "API_KEY)");
    line.text("--make-key DEVICE", o.new_key,
              "print such a line, and the new key itself on standard error, and end; '*': for all devices",
              "-");
    line.texts("--origin ORIGIN", o.origins,
               "called by this name it serves too, as https://board.example.org; '*': by any");
    line.flag("--insecure", o.insecure, "take batches from anybody, on an address that others can reach");
    line.group("Ending");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end when this many batches were consumed; 0: never");
    line.epilogue(
        "Examples:\n"
        "  blerecv | bleingest --db ble.db\n"
        "  blerecv --make-key pi-1 >>keys         (the key is shown once)\n"
        "  curl -H 'Content-Type: application/json' -d @batch.json \\\n"
        "       http://127.0.0.1:8000/api/v1/detections/bulk");
}

ApiKeys read_keys(const Options &o) {
    const auto text = find_secrets(o.keys_file, "API_KEY");
    if (!text) return {};
    const char *alone = std::getenv("API_KEY");
    const bool file = !o.keys_file.empty() || alone == nullptr || *alone == '\0';
    const std::string source = !o.keys_file.empty() ? o.keys_file : file ? "the file of API_KEY" : "API_KEY";
    ApiKeys keys(*text, source);
    if (file && keys.plain() > 0)
        log_warning(source + " holds " + std::to_string(keys.plain()) +
                    " keys as they are, each of which may send for every device: make one for each by "
                    "blerecv --make-key DEVICE >>FILE");
    if (keys.too_short() > 0)
        log_warning(source +
                    " holds a key of less than 16 characters, which can be guessed: make a longer one "
                    "by blerecv --make-key DEVICE");
    return keys;
}

void reload(const Options &o, SecretWatch &keys_file, Doorkeeper &door, LwsLoop &loop) {
    const auto replace = [&] {
        auto keys = read_keys(o);
        keys_file.note(!keys.everybody_may());
        if (!keys.everybody_may() && keys.size() == 0)
            log_warning("there is no key any more: nobody may send");
        door.set_keys(std::move(keys));
    };
    if (keys_file.there() || has_credentials()) read_again("keys", replace);
    if (!o.tls.cert.empty()) read_again("certificates", [&] { loop.reload_certificates(); });
}

ExitCode print_new_key(const std::string &device) {
    const NewKey made = make_key(device);
    const std::string line = made.line + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        throw system_error("write the line for the file of keys", ExitCode::io);
    log_asked("the key of " + device +
              ", which is shown this once; it goes into the sender's http_api_key file, or HTTP_API_KEY:");
    const std::string key = made.key + "\n";
    (void)!::write(STDERR_FILENO, key.data(), key.size());
    return ExitCode::ok;
}

Access access_of(const Options &o) {
    // Whoever knows a key need not be protected from what a page has its browser do.
    return {{}, o.origins, is_own_machine(o.bind) && o.keys.everybody_may(), !o.tls.cert.empty()};
}

void validate(Options &o, const CommandLine &line) {
    if (const auto reason = why_no_key_device(o.new_key); line.given("--make-key") && !reason.empty())
        throw Error(ExitCode::usage, "--make-key: name a device_id, or '*' for all: " + reason);
    if (!o.new_key.empty()) return;
    if (o.tls.cert.empty() != o.tls.key.empty())
        throw Error(ExitCode::usage, "--cert and --key belong together: name both or neither");
    if (!o.tls.client_ca.empty() && o.tls.cert.empty())
        throw Error(ExitCode::usage, "--client-ca is for TLS: name --cert and --key too");
    if (o.client_timeout < std::chrono::seconds(1) || o.client_timeout > std::chrono::hours(1))
        throw Error(ExitCode::usage, "--client-timeout: between 1 s and 1 h");
    [[maybe_unused]] const PathPrefix prefix(o.prefix);
    check_metrics_address(o.metrics, line);
    if (!o.tls.cert.empty()) check_tls(o.tls);
    if (!o.tls.key.empty()) guard_key_file(o.tls.key);
    o.keys = read_keys(o);
    if (!o.keys.everybody_may() && o.keys.size() == 0)
        throw Error(ExitCode::config,
                    "the file of keys holds none: make one with blerecv --make-key DEVICE >>FILE");
    access_of(o);
    [[maybe_unused]] const TrustedProxies proxies(o.proxies);
    if (is_own_machine(o.bind)) return;
    if (o.keys.everybody_may() && o.tls.client_ca.empty() && !o.insecure)
        throw Error(ExitCode::config,
                    "refusing to take batches from anybody who can reach " + o.bind +
                        ": name the keys with --api-keys-file or API_KEY, or --client-ca, or say --insecure");
    if (!o.keys.everybody_may() && o.tls.cert.empty())
        log_warning("without TLS (--cert, --key) the clients' keys can be read on the network");
}

// For people; a reader that takes what it gets at once is not worth a word.
std::string status(const LwsLoop &loop, const Counters &counters, std::chrono::milliseconds oldest) {
    const std::uint64_t out = counters.out, in = counters.in;
    std::string text = "listening on " + loop.url() + "; " + std::to_string(out) + " batches taken";
    if (oldest >= std::chrono::seconds(2))
        text += "; " + std::to_string(in - out) + " wait for the reader, for " + in_seconds(oldest);
    return text;
}

ExitCode run(const Options &o) {
    if (!o.new_key.empty()) return print_new_key(o.new_key);
    Counters counters;
    std::optional<HttpReceiver> receiver;  // outlives the loop, whose connections it serves
    Lifecycle lifecycle(o.common, counters, [&] {
        counters.queued = counters.in - counters.out;
        counters.oldest_ms = receiver ? static_cast<std::uint64_t>(receiver->oldest().count()) : 0;
    });
    const auto patience = std::chrono::ceil<std::chrono::seconds>(o.client_timeout);
    MetricsSite metrics({o.metrics, o.origins, static_cast<double>(o.rate), patience},
                        [&] { return lifecycle.metrics(); });
    CountingWriter output(STDOUT_FILENO, CountingWriter::Promise::committed);
    LwsLoop::Config config;
    config.bind = o.bind;
    config.port = static_cast<std::uint16_t>(o.port);
    config.tls = o.tls;
    config.max_clients = static_cast<std::size_t>(o.max_clients);
    config.max_per_address = static_cast<std::size_t>(o.share);
    config.proxies = TrustedProxies(o.proxies);
    config.header_timeout = config.body_timeout = patience;
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
    Doorkeeper door(loop, access_of(o), TrustedProxies(o.proxies), o.keys, static_cast<double>(o.rate));
    if (!o.keys.everybody_may() || has_credentials() || !o.tls.cert.empty())
        lifecycle.on_reload(
            [&, keys_file = SecretWatch("the file of keys", !o.keys.everybody_may())]() mutable {
                reload(o, keys_file, door, loop);
            });
    HttpReceiver::Options receiving;
    receiving.prefix = PathPrefix(o.prefix);
    receiver.emplace(loop, door, output, counters, receiving, changed);
    loop.watch(lifecycle.fd(), [&] {
        lifecycle.progress();
        lifecycle.handle();
        changed();
    });
    loop.listen({receiver->protocol()});
    if (!o.metrics.empty()) metrics.listen(loop);
    log_info("listening on " + loop.url());
    lifecycle.ready("listening on " + loop.url());
    lifecycle.on_status([&] { return status(loop, counters, receiver->oldest()); });
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
