#include "transport/mqtt_subscriber.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"
#include "transport/paho_link.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds close_limit(1000);

SubscriberSession make_session(const MqttOptions &options, const std::string &share) {
    SubscriberSession session;
    session.persistent = !options.client_id.empty();
    session.client_id = session.persistent ? options.client_id : "blesub-" + random_id().substr(0, 12);
    session.subscribe = share.empty() ? options.topic : "$share/" + share + "/" + options.topic;
    return session;
}

}  // namespace

struct MqttSubscriber::Impl {
    Impl(const MqttOptions &given, const std::string &share, Handler take)
        : options(given),
          session(make_session(given, share)),
          handler(std::move(take)),
          stop_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          connection(given, [this](auto queue, unsigned epoch, bool five) {
              return std::make_unique<PahoLink>(
                  std::move(queue), epoch, five, options, session,
                  [this](auto topic, auto payload) { receive(topic, payload); });
          }) {
        if (!stop_fd) throw system_error("make an eventfd");
    }

    MqttOptions options;
    SubscriberSession session;
    Handler handler;
    UniqueFd stop_fd;
    bool ready = false;
    std::string version;
    std::optional<Error> refusal;

    mutable std::mutex lock;  // of the three below; held for a moment only
    std::optional<Clock::time_point> busy_since;
    bool closing = false, stuck = false;

    MqttConnection connection;  // last: its threads end before the rest goes

    void receive(std::string_view topic, std::string_view payload) noexcept;
    [[noreturn]] void stay();
    void take(const MqttEvent &event);
    void deny(const MqttEvent &event);
};

MqttSubscriber::MqttSubscriber(const MqttOptions &options, const std::string &share, Handler handler)
    : impl_(std::make_unique<Impl>(options, share, std::move(handler))) {}
MqttSubscriber::~MqttSubscriber() = default;

void MqttSubscriber::start() {
    impl_->connection.start();
}
int MqttSubscriber::fd() const {
    return impl_->connection.fd();
}
milliseconds MqttSubscriber::timeout() const {
    return impl_->connection.timeout();
}
void MqttSubscriber::renew(const std::optional<std::string> &password) {
    impl_->options.password = password;
    impl_->connection.retry_soon();
}
bool MqttSubscriber::ready() const {
    return impl_->ready;
}
const std::optional<Error> &MqttSubscriber::refusal() const {
    return impl_->refusal;
}

std::string MqttSubscriber::status() const {
    if (!impl_->ready) return impl_->connection.status();
    return "subscribed to " + impl_->session.subscribe + " at " + impl_->options.address();
}

void MqttSubscriber::step() {
    for (const auto &event : impl_->connection.step()) impl_->take(event);
}

std::optional<milliseconds> MqttSubscriber::busy() const {
    const std::lock_guard guard(impl_->lock);
    if (!impl_->busy_since) return {};
    return std::chrono::duration_cast<milliseconds>(Clock::now() - *impl_->busy_since);
}

void MqttSubscriber::stop_taking() {
    const std::lock_guard guard(impl_->lock);
    impl_->closing = true;
}

void MqttSubscriber::give_up() {
    stop_taking();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(impl_->stop_fd.get(), &one, sizeof one);
}

bool MqttSubscriber::stuck() const {
    const std::lock_guard guard(impl_->lock);
    return impl_->stuck;
}

bool MqttSubscriber::close() {
    impl_->ready = false;
    stop_taking();
    if (!stuck() && impl_->connection.close(close_limit)) return true;
    impl_->connection.hang_up(close_limit);
    return false;
}

// In paho's thread.
void MqttSubscriber::Impl::receive(std::string_view topic, std::string_view payload) noexcept {
    {
        const std::lock_guard guard(lock);
        if (!closing) busy_since = Clock::now();
    }
    if (!busy_since) stay();
    bool safe = false;
    try {
        safe = handler(topic, payload, stop_fd.get());
    } catch (const std::exception &error) {
        log_error(error.what());
    }
    bool tell = false;
    {
        const std::lock_guard guard(lock);
        busy_since.reset();
        stuck = stuck || !safe;
        tell = closing;
    }
    if (!safe) stay();
    if (tell) connection.wake();
}

// Never gives the message back: paho would acknowledge it.
void MqttSubscriber::Impl::stay() {
    {
        const std::lock_guard guard(lock);
        stuck = true;
    }
    connection.wake();
    for (;;) ::pause();
}

void MqttSubscriber::Impl::take(const MqttEvent &event) {
    switch (event.kind) {
        case MqttEvent::Kind::connected:
            version = event.text;
            break;
        case MqttEvent::Kind::subscribed:
            if (event.reason == 0) {
                refusal.emplace(ExitCode::config, "the broker grants " + session.subscribe +
                                                      " at QoS 0 only: messages could be lost on the way");
                break;
            }
            ready = true;
            log(connection.contested() ? LogLevel::debug : LogLevel::info,
                "subscribed to " + session.subscribe + " at " + options.address() + " (" + version +
                    (options.tls ? ", TLS)" : ")"));
            break;
        case MqttEvent::Kind::denied:
            deny(event);
            break;
        case MqttEvent::Kind::lost:
            ready = false;
            break;
        case MqttEvent::Kind::failed:
        case MqttEvent::Kind::acknowledged:
        case MqttEvent::Kind::message:
            break;
    }
}

void MqttSubscriber::Impl::deny(const MqttEvent &event) {
    const bool rights = event.reason == mqtt::not_authorised || event.reason == mqtt::first_failure;
    refusal.emplace(rights ? ExitCode::permission : ExitCode::config,
                    "the broker " + options.address() + " refuses the subscription to " + session.subscribe +
                        ": " + event.text);
}

}  // namespace ble
