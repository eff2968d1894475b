#include "transport/mqtt_link.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "transport/tls_diagnosis.hpp"

namespace ble {

MqttEventQueue::MqttEventQueue() : wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_fd_) throw system_error("make an eventfd");
}

void MqttEventQueue::push(Entry entry) {
    const std::lock_guard guard(lock_);
    entries_.push_back(std::move(entry));
    if (entries_.size() == 1) wake();
}

std::vector<MqttEventQueue::Entry> MqttEventQueue::take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_fd_.get(), &count, sizeof count);
    const std::lock_guard guard(lock_);
    return std::exchange(entries_, {});
}

void MqttEventQueue::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(wake_fd_.get(), &one, sizeof one);
}

std::string random_client_id(const std::string &prefix) {
    return prefix +
           random_id().substr(0, 12);  // MQTT 3.1.1, 3.1.3.1: a broker need not take more than 23 bytes
}

void fail_after_look(const std::shared_ptr<MqttEventQueue> &queue, const MqttAttempt &attempt,
                     const std::string &address, const std::string &text) {
    const auto &options = attempt.options;
    look_at_tls_later(
        {attempt.server.host, address, static_cast<std::uint16_t>(attempt.server.port), options.cafile,
         options.capath, options.cert, options.key, options.insecure,
         attempt.server.websocket ? TlsPeer::Protocol::http : TlsPeer::Protocol::mqtt, options.tls},
        [queue, epoch = attempt.epoch, text, by = options.tls ? "TLS: " : ""](const std::string &found) {
            queue->push({epoch, {MqttEvent::Kind::failed, 0, 0, found.empty() ? text : by + found}});
        });
}

}  // namespace ble
