// One client's link to a broker: connects, connects again after a loss, falls back from MQTT 5 to 3.1.1. A broker that refuses us is
// tried again too: the account or the password may be corrected at either end. Of several brokers a random one comes first and
// the next one after each failure; the back-off begins when each has failed. A broker that another one names ("use another server")
// is tried next.
//
// All members are called by one thread; a library's own threads only append to a queue that step() empties. Every attempt
// to connect uses a new client of the library, so that nothing of an old link reaches a new one. Each attempt looks the name up
// again, and takes the address that answers first: see address_race.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transport/mqtt_link.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

class MqttConnection {
  public:
    // `options` outlives it, and so does the window of `session`; what changes in `options` is of the next link.
    MqttConnection(const MqttOptions &options, MqttSession session);
    // As close(one second).
    ~MqttConnection();
    MqttConnection(const MqttConnection &) = delete;
    MqttConnection &operator=(const MqttConnection &) = delete;

    // Called when the broker hangs up: may a message of ours be the reason? Then it does not point to another client with our client id.
    // Called from step().
    void explain_ends(std::function<bool()> explained);

    void start();
    int fd() const;  // readable: call step()
    std::chrono::milliseconds timeout()
        const;  // call step() at the latest after this; negative: no timer is running
    // All that the link had to tell: no message that was counted into a window is left behind.
    std::vector<MqttEvent> step();
    bool wait(std::chrono::steady_clock::time_point
                  end);  // until step() has something to do; false: `end` came first

    // Makes the next attempt after the shortest delay: the broker works, or what it refused is corrected.
    void retry_soon();

    bool connected() const;
    // Another client uses our client id, so links come and go: do not log each one.
    bool contested() const;
    std::size_t receive_maximum() const;  // how many publishes the broker lets us have outstanding
    std::size_t packet_maximum() const;   // bytes of the largest packet it takes
    std::string address() const;          // of the broker that it is connected to, or tries: "host:port"
    std::string status() const;

    // As of the link (MqttLink); without one nothing is taken.
    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload, bool retained);
    void cork();
    void uncork();
    void subscribe(const std::string &topic);
    void unsubscribe(const std::string &topic);
    void release();

    // Ends the link without acknowledging what waits for release(): the broker does not do what we need, as the caller
    // says. `reason`: its MQTT 5 reason code; `why`: for status(). The next attempt follows as after any loss.
    void leave(int reason, const std::string &why);

    // Disconnects, for ever: politely, or without acknowledging what waits for release(). What the library still holds after
    // `limit` is left to it.
    void close(std::chrono::milliseconds limit);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
