// A link of libmosquitto's. It works in our thread: a message costs one system call. It shows the reason of a PUBACK that reports no
// failure (0x10, nobody is subscribed).
//
// libmosquitto makes a message's PUBACK before it hands the message over. With a window (MqttSession) it must not send it yet: the
// library then writes only when it is told to, which step() does not do while messages wait for release(). Nothing is read meanwhile either,
// because it would be acknowledged with them. All else, also a PINGREQ, waits behind the PUBACKs: if messages
// wait longer than one and a half times the keep-alive, the broker ends the link and sends them again.
//
// A thread of its own finds the broker's address and connects, which blocks; all else happens in step(), publish() and release(). For
// WebSocket the library is connected to a tunnel of ours (websocket_tunnel.hpp), which step() serves.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/unique_fd.hpp"
#include "transport/mosquitto_client.hpp"
#include "transport/mqtt_link.hpp"
#include "transport/mqtt_look_ahead.hpp"
#include "transport/websocket_tunnel.hpp"

struct ssl_st;  // OpenSSL's SSL

namespace ble {

class MosquittoLink final : public MqttLink {
  public:
    // Error(system) when libmosquitto refuses, Error(config) when it cannot use the certificates.
    MosquittoLink(std::shared_ptr<MqttEventQueue> queue, const MqttAttempt &attempt);
    // Does not wait for an attempt to connect: that ends by itself.
    ~MosquittoLink() override;
    MosquittoLink(const MosquittoLink &) = delete;
    MosquittoLink &operator=(const MosquittoLink &) = delete;

    void connect(const AddressMemory &memory) override;
    std::string address() const override { return address_; }
    int fd() const override { return epoll_.get(); }
    std::chrono::milliseconds timeout() const override;
    void step() override;
    bool hung_up() const override { return hung_up_; }
    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                 bool retained) override;
    void cork() override { corked_ = Cork::asked; }
    void uncork() override;
    void subscribe(const std::string &topic) override;
    void unsubscribe(const std::string &topic) override;
    void release() override;
    void close(std::chrono::milliseconds limit) override;

  private:
    using Clock = std::chrono::steady_clock;
    struct Callbacks;
    enum class State { idle, dialling, tunnelling, greeting, up, ended };
    enum class Cork { out, asked, in };

    bool connecting() const { return state_ == State::dialling || state_ == State::tunnelling; }
    bool connected() const { return state_ == State::greeting || state_ == State::up; }
    void begin();
    void dig();
    void read();
    void read_window();
    bool look_ahead();
    bool may_read() const;
    bool wants_to_write() const;
    ssl_st *tls() const;
    bool write();
    void subscribe_session();
    void watch();
    void set_cork(bool in);
    void check(int code);
    std::string trouble_text(int code, int error) const;
    void give_up(const std::string &text, int reason = 0);
    void fail_to_connect(const std::string &text);
    void end(int reason, const std::string &text, const std::string &server = {});
    void finish();
    void push(MqttEvent event) { queue_->push({epoch_, std::move(event)}); }

    std::shared_ptr<MqttEventQueue> queue_;
    unsigned epoch_;
    const bool met_;
    bool five_;  // MQTT 5, else 3.1.1
    MqttOptions options_;
    MqttServer server_;
    MqttSession session_;
    std::string address_;
    std::shared_ptr<MosquittoClient> client_;
    std::unique_ptr<WebSocketTunnel> tunnel_;  // none: straight to the broker
    UniqueFd epoll_;                           // of the connection, once there is one
    int watched_ = -1;
    std::uint32_t watched_for_ = 0;
    State state_ = State::idle;
    Cork corked_ = Cork::out;
    bool hung_up_ = false;
    bool to_subscribe_ = false;
    bool shares_ = true;      // the broker knows shared subscriptions, or has not said otherwise
    bool withholds_ = false;  // PUBACKs wait in the library
    MqttLookAhead ahead_;
    Clock::time_point deadline_, next_care_;
    std::unordered_map<int, std::uint64_t> outstanding_;  // by packet identifier
};

}  // namespace ble
