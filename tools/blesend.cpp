// blesend: read batches on standard input, deliver each one to a broker or a server.
// The contract (options, guarantees, exit codes) is man/blesend.1.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "blesend_delivery.hpp"
#include "blesend_intake.hpp"
#include "spool/ram_spool.hpp"
#include "transport/transport_options.hpp"

namespace {

using namespace ble;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds look_period(100);      // a missed edge is made good after this long
constexpr milliseconds drain_at_stop(5'000);  // SIGTERM without --drain-timeout

struct Options {
    CommonOptions common;
    std::string mode = transport_modes().front(), url, policy = "drop-oldest";
    TransportOptions transport;
    std::int64_t buffer = 100, inflight = 64, count = 0;
    milliseconds drop_after = std::chrono::seconds(5), drain_timeout{0};
    std::string reject = default_state_path("blesend.rejected.ndjson");
};

void declare(Options &options, CommandLine &line) {
    line.group("Where to");
    line.choice("--mode", options.mode, transport_modes(), "how to deliver", "COMMUNICATION_MODE");
    line.text("--url URL", options.url,
              "mqtt[s]://HOST[:PORT][/TOPIC] or http[s]://HOST[:PORT][/PATH]; implies --mode; http has "
              "http://localhost:8000 by default",
              "HTTP_BASE_URL");
    line.group("MQTT, and TLS in both modes");
    declare_mqtt_options(options.transport.mqtt, line);
    line.text("--status-topic TOPIC", options.transport.status_topic,
              "keep a retained \"online\" or \"offline\" on this topic");
    line.group("HTTP");
    declare_http_options(options.transport.http, line);
    line.group("Delivery");
    line.number("--buffer", options.buffer, 0, 100'000'000,
                "batches the spool holds; 0, in http mode only: one try for each batch, then it is dropped",
                "MQTT_BUFFER_SIZE");
    line.choice("--policy", options.policy, {"drop-oldest", "block"},
                "when the spool is full: drop the oldest, or leave the input waiting; block when the input "
                "is a file");
    line.duration("--drop-after", options.drop_after, "drop only when nothing was delivered for this long");
    line.number("--inflight", options.inflight, 1, 65'535, "messages sent and not yet acknowledged, at most");
    line.duration(
        "--drain-timeout", options.drain_timeout,
        "at the end of input, wait this long for the spool to empty; 0: for ever (5 s after SIGTERM)");
    line.text("--reject FILE", options.reject,
              "where lines go that are no batch, or that the server refuses for good");
    line.number("--count", options.count, 0, INT64_MAX, "end after so many batches; 0: at the end of input");
    line.epilogue(
        "Examples:\n"
        "  blescan | blesend --host broker.example --tls\n"
        "  blescan | blesend --url https://backend.example --api-key-file key\n"
        "  blesend --url mqtt://localhost/tfg/detections/raw --drain-timeout 60 <batches.ndjson");
}

// An URL that was typed decides the mode; HTTP_BASE_URL in the environment only says where http goes.
void settle_mode(Options &options, const CommandLine &line) {
    const bool typed = line.on_command_line("--url");
    if (typed) {
        const std::string scheme = options.url.substr(0, options.url.find("://"));
        const std::string mode = scheme.substr(0, 4);
        if ((mode != "mqtt" && mode != "http") || (scheme != mode && scheme != mode + "s"))
            throw Error(
                ExitCode::usage,
                "unable to use --url: it begins with none of mqtt://, mqtts://, http:// and https://");
        if (line.given("--mode") && options.mode != mode)
            throw Error(ExitCode::usage,
                        "--url begins with " + scheme + ":// and " +
                            (line.on_command_line("--mode") ? "--mode" : "COMMUNICATION_MODE") + " says " +
                            options.mode + ": they contradict each other");
        options.mode = mode;
    }
    if (options.mode == "http" && !options.url.empty()) options.transport.http.url = options.url;
    if (options.mode == "mqtt" && typed) apply_mqtt_url(options.transport.mqtt, options.url, line);
}

void validate(Options &options, const CommandLine &line) {
    settle_mode(options, line);
    MqttOptions &mqtt = options.transport.mqtt;
    HttpOptions &http = options.transport.http;
    if (options.mode == "http") {
        http.cafile = mqtt.cafile, http.capath = mqtt.capath, http.cert = mqtt.cert, http.key = mqtt.key;
        http.insecure = mqtt.insecure;
        http.one_try = options.buffer == 0;
        validate_http_options(http, line);
    } else {
        if (mqtt.host.empty())
            throw Error(ExitCode::config,
                        "no broker is configured: set --host, --url mqtt://HOST or MQTT_BROKER");
        if (options.buffer == 0)
            throw Error(line.on_command_line("--buffer") ? ExitCode::usage : ExitCode::config,
                        "--buffer 0 (MQTT_BUFFER_SIZE) is for --mode http only: a broker needs a spool of at "
                        "least 1");
        validate_mqtt_options(mqtt, line);
        check_topic_name(mqtt.topic, line);
    }
    options.transport.inflight = static_cast<std::size_t>(options.inflight);
    struct stat info {};
    if (!line.given("--policy") && ::fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode))
        options.policy = "block";
}

// Tells people and systemd how it goes.
class Reporter {
  public:
    Reporter(const Options &options, Lifecycle &lifecycle) : options_(options), lifecycle_(lifecycle) {}

    void update(const Spool &spool, const Intake &intake, const Transport &transport,
                const Counters &counters) {
        const auto now = Clock::now();
        if (!ready_ && transport.connected()) lifecycle_.ready(transport.status());
        ready_ = ready_ || transport.connected();
        if (spool.size() > 0 && progress_.due())
            progress_.update(std::to_string(counters.out) + " delivered, " + std::to_string(spool.size()) +
                             " queued");
        if (now < next_) return;
        next_ = now + std::chrono::seconds(1);
        lifecycle_.status(transport.status() + "; " + std::to_string(spool.size()) + " queued");
        const auto pace = intake.pace();
        if (pace_said_ || !pace || options_.buffer == 0) return;
        pace_said_ = true;
        const double lasts_s = pace->count() * static_cast<double>(options_.buffer);
        log_info("at the present rate the spool lasts " +
                 (lasts_s < 120 ? std::to_string(static_cast<long>(lasts_s)) + " s"
                                : std::to_string(static_cast<long>(lasts_s / 60)) + " min"));
    }

  private:
    const Options &options_;
    Lifecycle &lifecycle_;
    Progress progress_;
    Clock::time_point next_{};
    bool ready_ = false, pace_said_ = false;
};

// The spool drops only when its head has waited in vain: a burst that is on its way out is no reason.
WhenFull when_full(const Options &options, const Spool &spool, const Delivery &delivery) {
    if (options.policy == "block" || options.buffer == 0 || !spool.full()) return WhenFull::wait;
    const auto idle = std::chrono::duration_cast<milliseconds>(Clock::now() - delivery.last_progress());
    return std::min(idle, spool.oldest_age()) >= options.drop_after ? WhenFull::drop : WhenFull::wait;
}

ExitCode finish(const Options &options, const Spool &spool, const Intake &intake, const Lifecycle &lifecycle,
                const Counters &counters) {
    if (counters.dropped > 0) log_warning(std::to_string(counters.dropped) + " batches were dropped in all");
    if (spool.size() > 0)
        throw Error(ExitCode::temporary,
                    std::to_string(spool.size()) + " batches and gap lines are left undelivered, and gone");
    if (options.count > 0 && !intake.reached_limit() && lifecycle.ran_out())
        throw Error(ExitCode::temporary, "--run-for has passed before --count was reached");
    return ExitCode::ok;
}

ExitCode run(const Options &options) {
    Counters counters;
    RamSpool spool(static_cast<std::size_t>(std::max<std::int64_t>(options.buffer, 1)));
    Lifecycle lifecycle(options.common, counters, [&] {
        counters.queued = spool.size();
        counters.oldest_ms = static_cast<std::uint64_t>(spool.oldest_age().count());
    });
    LookingReader input(STDIN_FILENO, "standard input");
    RejectFile reject(options.reject);
    Intake intake(input, spool, reject, counters, static_cast<std::uint64_t>(options.count));
    const auto transport = make_transport(options.mode, options.transport);
    Delivery delivery(spool, *transport, reject, counters, options.transport.inflight,
                      options.buffer == 0 ? Delivery::OnFailure::drop : Delivery::OnFailure::keep);
    Reporter reporter(options, lifecycle);
    log_info(options.buffer == 0 ? "no spool: each batch is tried once" : "spool: " + spool.description());
    transport->start();

    std::optional<Clock::time_point> end;
    const auto end_within = [&](milliseconds time) {
        end = std::min(end.value_or(Clock::time_point::max()), Clock::now() + time);
    };
    Clock::time_point next_look{};
    for (bool stopped = false;;) {
        const bool look = Clock::now() >= next_look || intake.blocked();
        if (look) {
            intake.take(when_full(options, spool, delivery));
            next_look = Clock::now() + look_period;
        }
        delivery.pump();
        if (lifecycle.stopping() && !std::exchange(stopped, true)) {
            intake.stop();
            end_within(options.drain_timeout.count() > 0 ? options.drain_timeout : drain_at_stop);
        } else if (intake.finished() && !end && options.drain_timeout.count() > 0) {
            end_within(options.drain_timeout);
        }
        if (intake.finished() && (spool.size() == 0 || (end && Clock::now() >= *end))) break;
        reporter.update(spool, intake, *transport, counters);
        lifecycle.progress();

        const bool wants_input = !intake.finished() && !intake.blocked();
        auto wait = transport->timeout();
        const auto at_most = [&](milliseconds time) {
            wait = wait.count() < 0 ? time : std::min(wait, time);
        };
        if (!intake.finished()) at_most(look_period);
        if (end) at_most(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*end - Clock::now())));
        pollfd fds[] = {{lifecycle.fd(), POLLIN, 0},
                        {transport->fd(), POLLIN, 0},
                        {wants_input ? input.event_fd() : -1, POLLIN, 0}};
        ::poll(fds, 3, static_cast<int>(wait.count()));
        if (fds[0].revents != 0) lifecycle.handle();
        if (fds[2].revents != 0) next_look = {};
    }
    return finish(options, spool, intake, lifecycle, counters);
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<Options>(argc, argv, "blesend",
                             "deliver batches to an MQTT broker or an HTTP server, and lose none.", declare,
                             validate, run);
}
