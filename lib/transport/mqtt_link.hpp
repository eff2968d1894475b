// One attempt to connect to a broker, and the link that comes of it. A part of MqttConnection; there is one kind of link for
// each library: see mosquitto_link.hpp and paho_link.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "transport/address_race.hpp"
#include "transport/mqtt_options.hpp"
#include "transport/mqtt_server.hpp"
#include "transport/mqtt_window.hpp"

namespace ble {

struct MqttEvent {
    enum class Kind {
        connected,     // CONNACK; text: what was agreed on
        failed,        // an attempt to connect ended; the next one follows by itself
        lost,          // the link ended; nothing that was published before has an answer to come
        acknowledged,  // PUBACK of `id`, with its reason
        subscribed,    // SUBACK; reason: granted QoS, of several filters the lowest
        denied,  // SUBACK that refuses one of them; or a CONNACK that says that there are no shared subscriptions
        message,  // on a topic that is subscribed to; text: its payload
    };
    Kind kind;
    std::uint64_t id = 0;
    int reason = 0;       // MQTT 5 reason code, 0 when there is none
    std::string text{};   // for people
    std::string topic{};  // of a message
    std::string
        server{};  // failed, lost: the Server Reference (MQTT 5, 4.11), a server to use instead; outside text
    // connected: what the broker allows
    std::size_t receive_maximum = 65'535;      // publishes outstanding
    std::size_t packet_maximum = 268'435'460;  // bytes of a packet
};

// Events from the library's threads for ours. Its lock is held only for a moment, never while a function of the library is
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

// A client, as its broker sees it.
struct MqttSession {
    // Empty: each link has a new one, `id_prefix` and random digits. Then a CONNECT of an attempt that was given up long ago, which a broker
    // reads late, cannot end the present link. But a link that was cut stays a second client until its keep-alive has passed.
    std::string client_id;
    std::string id_prefix{};
    std::string status_topic{};  // a last will "offline", retained; empty: none
    // Topic filters, for each link: those to subscribe to at QoS 1, all in one request; and those to remove from a persistent session.
    // Shared ones are `denied` at a broker that may not know them: one that says so, or one with MQTT 3.1.1, unless that version was asked for.
    std::vector<std::string> subscribe{}, unsubscribe{};
    bool persistent = false;  // the broker keeps the session, and what arrives while we are away, for ever
    MqttWindow *window =
        nullptr;  // messages are acknowledged by release(), not by their arrival; outlives the links
};

std::string random_client_id(const std::string &prefix);

// What a link is made of; it keeps copies.
struct MqttAttempt {
    const MqttOptions &options;
    const MqttServer &server;
    const MqttSession &session;
    bool five;         // MQTT 5, else 3.1.1
    unsigned epoch;    // of its events
    bool met = false;  // a link to this server was up before: it is a broker
};

class MqttLink {
  public:
    virtual ~MqttLink() = default;
    // Once, to the address that answers first; ends in an event.
    virtual void connect(const AddressMemory &memory) = 0;
    // The one it connects to, a numeric one; empty: not known yet, or none can be reached.
    virtual std::string address() const = 0;
    // Readable: call step(); -1: never.
    virtual int fd() const { return -1; }
    // Call step() after this at the latest; negative: no timer is running.
    virtual std::chrono::milliseconds timeout() const { return std::chrono::milliseconds(-1); }
    virtual void step() {}
    // The broker closed the connection instead of sending a CONNACK.
    virtual bool hung_up() const = 0;

    // QoS 1. False: nothing was taken. Otherwise an event with `id` follows, or `lost`. No more than the broker's receive
    // maximum may be outstanding.
    virtual bool publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                         bool retained) = 0;
    // Messages published between the two may leave only at the second, in fewer packets.
    virtual void cork() {}
    virtual void uncork() {}
    // QoS 1; ends in `subscribed` or `denied`, or `lost`. Messages then come as events.
    virtual void subscribe(const std::string &topic) = 0;
    virtual void unsubscribe(const std::string &topic) = 0;
    // With a window: the messages taken are safe, their PUBACKs may go.
    virtual void release() {}
    // Disconnects, politely if nothing waits for release(); that is not acknowledged. Waits until the broker has noticed, for `limit` at
    // most. If it is not called, the destructor does the same without waiting.
    virtual void close(std::chrono::milliseconds limit) = 0;
};

// Pushes `failed` with `text`, or with what look_at_tls_later() finds wrong with the broker's TLS or its port.
void fail_after_look(const std::shared_ptr<MqttEventQueue> &queue, const MqttAttempt &attempt,
                     const std::string &address, const std::string &text);

}  // namespace ble
