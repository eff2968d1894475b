// The publisher's link: a client of libmosquitto, whose only user this is. Unlike paho it shows the reason of a PUBACK that
// reports no failure (0x10, nobody is subscribed), and it works in our thread: a message costs one system call.
//
// A thread of its own finds the broker's address and connects, which blocks; all else happens in step() and publish().
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/unique_fd.hpp"
#include "transport/mqtt_link.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

struct PublisherSession {
    std::string client_id;
    std::string status_topic;  // a last will "offline", retained; empty: none
};

class MosquittoLink final : public MqttLink {
  public:
    // Error(system) when libmosquitto refuses, Error(config) when it cannot use the certificates.
    MosquittoLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five,
                  const MqttOptions &options, const PublisherSession &session);
    // Disconnects when connected. Does not wait for an attempt to connect: that ends by itself.
    ~MosquittoLink() override;
    MosquittoLink(const MosquittoLink &) = delete;
    MosquittoLink &operator=(const MosquittoLink &) = delete;

    void connect(const AddressMemory &memory) override;
    std::string address() const override;
    int fd() const override { return epoll_.get(); }
    std::chrono::milliseconds timeout() const override;
    void step() override;
    bool hung_up() const override { return hung_up_; }

    // QoS 1. False: nothing was taken. Otherwise an event with `id` follows, or `lost`. No more than the broker's receive
    // maximum may be outstanding.
    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload, bool retained);
    // QoS 1; ends in `subscribed` or `denied`, or `lost`. Messages then come as events.
    void subscribe(const std::string &topic);
    void unsubscribe(const std::string &topic);

  private:
    using Clock = std::chrono::steady_clock;
    struct Client;
    struct Callbacks;
    enum class State { idle, dialling, greeting, up, ended };

    void configure(const PublisherSession &session);
    void configure_tls();
    void read();
    void watch();
    void check(int code);
    void give_up(const std::string &text, int reason = 0);
    std::string trouble_text(int code, int error) const;
    void end(int reason, const std::string &text);
    void finish();
    void push(MqttEvent event) { queue_->push({epoch_, std::move(event)}); }

    std::shared_ptr<MqttEventQueue> queue_;
    unsigned epoch_;
    bool five_;  // MQTT 5, else 3.1.1
    MqttOptions options_;
    std::string address_;
    std::shared_ptr<Client> client_;
    UniqueFd epoll_;  // of the connection, once there is one
    int watched_ = -1;
    bool watched_for_room_ = false;
    State state_ = State::idle;
    bool hung_up_ = false;
    Clock::time_point deadline_, next_care_;
    std::unordered_map<int, std::uint64_t> outstanding_;  // by packet identifier
};

// For a connection: makes its links, and keeps `newest` at the last one. The arguments must outlive it.
MakeMqttLink mosquitto_links(const MqttOptions &options, const PublisherSession &session,
                             MosquittoLink *&newest);

}  // namespace ble
