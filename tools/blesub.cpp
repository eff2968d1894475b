// blesub: subscribe to a broker's topic, write its batches to standard output, tell the broker when they are safe.
// The contract (options, guarantees, exit codes) is man/blesub.1.
#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "base/command_line.hpp"
#include "base/duration.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "blesub/confirmer.hpp"
#include "blesub/handover.hpp"
#include "transport/mqtt_subscriber.hpp"

namespace {

using namespace ble;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr char topic_of_all_devices[] = "tfg/detections/raw/+";
constexpr milliseconds farewell(5'000);  // how long SIGTERM lets the reader consume what it has

struct Options {
    CommonOptions common;
    MqttOptions mqtt;
    std::string url, share, ack = "consumed";
    std::string reject = default_state_path("blesub.rejected.ndjson"), confirm_key_file;
    std::optional<std::string> confirm_key;
    std::int64_t count = 0;
    bool confirm = false, topic_device = false;
};

void declare(Options &options, CommandLine &line) {
    line.group("Where from");
    line.text("--url URL", options.url,
              "mqtt[s]://[USER@]HOST[:PORT][/TOPIC]: several of the options below in one");
    declare_mqtt_options(
        options.mqtt, line,
        "the topic of the batches, + and # allowed; with --topic-device it ends in /+, by default "
        "tfg/detections/raw/+");
    line.group("Delivery");
    line.choice(
        "--ack", options.ack, {"consumed", "received"},
        "when the broker may forget a message: when the reader has consumed it, or once it is written");
    line.flag("--confirm", options.confirm,
              "tell blesend --confirm stored which batches are safe; for exactly one backend");
    line.text("--confirm-key FILE", options.confirm_key_file,
              "the file that holds the key of confirmations (or CONFIRM_KEY, or CONFIRM_KEY_FILE names the "
              "file), the "
              "same as that of blesend: nobody else can confirm",
              "-");
    line.flag("--topic-device", options.topic_device,
              "take from a topic only what is of the device that its last level names, and write behind each "
              "line who "
              "sent it");
    line.text("--share GROUP", options.share, "share the topic's messages with all who name the same group");
    line.text(
        "--reject FILE", options.reject,
        "where lines go that are too long, name their own sender, or are of another device than their topic");
    line.number("-n,--count N", options.count, 0, INT64_MAX, "end after so many batches; 0: never");
    line.epilogue(
        "Examples:\n"
        "  blesub --host localhost | jq .device_id\n"
        "  blesub --url mqtts://backend@broker.example --client-id backend | bleingest\n"
        "  blesub --url mqtts://backend@broker.example --client-id backend --topic-device | bleingest\n"
        "With --client-id the broker keeps what arrives while blesub is away; without, it does not.");
}

bool disabled() {
    const char *enabled = std::getenv("MQTT_ENABLED");
    return enabled != nullptr && std::string_view(enabled) == "false";
}

void validate(Options &options, const CommandLine &line) {
    if (disabled()) return;
    if (options.topic_device && !line.given("--topic")) options.mqtt.topic = topic_of_all_devices;
    if (!options.url.empty()) apply_mqtt_url(options.mqtt, options.url, line);
    if (options.mqtt.host.empty())
        throw Error(ExitCode::config,
                    "no broker is configured: set --host, --url mqtt://HOST or MQTT_BROKER");
    validate_mqtt_options(options.mqtt, line);
    check_topic_filter(options.mqtt.topic, line);
    if (options.topic_device && !options.mqtt.topic.ends_with("/+"))
        throw Error(line.on_command_line("--topic") || line.on_command_line("--topic-device") ||
                            line.on_command_line("--url")
                        ? ExitCode::usage
                        : ExitCode::config,
                    "--topic-device takes the last level of a topic for the device: the topic '" +
                        options.mqtt.topic + "' must end in /+");
    if (options.confirm && options.ack != "consumed")
        throw Error(line.on_command_line("--confirm") || line.on_command_line("--ack") ? ExitCode::usage
                                                                                       : ExitCode::config,
                    "--confirm promises that batches are stored, and --ack received does not wait for that: "
                    "leave out one of them");
    if (options.confirm)
        options.confirm_key = find_confirm_key(options.confirm_key_file);
    else if (line.on_command_line("--confirm-key"))
        throw Error(ExitCode::usage, "--confirm-key is for --confirm: without it nothing is confirmed");
    if (options.share.find_first_of("/+#") != std::string::npos)
        throw Error(line.on_command_line("--share") ? ExitCode::usage : ExitCode::config,
                    "the name of a group (--share) has no '/', '+' or '#' in it");
}

// The main thread's loop: signals, the link, the reader's hang-up. The messages pass in paho's thread.
class Loop {
  public:
    Loop(const Options &options, Lifecycle &lifecycle, MqttSubscriber &subscriber, const Handover &handover,
         const Counters &counters, Confirmer *confirmer)
        : options_(options),
          lifecycle_(lifecycle),
          subscriber_(subscriber),
          handover_(handover),
          counters_(counters),
          confirmer_(confirmer) {}

    ExitCode run() {
        lifecycle_.on_status([this] { return status(); });
        std::optional<ExitCode> code;
        while (!code) {
            wait();
            lifecycle_.progress();
            lifecycle_.handle();
            subscriber_.step();
            if (confirmer_ != nullptr) confirmer_->step();
            report();
            code = verdict();
        }
        lifecycle_.on_status({});
        return *code;
    }

  private:
    void wait() {
        auto timeout = subscriber_.timeout();
        const auto at_most = [&](milliseconds most) {
            if (most.count() >= 0) timeout = timeout.count() < 0 ? most : std::min(timeout, most);
        };
        if (end_) at_most(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*end_ - Clock::now())));
        // With no event asked for, poll() still tells that the reader has hung up.
        std::vector<pollfd> fds{{hung_up_ ? -1 : STDOUT_FILENO, 0, 0},
                                {lifecycle_.fd(), POLLIN, 0},
                                {subscriber_.fd(), POLLIN, 0}};
        if (confirmer_ != nullptr) {
            at_most(confirmer_->timeout());
            for (const int fd : confirmer_->fds()) fds.push_back({fd, POLLIN, 0});
        }
        ::poll(fds.data(), fds.size(), static_cast<int>(timeout.count()));
        hung_up_ = hung_up_ || (fds[0].revents & (POLLERR | POLLHUP)) != 0;
    }

