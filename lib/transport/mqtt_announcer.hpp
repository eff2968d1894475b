// Publishes messages that may be lost: what cannot go out now is dropped, and it does not matter whether anybody is subscribed. QoS 1,
// to notice a broker that denies them; there is one warning.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "transport/mqtt_options.hpp"

namespace ble {

class MqttAnnouncer {
  public:
    // A connection of its own; `options.client_id` empty: a random one.
    explicit MqttAnnouncer(const MqttOptions &options);
    ~MqttAnnouncer();

    void start();
    int fd() const;  // readable: call step()
    std::chrono::milliseconds timeout()
        const;  // call step() after this at the latest; negative: no timer is running
    void step();
    bool ready() const;                  // connected, and not too many unanswered
    std::size_t packet_maximum() const;  // bytes of a message and its topic that the broker takes, about
    // False: not ready, it was not sent.
    bool publish(const std::string &topic, std::string_view payload);
    // The password of the next link; a waiting link then tries soon.
    void renew(const std::optional<std::string> &password);
    void close();  // politely; waits a moment

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
