// Subscribes to a topic filter at QoS 1 (paho.mqtt.c) and acknowledges a message only when its handler says it is safe.
//
// Paho sends the PUBACK when its callback returns, whatever that returns. So a message that is not safe is never given
// back: the callback stays where it is, and the process has to end by _exit(). The broker then sends the message again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

class MqttSubscriber {
  public:
    // Takes a message, in paho's thread, one at a time. True: it is safe, acknowledge it. False, or an exception: it is
    // not. It may block as long as it likes, but returns false soon after `stop_fd` has become readable.
    using Handler = std::function<bool(std::string_view topic, std::string_view payload, int stop_fd)>;

    // With a client id in `options` the broker keeps the session and what arrives while we are away; without one the id
    // is random and nothing is kept. `share`: the group of a shared subscription, or empty.
    MqttSubscriber(const MqttOptions &options, const std::string &share, Handler handler);
    // close() has been called before, and has returned true.
    ~MqttSubscriber();

    void start();
    int fd() const;  // readable: call step()
    std::chrono::milliseconds timeout()
        const;  // call step() at the latest after this; negative: no timer is running
    void step();

    // The password of the next link, which comes soon where one is waited for.
    void renew(const std::optional<std::string> &password);
    bool ready() const;  // connected and subscribed
    std::string status() const;
    const std::optional<Error> &refusal()
        const;  // set: the broker denies the subscription, end the tool with this

    // How long the handler has had its present message; empty: it has none. From any thread.
    std::optional<std::chrono::milliseconds> busy() const;
    // No further message reaches the handler, and fd() tells when it has finished with the present one. From any thread.
    void stop_taking();
    void give_up();  // stop_taking(), and the handler shall return false
    // A message was not taken: close() will return false.
    bool stuck() const;

    // Disconnects politely. False: a message is not safe, or paho hangs; end by _exit().
    bool close();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
