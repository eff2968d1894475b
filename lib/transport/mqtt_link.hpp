// One attempt to connect to a broker, and the link that comes of it: a client of paho.mqtt.c. Its only user, and a part of
// MqttConnection.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

struct MqttEvent {
    enum class Kind {
        connected,     // CONNACK; text: what was agreed on
        failed,        // an attempt to connect ended; the next one follows by itself
        lost,          // the link ended; nothing that was published before has an answer to come
        acknowledged,  // PUBACK of `id`, with its reason
        unanswered,    // `id` ended without a PUBACK
        subscribed,    // SUBACK; reason: granted QoS
        denied,        // SUBACK that refuses
    };
    Kind kind;
    std::uint64_t id = 0;
    int reason = 0;      // MQTT 5 reason code, 0 when there is none
    std::string text{};  // for people
    // connected: what the broker allows
    std::size_t receive_maximum = 65'535;      // publishes outstanding
    std::size_t packet_maximum = 268'435'460;  // bytes of a packet
};

struct MqttSession {
    std::string client_id;
    bool persistent = false;  // the broker keeps the session, and what arrives while we are away, for ever
    std::string subscribe;    // topic filter, subscribed at QoS 1 in each connect; empty: none
    bool end_when_refused = false;  // no further attempt when the first CONNACK says that we are wrong
    std::string status_topic;       // a last will "offline", retained; empty: none
};

// What paho's threads leave for ours. Its lock is held for a moment only, never while a function of paho is called.
class MqttEventQueue {
  public:
    struct Entry {
        unsigned epoch;
        MqttEvent event;
    };
    MqttEventQueue();
    void push(Entry entry);
    std::vector<Entry> take();
    void wake() const;  // makes fd() readable, as push() does
    int fd() const { return wake_fd_.get(); }

  private:
    UniqueFd wake_fd_;
    std::mutex lock_;
    std::vector<Entry> entries_;
};

class MqttLink {
  public:
    using OnMessage = std::function<void(std::string_view payload)>;

    // `epoch` marks its events. Error(system) when paho refuses.
    MqttLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five, const MqttOptions &options,
             const MqttSession &session, OnMessage on_message);
    // Disconnects when connected. Waits for paho's lock, and for its threads when it was the last client.
    ~MqttLink();
    MqttLink(const MqttLink &) = delete;
    MqttLink &operator=(const MqttLink &) = delete;

    void connect();  // once; ends in an event
    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload, bool retained);
    void settle(std::uint64_t id) { deliveries_.erase(id); }  // the event of `id` has been taken
    bool five() const { return five_; }
    bool hung_up() const { return hung_up_; }  // the broker closed the connection instead of a CONNACK

  private:
    struct Delivery {
        MqttLink *link;
        std::uint64_t id;
    };
    struct Callbacks;
    struct ConnectOptions;
    void push(MqttEvent event) { queue_->push({epoch_, std::move(event)}); }
    void begin_subscription();
    std::string failure_text(int code, const char *message);

    std::shared_ptr<MqttEventQueue> queue_;
    unsigned epoch_;
    bool five_;  // MQTT 5, else 3.1.1
    std::atomic<bool> hung_up_{false};
    MqttOptions options_;
    MqttSession session_;
    OnMessage on_message_;
    void *client_ = nullptr;  // MQTTAsync
    std::unordered_map<std::uint64_t, Delivery>
        deliveries_;  // our thread's; paho holds pointers to the values
    std::mutex tls_lock_;
    std::string tls_error_;
};

}  // namespace ble
