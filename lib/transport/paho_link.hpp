// A link of paho.mqtt.c's, for MQTT over WebSocket (MQTT 5, 6) and through HTTP proxies, which libmosquitto cannot do. For sessions
// without a window only: paho (1.3.12 to 1.3.14) loses its place in a WebSocket frame that comes in several pieces, so all that is received
// must be short, as acknowledgements are. If it happens all the same, nothing more is received: a link without any answer
// to what was sent for 30 s is given up.
//
// Paho calls us while it holds its lock, and each call of it waits for this lock and for the network. So a thread of the link
// calls it; ours never waits. A PUBACK without a failure has no reason here: 0x10, nobody is subscribed, is not seen.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "transport/mqtt_link.hpp"

namespace ble {

class PahoClient;

class PahoLink final : public MqttLink {
  public:
    PahoLink(std::shared_ptr<MqttEventQueue> queue, const MqttAttempt &attempt);
    ~PahoLink() override;
    PahoLink(const PahoLink &) = delete;
    PahoLink &operator=(const PahoLink &) = delete;

    void connect(const AddressMemory &memory) override;
    std::string address() const override;
    std::chrono::milliseconds timeout() const override;
    void step() override;
    bool hung_up() const override;
    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                 bool retained) override;
    void subscribe(const std::string &topic) override;
    void unsubscribe(const std::string &topic) override;
    void close(std::chrono::milliseconds limit) override;

  private:
    using Clock = std::chrono::steady_clock;
    std::optional<Clock::time_point> end_of_patience() const;

    std::shared_ptr<PahoClient> client_;
    Clock::time_point deadline_;  // of the attempt, should paho not keep it
};

}  // namespace ble