    // A new state of the connection is told at once, numbers with the next turn of the clock.
    void report() {
        const std::string link = subscriber_.status();
        if (link != std::exchange(link_, link)) lifecycle_.status(status());
    }

    std::string status() const {
        std::string text = subscriber_.status() + "; " + std::to_string(counters_.out) + " batches handed on";
        if (const auto busy = subscriber_.busy(); busy && *busy >= milliseconds(2'000))
            text += "; the reader has not taken the last message for " + in_seconds(*busy);
        return text;
    }

    // The exit code when it is time to end.
    std::optional<ExitCode> verdict() {
        const bool counted =
            options_.count > 0 && counters_.out >= static_cast<std::uint64_t>(options_.count);
        const bool busy = subscriber_.busy().has_value();
        if (handover_.failed()) {
            if (!hung_up_) log_error(handover_.why());
            return ExitCode::io;
        }
        if (counted && !busy) return ExitCode::ok;
        if (subscriber_.refusal()) throw *subscriber_.refusal();
        if (hung_up_) {
            subscriber_.stop_taking();
            if (!busy) return ExitCode::io;
        }
        if (lifecycle_.stopping()) {
            const auto stopped =
                lifecycle_.ran_out() && options_.count > 0 ? ExitCode::temporary : ExitCode::ok;
            subscriber_.stop_taking();
            if (!end_) end_ = Clock::now() + farewell;
            if (Clock::now() >= *end_) subscriber_.give_up();
            if (!busy || subscriber_.stuck()) return stopped;
        } else if (subscriber_.stuck() && !counted) {
            return ExitCode::system;  // the handler has said why
        }
        return {};
    }

    const Options &options_;
    Lifecycle &lifecycle_;
    MqttSubscriber &subscriber_;
    const Handover &handover_;
    const Counters &counters_;
    Confirmer *confirmer_;  // none without --confirm
    bool hung_up_ = false;
    std::optional<Clock::time_point> end_;
    std::string link_;
};

// Which secrets there are up to now.
struct Held {
    bool password = false, key = false;
};

void reload(const Options &options, Held &held, MqttSubscriber &subscriber, Confirmer *confirmer) {
    read_again("secrets", [&] {
        const auto password = find_password(options.mqtt);
        check_still_there(held.password, password.has_value(), "the password");
        if (confirmer != nullptr) {
            const auto key = find_confirm_key(options.confirm_key_file);
            check_still_there(held.key, key.has_value(), "the key of confirmations");
            held.key = key.has_value();
            confirmer->renew(password, key);
        }
        held.password = password.has_value();
        subscriber.renew(password);
    });
}

ExitCode run(const Options &options) {
    if (disabled()) {
        log_info("MQTT_ENABLED=false: nothing to do");
        return ExitCode::ok;
    }
    Counters counters;
    MqttSubscriber *serving = nullptr;
    std::optional<Lifecycle> lifecycle(std::in_place, options.common, counters, [&] {
        const auto busy = serving != nullptr ? serving->busy() : std::nullopt;
        if (serving != nullptr) counters.connected = serving->ready() ? 1 : 0;
        counters.queued = busy ? 1 : 0;
        counters.oldest_ms = busy ? static_cast<std::uint64_t>(busy->count()) : 0;
    });
    const bool consumed = options.ack == "consumed";
    CountingWriter writer(STDOUT_FILENO,
                          consumed ? CountingWriter::Promise::committed : CountingWriter::Promise::written);
    RejectFile rejects(options.reject);
    std::optional<Confirmer> confirmer;
    Handover::OnSafe on_safe;
    if (options.confirm) {
        confirmer.emplace(options.mqtt, options.confirm_key);
        on_safe = [&](auto topic, auto lines) { confirmer->note(topic, std::move(lines)); };
    }
    Handover handover(writer, rejects, counters,
                      options.topic_device ? Handover::Believes::topic : Handover::Believes::anybody,
                      on_safe);
    MqttSubscriber subscriber(options.mqtt, options.share, [&](auto topic, auto payload, int stop_fd) {
        const bool safe = handover.take(topic, payload, stop_fd);
        if (options.count > 0 && counters.out >= static_cast<std::uint64_t>(options.count))
            serving->stop_taking();
        return safe;
    });
    serving = &subscriber;
    if (options.mqtt.client_id.empty())
        log_info(
            "without --client-id the broker keeps nothing for us: what arrives while blesub is away is lost");
    if (options.confirm && !options.confirm_key)
        log_warning(
            "--confirm without --confirm-key: anybody who may publish on the topics of confirmations can "
            "confirm for us; give "
            "blesub and each blesend one key, made by openssl rand -hex 32 >FILE");
    warn_of_plain_password(options.mqtt);
    if (options.mqtt.insecure) log_warning("--insecure: anyone could pretend to be the broker");

    const int code = run_tool_guarded(options.common.tool, [&] {
        subscriber.start();
        if (confirmer) confirmer->start();
        lifecycle->on_reload(
            [&, held = Held{options.mqtt.password.has_value(), options.confirm_key.has_value()}]() mutable {
                reload(options, held, subscriber, confirmer ? &*confirmer : nullptr);
            });
        lifecycle->ready(subscriber.status());
        return Loop(options, *lifecycle, subscriber, handover, counters, confirmer ? &*confirmer : nullptr)
            .run();
    });
    const bool closed = subscriber.close();
    if (confirmer) confirmer->close();
    serving = closed ? nullptr : serving;
    lifecycle.reset();           // the last counters
    if (!closed) ::_exit(code);  // a message that is not safe waits in paho's thread
    return static_cast<ExitCode>(code);
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<Options>(
        argc, argv, "blesub",
        "write a broker's batches to standard output, and acknowledge them when they are safe.", declare,
        validate, run);
}
