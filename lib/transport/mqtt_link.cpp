#include "transport/mqtt_link.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "base/error.hpp"

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

}  // namespace ble
