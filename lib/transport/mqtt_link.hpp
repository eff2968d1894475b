// One attempt to connect to a broker, and the link that comes of it. A part of MqttConnection; there is one kind of link for
// each way of the messages, because each library knows what the other hides: see paho_link.hpp and mosquitto_link.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "transport/address_race.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

struct MqttEvent {
    enum class Kind {
        connected,     // CONNACK; text: what was agreed on
        failed,        // an attempt to connect ended; the next one follows by itself
        lost,          // the link ended; nothing that was published before has an answer to come
        acknowledged,  // PUBACK of `id`, with its reason
        subscribed,    // SUBACK; reason: granted QoS
        denied,        // SUBACK that refuses
        message,       // on a topic that the publisher has subscribed to; text: its payload
    };
    Kind kind;
    std::uint64_t id = 0;
    int reason = 0;       // MQTT 5 reason code, 0 when there is none
    std::string text{};   // for people
    std::string topic{};  // of a message
    // connected: what the broker allows
    std::size_t receive_maximum = 65'535;      // publishes outstanding
    std::size_t packet_maximum = 268'435'460;  // bytes of a packet
};

// What the library's threads leave for ours. Its lock is held for a moment only, never while a function of the library is
// called.
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

// How long an attempt may take: from the lookup of the name to the CONNACK, and of that to the address that is taken.
constexpr std::chrono::seconds connect_limit(10), address_limit(9);

class MqttLink {
  public:
    virtual ~MqttLink() = default;
    // Once, to the address that answers first; ends in an event.
    virtual void connect(const AddressMemory &memory) = 0;
    // The one it connects to, a numeric one; empty: not known yet, or none can be reached.
    virtual std::string address() const = 0;
    // For links that work in our thread. Readable: call step(); -1: never.
    virtual int fd() const { return -1; }
    // Call step() after this at the latest; negative: no timer is running.
    virtual std::chrono::milliseconds timeout() const { return std::chrono::milliseconds(-1); }
    virtual void step() {}
    // The broker closed the connection instead of sending a CONNACK.
    virtual bool hung_up() const = 0;
};

// Pushes `failed` with `text`, or with what look_at_tls_later() finds wrong with the broker's TLS.
void fail_after_look(const std::shared_ptr<MqttEventQueue> &queue, unsigned epoch, const MqttOptions &options,
                     const std::string &address, const std::string &text);

// Makes the link of the next attempt, with MQTT 5 or else 3.1.1; its events go to the queue, marked with the epoch.
using MakeMqttLink = std::function<std::unique_ptr<MqttLink>(std::shared_ptr<MqttEventQueue> queue,
                                                             unsigned epoch, bool five)>;

}  // namespace ble
