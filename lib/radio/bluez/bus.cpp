#include "radio/bluez/bus.hpp"

#include <systemd/sd-bus.h>

#include <cstring>
#include <utility>

#include "base/error.hpp"

namespace ble {

void check_bus(int result, const std::string &what) {
    if (result < 0) throw Error(ExitCode::unavailable, "unable to " + what + ": " + std::strerror(-result));
}

void BusRelease::operator()(sd_bus *bus) const {
    sd_bus_close_unref(bus);
}

void BusRelease::operator()(sd_bus_message *message) const {
    sd_bus_message_unref(message);
}

struct Bus::Trampolines {
    static int signal(sd_bus_message *message, void *data, sd_bus_error *) {
        auto &callback = *static_cast<Callback *>(data);
        callback.bus.guard([&] { callback.signal(message); });
        return 0;
    }

    static int answer(sd_bus_message *message, void *data, sd_bus_error *) {
        auto &callback = *static_cast<Callback *>(data);
        BusAnswer answer{message, {}, {}};
        if (const auto *error = sd_bus_message_get_error(message)) {
            answer.error = error->name;
            answer.text = error->message != nullptr ? error->message : error->name;
        }
        callback.bus.guard([&] { callback.answer(answer); });
        return 0;
    }

    static void release(void *data) { delete static_cast<Callback *>(data); }
};

Bus::Bus() {
    sd_bus *bus = nullptr;
    const int result = sd_bus_open_system(&bus);
    if (result < 0)
        throw Error(ExitCode::unavailable, std::string("unable to reach the system's D-Bus: ") +
                                               std::strerror(-result) + "; is dbus-daemon running?");
    bus_.reset(bus);
    constexpr std::uint64_t timeout_us = 20'000'000;
    sd_bus_set_method_call_timeout(bus, timeout_us);
}

Bus::~Bus() = default;

int Bus::fd() const {
    return sd_bus_get_fd(bus_.get());
}

short Bus::events() const {
    return static_cast<short>(sd_bus_get_events(bus_.get()));
}

std::optional<Bus::Clock::time_point> Bus::due() const {
    std::uint64_t at_us = 0;
    if (sd_bus_get_timeout(bus_.get(), &at_us) < 0 || at_us == UINT64_MAX) return {};
    return Clock::time_point(std::chrono::microseconds(at_us));  // both are CLOCK_MONOTONIC
}

void Bus::guard(const std::function<void()> &call) {
    try {
        call();
    } catch (...) {
        thrown_ = std::current_exception();
    }
}

void Bus::process() {
    constexpr int most = 256;
    for (int i = 0; i < most; ++i) {
        const int result = sd_bus_process(bus_.get(), nullptr);
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
        check_bus(result, "talk to the system's D-Bus");
        if (result == 0) return;
    }
}

void Bus::on_signal(const std::string &match, OnSignal call) {
    signals_.push_back(std::make_unique<Callback>(Callback{*this, std::move(call), {}}));
    const int result =
        sd_bus_add_match(bus_.get(), nullptr, match.c_str(), Trampolines::signal, signals_.back().get());
    check_bus(result, "receive signals of D-Bus");
}

BusMessage Bus::method(const char *service, const std::string &path, const char *interface,
                       const char *member) {
    sd_bus_message *message = nullptr;
    const int result =
        sd_bus_message_new_method_call(bus_.get(), &message, service, path.c_str(), interface, member);
    check_bus(result, std::string("call ") + member);
    return BusMessage(message);
}

void Bus::send(BusMessage message, OnAnswer call) {
    auto callback = std::make_unique<Callback>(Callback{*this, {}, std::move(call)});
    sd_bus_slot *slot = nullptr;
    const int result =
        sd_bus_call_async(bus_.get(), &slot, message.get(), Trampolines::answer, callback.get(), 0);
    check_bus(result, "send over the system's D-Bus");
    sd_bus_slot_set_destroy_callback(slot, Trampolines::release);
    sd_bus_slot_set_floating(slot, 1);
    sd_bus_slot_unref(slot);
    static_cast<void>(callback.release());  // now the slot's, which goes with the answer or the bus
}

void Bus::send_last(BusMessage message) {
    sd_bus_message_set_expect_reply(message.get(), 0);
    if (sd_bus_send(bus_.get(), message.get(), nullptr) >= 0) sd_bus_flush(bus_.get());
}

}  // namespace ble
