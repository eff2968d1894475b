// blerecv: take batches by HTTP, write them on standard output, answer 201 when its reader has consumed them.
// The contract (options, guarantees, exit codes) is man/blerecv.1.

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "base/command_line.hpp"
#include "base/counting_writer.hpp"
#include "base/duration.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "blerecv/options.hpp"
#include "server/doorkeeper.hpp"
#include "server/http_receiver.hpp"
#include "server/lws_loop.hpp"
#include "server/metrics_site.hpp"
#include "server/server_doctor.hpp"

namespace {

using namespace ble;

// Longer than a request may wait for the reader: at the end of it every client has its answer.
constexpr std::chrono::seconds farewell(10);

void reload(const ServeOptions &o, bool &has_keys, Doorkeeper &door, LwsLoop &loop) {
    const auto replace = [&] {
        auto keys = read_keys(o);
        check_still_there(has_keys, !keys.everybody_may(), "the file of keys");
        has_keys = !keys.everybody_may();
        if (!keys.everybody_may() && keys.size() == 0)
            log_warning("there is no key any more: nobody can send");
        door.set_keys(std::move(keys));
    };
    if (has_keys || has_credentials()) read_again("keys", replace);
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

// For people; a reader that takes what it gets at once is not worth a word.
std::string status(const LwsLoop &loop, const Counters &counters, std::chrono::milliseconds oldest) {
    const std::uint64_t out = counters.out, in = counters.in;
    std::string text = "listening on " + loop.url() + "; " + std::to_string(out) + " batches taken";
    if (oldest >= std::chrono::seconds(2))
        text += "; " + std::to_string(in - out) + " wait for the reader, for " + in_seconds(oldest);
    return text;
}

LwsLoop::Config loop_of(const ServeOptions &o, std::chrono::seconds patience) {
    LwsLoop::Config config;
    config.bind = o.bind;
    config.port = static_cast<std::uint16_t>(o.port);
    config.tls = o.tls;
    config.max_clients = static_cast<std::size_t>(o.max_clients);
    config.max_per_address = static_cast<std::size_t>(o.share);
    config.proxies = TrustedProxies(o.proxies);
    config.header_timeout = config.body_timeout = patience;
    return config;
}

ExitCode print_diagnosis(const ServeOptions &o) {
    auto findings = examine_server({o.bind, static_cast<std::uint16_t>(o.port), o.prefix, "blerecv"}, o.tls);
    findings.push_back(Finding::ok("keys", o.keys.everybody_may()
                                               ? "none: everybody may send who reaches the port"
                                               : std::to_string(o.keys.size()) + " are known"));
    findings.push_back(examine_server_clock());
    return report(findings, {"could_serve", "Batches can be taken.", "No batch can be taken."}, o.doctor);
}

ExitCode run(const ServeOptions &o) {
    if (!o.new_key.empty()) return print_new_key(o.new_key);
    if (o.doctor.asked) return print_diagnosis(o);
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
    LwsLoop loop(loop_of(o, patience));

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
            [&, has_keys = !o.keys.everybody_may()]() mutable { reload(o, has_keys, door, loop); });
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
    lifecycle.reads_no_input("batches come by HTTP, from blesend --mode http");
    lifecycle.ready("listening on " + loop.url());
    lifecycle.on_status([&] { return status(loop, counters, receiver->oldest()); });
    loop.run();
    return lifecycle.ran_out() && !counted() ? ExitCode::temporary : ExitCode::ok;
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<ServeOptions>(
        argc, argv, "blerecv",
        "Take batches by HTTP, write them on standard output, answer 201 when its reader has consumed them.",
        declare_serve_options, validate_serve_options, run);
}
