// Subscribes to a topic filter at QoS 1, and acknowledges messages only when they are safe: a window of them at once, in order.
//
// step() returns as many messages as the window takes, or as there are; then none is read until release() has sent their PUBACKs. A
// window closes when nothing more is there, never by a timer. Without release() the broker keeps all messages, and sends them again.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

// What a topic is as topic filters: itself or, where "{shard}" stands in it (batch/topic.hpp), one for each of the shards.
std::vector<std::string> filters_of(const std::string &topic, std::string_view shards);

// One thread calls all members.
class MqttSubscriber {
  public:
    using Take = std::function<void(std::string_view topic, std::string_view payload)>;
    // Which part of the messages is ours.
    struct Part {
        std::string group{};  // of a shared subscription; empty: none
        std::string
            shards{};  // of "{shard}" in the topic (batch/topic.hpp); empty: that does not stand there
    };

    // With a client id in `options` the broker keeps the session and what arrives while we are away; without one the id
    // is random and nothing is kept. Removes from the session other shards than ours and, with a group, the topic without one;
    // but not another group that it may still have. `window`: messages, 1 to 65535. `take` is called by step().
    MqttSubscriber(const MqttOptions &options, const Part &part, std::size_t window, Take take);
    ~MqttSubscriber();  // as close()

    void start();
    int fd() const;  // readable: call step()
    std::chrono::milliseconds timeout()
        const;  // call step() at the latest after this; negative: no timer is running
    void step();

    bool holds() const;  // messages that step() has handed on wait for release()
    std::chrono::milliseconds held_for() const;
    void release();  // they are safe
    // From the next window on at most so many messages of it; 0: none is read any more.
    void limit(std::size_t messages);

    // The password of the next link; a waiting link then tries soon.
    void renew(const std::optional<std::string> &password);
    bool ready() const;  // connected and subscribed
    std::string status() const;
    const std::optional<Error> &refusal()
        const;  // set: the broker denies the subscription, end the tool with this

    // Disconnects, politely where nothing waits for release(); what waits is not acknowledged.
    void close();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
