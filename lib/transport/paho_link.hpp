// A link of paho.mqtt.c's, for MQTT over WebSocket (MQTT 5, 6) and through HTTP proxies, which libmosquitto cannot do.
//
// Paho sends a message's PUBACK when its callback returns, whatever that returns. So with a window (MqttSession) the callback waits, in
// paho's thread, until release(): one message at a time, whatever the window's size. Meanwhile paho's only thread stands still and holds its
// lock, for all clients of the process. So whatever may wait for that lock is done by a thread of the link's own: none of ours ever does.
// A PUBACK that tells of no failure has no reason here: 0x10, nobody is subscribed, is not seen.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "transport/mqtt_link.hpp"

namespace ble {

class PahoClient;

class PahoLink final : public MqttLink {
  public:
    PahoLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five, const MqttOptions &options,
             const MqttSession &session);
    ~PahoLink() override;
    PahoLink(const PahoLink &) = delete;
    PahoLink &operator=(const PahoLink &) = delete;

    void connect(const AddressMemory &memory) override;
    std::string address() const override;
    void step() override;
    bool hung_up() const override;
    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                 bool retained) override;
    void subscribe(const std::string &topic) override;
    void unsubscribe(const std::string &topic) override;
    void release() override;
    void close(std::chrono::milliseconds limit) override;

  private:
    std::shared_ptr<PahoClient> client_;
    MqttWindow *window_;
};

}  // namespace ble
