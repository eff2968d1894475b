// A connection to the system's D-Bus (sd-bus(3)) with owned handles, for one loop and one thread.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sd_bus;
struct sd_bus_message;

namespace ble {

struct BusRelease {
    void operator()(sd_bus *bus) const;
    void operator()(sd_bus_message *message) const;
};
using BusMessage = std::unique_ptr<sd_bus_message, BusRelease>;

// How a method call ended.
struct BusAnswer {
    sd_bus_message *message;  // borrowed
    std::string error;        // name, as in "org.bluez.Error.NotReady"; empty: success
    std::string text;         // of the error, for people

    bool failed() const { return !error.empty(); }
    bool is(std::string_view name) const { return error == name; }
};

// Error(unavailable) "unable to `what`: …" when sd-bus says that something has failed.
void check_bus(int result, const std::string &what);

class Bus {
  public:
    using Clock = std::chrono::steady_clock;
    using OnSignal = std::function<void(sd_bus_message *)>;
    using OnAnswer = std::function<void(const BusAnswer &)>;

    // Obeys DBUS_SYSTEM_BUS_ADDRESS. Error(unavailable): there is no bus.
    Bus();
    Bus(const Bus &) = delete;
    Bus &operator=(const Bus &) = delete;
    ~Bus();

    // For poll(2).
    int fd() const;
    short events() const;
    std::optional<Clock::time_point> due() const;
    // Calls back for what has come, at most some hundred messages; exceptions of callbacks come out here.
    // Error(unavailable): the bus is gone.
    void process();

    // Blocks until the bus has confirmed the match.
    void on_signal(const std::string &match, OnSignal call);
    // A call whose arguments may be appended before send().
    BusMessage method(const char *service, const std::string &path, const char *interface,
                      const char *member);
    // `call` comes out of process(), at the latest after 20 s; not when the Bus dies before.
    void send(BusMessage message, OnAnswer call);
    // Sends, wants no answer, and waits at most briefly until it has left.
    void send_last(BusMessage message);

    // For sd-bus itself. What it calls must run by guard(): exceptions come out of process().
    sd_bus *raw() const { return bus_.get(); }
    void guard(const std::function<void()> &call);

  private:
    // What sd-bus is given to call.
    struct Callback {
        Bus &bus;
        OnSignal signal;
        OnAnswer answer;
    };
    struct Trampolines;

    std::unique_ptr<sd_bus, BusRelease> bus_;
    std::vector<std::unique_ptr<Callback>> signals_;
    std::exception_ptr thrown_;  // by a callback: it must not pass through sd-bus, which is C
};

}  // namespace ble
