// A client of paho.mqtt.c for one link: its settings, its callbacks, and the thread that calls the library. A part of PahoLink.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "transport/mqtt_link.hpp"
#include "transport/steered_lookup.hpp"

namespace ble {

class PahoClient : public std::enable_shared_from_this<PahoClient> {
  public:
    PahoClient(std::shared_ptr<MqttEventQueue> queue, const MqttAttempt &attempt);
    PahoClient(const PahoClient &) = delete;
    PahoClient &operator=(const PahoClient &) = delete;

    // For the link, in its thread. None of these waits for the library.
    using Work = std::function<void(PahoClient &)>;
    void begin();           // starts the thread, which keeps the client until its end
    void later(Work work);  // in the thread, one after the other
    void end();             // disconnects, and ends the thread
    void wait_for_end(std::chrono::milliseconds limit);
    std::string address() const;
    bool hung_up() const { return hung_up_; }
    bool answered() const { return answered_; }  // connected, or it was told why not
    void fail_to_connect(const std::string &why, int reason = 0);
    // Since when a message waits for its PUBACK and none has come for any; empty: none waits.
    std::optional<std::chrono::steady_clock::time_point> waits_since() const;
    void lose(const std::string &why);

    // In the thread.
    void connect(const AddressMemory &memory);
    void publish(std::uint64_t id, const std::string &topic, const std::string &payload, bool retained);
    void subscribe(const std::string &topic);
    void unsubscribe(const std::string &topic);

  private:
    struct Callbacks;
    struct Settings;
    struct Sent {
        PahoClient *client;
        std::uint64_t id;
    };

    void work();
    void make();
    void connect_to_address();
    void push(MqttEvent event) { queue_->push({epoch_, std::move(event)}); }
    void refuse(int code, const char *what);
    std::string failure_text(int code, const char *message);

    const std::shared_ptr<MqttEventQueue> queue_;
    const unsigned epoch_;
    const bool five_;  // MQTT 5, else 3.1.1
    const MqttOptions options_;
    const MqttServer server_;
    const MqttSession session_;
    std::chrono::steady_clock::time_point deadline_;
    std::optional<SteeredLookup> steered_;
    void *handle_ = nullptr;  // MQTTAsync
    std::atomic<bool> hung_up_{false}, answered_{false};

    mutable std::mutex lock_;  // of all below; never held while the library is called
    std::condition_variable changed_;
    std::deque<Work> work_;
    bool ending_ = false, ended_ = false;
    std::string address_, tls_error_;
    std::list<Sent> sent_;
    std::chrono::steady_clock::time_point last_answer_;  // or the first of sent_, when it was alone
};

}  // namespace ble
