// blews: read events on standard input and broadcast them to WebSocket and server-sent-event clients.
// The contract is man/blews.1.
#include <unistd.h>

#include <optional>

#include "base/command_line.hpp"
#include "base/error.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "blews/options.hpp"
#include "server/broadcaster.hpp"
#include "server/event_input.hpp"
#include "server/history.hpp"
#include "server/history_doctor.hpp"
#include "server/lws_loop.hpp"
#include "server/metrics_site.hpp"
#include "server/server_doctor.hpp"

namespace {

using namespace ble;

constexpr int send_buffer = 256 * 1024;  // of each client, in the kernel: what one that never reads holds

LwsLoop::Config loop_of(const BroadcastOptions &o, std::chrono::seconds patience) {
    return {.bind = o.bind,
            .port = static_cast<std::uint16_t>(o.port),
            .tls = o.tls,
            .max_clients = static_cast<std::size_t>(o.max_clients),
            .max_per_address = static_cast<std::size_t>(o.share),
            .proxies = TrustedProxies(o.proxies),
            .header_timeout = patience,
            .body_timeout = patience,
            .send_buffer = send_buffer};
}

Broadcaster::Options manner_of(const BroadcastOptions &o) {
    Broadcaster::Options how;
    how.close_slow = o.slow == "close";
    how.ping = o.ping;
    how.stats_update = o.stats_update;
    how.limits.events = static_cast<std::size_t>(o.queue);
    return how;
}

ExitCode print_diagnosis(const BroadcastOptions &o) {
    auto findings = examine_server({o.bind, static_cast<std::uint16_t>(o.port), o.prefix, "blews"}, o.tls);
    findings.push_back(
        Finding::ok("token", o.token ? "there is one" : "none: everybody may look who reaches the port"));
    if (!o.db.empty()) findings.push_back(examine_history(workers_of(o), o.db));
    findings.push_back(examine_server_clock());
    return report(findings, {"could_serve", "The page can be served.", "The page cannot be served."},
                  o.doctor);
}

ExitCode run(const BroadcastOptions &o) {
    if (o.doctor.asked) return print_diagnosis(o);
    Counters counters;
    Access access = access_of(o);
    std::optional<History> history;  // these outlive the loop, whose connections they serve
    std::optional<Broadcaster> broadcaster;
    Lifecycle life(o.common, counters, [&] {
        if (broadcaster) counters.queued = broadcaster->furthest_behind();
    });
    const auto patience = std::chrono::ceil<std::chrono::seconds>(o.client_timeout);
    MetricsSite metrics({o.metrics, o.origins, static_cast<double>(o.rate), patience},
                        [&] { return life.metrics(); });
    LwsLoop loop(loop_of(o, patience));
    bool has_token = o.token.has_value();
    const auto read_token_again = [&] {
        BroadcastOptions renewed = o;
        renewed.token = token_of(o);
        check_still_there(has_token, renewed.token.has_value(), "the token");
        access = access_of(renewed);
        has_token = renewed.token.has_value();
    };
    const auto reload = [&] {
        if (has_token || has_credentials()) read_again("token and its cookie", read_token_again);
        if (!o.tls.cert.empty()) read_again("certificates", [&] { loop.reload_certificates(); });
    };
    if (has_token || has_credentials() || !o.tls.cert.empty()) life.on_reload(reload);
    const Broadcaster::Options how = manner_of(o);
    auto pages = pages_of(o);
    if (!o.db.empty()) {
        pages.history = &history.emplace(workers_of(o));
        loop.watch(history->fd(), [&] { history->step(); });
    }
    broadcaster.emplace(loop, access, std::move(pages), counters, how);

    const auto finish = [&] { broadcaster->finish(o.linger, [&] { loop.stop(); }); };
    const std::size_t piece = std::max<std::size_t>(1, how.limits.events / 4);
    EventInput input(loop, *broadcaster, counters, STDIN_FILENO, piece, static_cast<std::uint64_t>(o.count),
                     [&] {
                         if (!o.stay || input.count_reached())
                             finish();
                         else
                             log_info("the input has ended; serving what is current until stopped");
                     });
    loop.watch(life.fd(), [&] {
        life.progress();  // the loop turns: that is the job
        life.handle();
        if (!life.stopping()) return;
        input.stop();
        finish();
    });
    loop.listen(broadcaster->protocols());
    if (!o.metrics.empty()) metrics.listen(loop);
    log_info("listening on " + loop.url());
    life.ready("listening on " + loop.url());
    life.on_status([&] {
        return "listening on " + loop.url() + "; " + std::to_string(broadcaster->clients()) + " clients, " +
               std::to_string(counters.in) + " events";
    });
    loop.run();
    return life.ran_out() && o.count > 0 && !input.count_reached() ? ExitCode::temporary : ExitCode::ok;
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<BroadcastOptions>(argc, argv, "blews",
                                      "Broadcast events from standard input to WebSocket and SSE clients.",
                                      declare_broadcast_options, validate_broadcast_options, run);
}
