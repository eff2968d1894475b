#include "blesub/receiver.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/duration.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"

namespace ble {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds farewell(5'000);  // how long SIGTERM lets the reader consume what it has
constexpr milliseconds worth_a_word(2'000);

CountingWriter::Promise promise_of(const ReceiveOptions &options) {
    return options.ack == "consumed" ? CountingWriter::Promise::committed : CountingWriter::Promise::written;
}

microseconds sooner(microseconds one, microseconds other) {
    return one.count() < 0 ? other : other.count() < 0 ? one : std::min(one, other);
}

}  // namespace

Receiver::Receiver(const ReceiveOptions &options, Counters &counters)
    : options_(options),
      counters_(counters),
      writer_(STDOUT_FILENO, promise_of(options)),
      rejects_(options.reject),
      handover_(writer_, rejects_, counters,
                options.topic_device ? Handover::Believes::topic : Handover::Believes::anybody,
                options.confirm ? Handover::OnSafe([this](auto topic, auto lines) {
                    confirmer_->note(topic, std::move(lines));
                })
                                : Handover::OnSafe()),
      subscriber_(options.mqtt, options.part, static_cast<std::size_t>(options.window),
                  [this](auto topic, auto payload) { handover_.take(topic, payload); }),
      has_password_(options.mqtt.password.has_value()),
      has_key_(options.confirm_key.has_value()) {
    if (options.confirm) confirmer_.emplace(options.mqtt, options.confirm_key);
}

void Receiver::refresh() const {
    counters_.connected = subscriber_.ready() ? 1 : 0;
    counters_.queued = handover_.waiting();
    counters_.oldest_ms = static_cast<std::uint64_t>(subscriber_.held_for().count());
}

ExitCode Receiver::run(Lifecycle &lifecycle) {
    subscriber_.start();
    if (confirmer_) confirmer_->start();
    lifecycle.on_reload([this] { reload(); });
    lifecycle.reads_no_input("batches come from a broker; blesend takes them there");
    lifecycle.ready(subscriber_.status());
    lifecycle.on_status([this] { return status(); });
    std::optional<ExitCode> code;
    while (!code) {
        wait(lifecycle);
        lifecycle.progress();
        lifecycle.handle();
        take_window();
        if (confirmer_) confirmer_->step();
        report(lifecycle);
        code = verdict(lifecycle);
    }
    lifecycle.on_status({});
    subscriber_.close();
    if (confirmer_) confirmer_->close();
    return *code;
}

void Receiver::take_window() {
    if (options_.count > 0 && !subscriber_.holds() && !end_) {
        const auto asked = static_cast<std::uint64_t>(options_.count);
        const auto left = asked - std::min<std::uint64_t>(asked, counters_.out);
        subscriber_.limit(static_cast<std::size_t>(
            std::min<std::uint64_t>(left, static_cast<std::uint64_t>(options_.window))));
    }
    subscriber_.step();
    if (subscriber_.holds() && handover_.settle()) subscriber_.release();
}

void Receiver::wait(const Lifecycle &lifecycle) {
    microseconds timeout = subscriber_.timeout();
    if (subscriber_.holds()) timeout = sooner(timeout, writer_.wait_hint());
    if (confirmer_) timeout = sooner(timeout, confirmer_->timeout());
    if (end_)
        timeout =
            sooner(timeout, std::max(microseconds(0), std::chrono::ceil<microseconds>(*end_ - Clock::now())));
    // With no event asked for, poll() still tells that the reader has hung up.
    pollfd fds[] = {{hung_up_ ? -1 : STDOUT_FILENO, 0, 0},
                    {lifecycle.fd(), POLLIN, 0},
                    {subscriber_.fd(), POLLIN, 0},
                    {subscriber_.holds() ? writer_.event_fd() : -1, POLLIN, 0},
                    {confirmer_ ? confirmer_->fd() : -1, POLLIN, 0}};
    const timespec limit{static_cast<time_t>(timeout.count() / 1'000'000),
                         static_cast<long>(timeout.count() % 1'000'000 * 1000)};
    ::ppoll(fds, std::size(fds), timeout.count() < 0 ? nullptr : &limit, nullptr);
    hung_up_ = hung_up_ || (fds[0].revents & (POLLERR | POLLHUP)) != 0;
}

// A new state of the connection is told at once, numbers with the next turn of the clock.
void Receiver::report(Lifecycle &lifecycle) {
    const std::string link = subscriber_.status();
    if (link != std::exchange(link_, link)) lifecycle.status(status());
}

std::string Receiver::status() const {
    std::string text = subscriber_.status() + "; " + std::to_string(counters_.out) + " batches handed on";
    if (subscriber_.held_for() >= worth_a_word)
        text += "; " + std::to_string(handover_.waiting()) + " wait for the reader, for " +
                in_seconds(subscriber_.held_for());
    return text;
}

void Receiver::reload() {
    read_again("secrets", [this] {
        const auto password = find_password(options_.mqtt);
        std::optional<std::string> key;
        if (confirmer_) key = find_confirm_key(options_.confirm_key_file);
        if (confirmer_) check_still_there(has_key_, key.has_value(), "the key of confirmations");
        check_still_there(has_password_, password.has_value(), "the password");
        if (confirmer_) confirmer_->renew(password, key);
        subscriber_.renew(password);
        has_key_ = key.has_value();
        has_password_ = password.has_value();
    });
}

// The exit code when it is time to end.
std::optional<ExitCode> Receiver::verdict(const Lifecycle &lifecycle) {
    const bool counted = options_.count > 0 && counters_.out >= static_cast<std::uint64_t>(options_.count);
    if (writer_.gone() && !hung_up_) log_error(writer_.why());
    if (writer_.gone()) return ExitCode::io;
    if (counted && !subscriber_.holds()) return ExitCode::ok;
    if (subscriber_.refusal()) throw *subscriber_.refusal();
    if (hung_up_) return ExitCode::io;
    if (!lifecycle.stopping()) return {};
    subscriber_.limit(0);
    if (!end_) end_ = Clock::now() + farewell;
    if (subscriber_.holds() && Clock::now() < *end_) return {};
    return lifecycle.ran_out() && options_.count > 0 ? ExitCode::temporary : ExitCode::ok;
}

}  // namespace ble
