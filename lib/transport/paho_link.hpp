// The subscriber's link: a client of paho.mqtt.c, whose only user this is. Paho calls us before it sends a message's PUBACK,
// so that a callback which does not return keeps the message with the broker; other libraries acknowledge first.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "transport/mqtt_link.hpp"
#include "transport/mqtt_options.hpp"
#include "transport/steered_lookup.hpp"

namespace ble {

struct SubscriberSession {
    std::string client_id;
    bool persistent = false;  // the broker keeps the session, and what arrives while we are away, for ever
    std::string subscribe;    // topic filter, subscribed at QoS 1 in each connect
};

class PahoLink final : public MqttLink {
  public:
    // Runs in paho's network thread, under paho's lock: while it does, the link may neither be destroyed nor connected. The
    // message is acknowledged to the broker when it returns. It must not throw.
    using OnMessage = std::function<void(std::string_view topic, std::string_view payload)>;

    // Error(system) when paho refuses.
    PahoLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five, const MqttOptions &options,
             const SubscriberSession &session, OnMessage on_message);
    // Disconnects when connected. Waits for paho's lock, and for its threads when it was the last client.
    ~PahoLink() override;
    PahoLink(const PahoLink &) = delete;
    PahoLink &operator=(const PahoLink &) = delete;

    void connect(const AddressMemory &memory) override;
    std::string address() const override { return address_; }
    void step() override;
    bool hung_up() const override { return hung_up_; }

  private:
    struct Callbacks;
    struct Dial;
    void connect_to_address();
    void push(MqttEvent event) { queue_->push({epoch_, std::move(event)}); }
    void begin_subscription();
    std::string failure_text(int code, const char *message);

    std::shared_ptr<MqttEventQueue> queue_;
    unsigned epoch_;
    bool five_;  // MQTT 5, else 3.1.1
    std::atomic<bool> hung_up_{false};
    MqttOptions options_;
    SubscriberSession session_;
    OnMessage on_message_;
    std::chrono::steady_clock::time_point deadline_;
    std::shared_ptr<Dial> dial_;  // while the address is looked for
    std::string address_;
    std::optional<SteeredLookup> steered_;
    void *client_ = nullptr;  // MQTTAsync
    std::mutex tls_lock_;
    std::string tls_error_;
};

}  // namespace ble
