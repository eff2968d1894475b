// Publishes batches to a broker at QoS 1 (libmosquitto). A message is delivered when the broker's PUBACK says success; one that
// says no (MQTT 5 only: nobody is subscribed, not authorised, quota, …) ends in `retry`, with one warning, and closes the
// window for a while. A message larger than the broker takes is `refused`, and so is one at which it ends the links (see
// link_judge.hpp; then copies of a message that it has taken may be published again).
//
// The topic may be one for each device (batch/topic.hpp): all lines of a message are then of one device, and one whose device_id
// cannot be a level of a topic is `refused`.
//
// Logs, at a limited rate, when the link comes up, goes down, or cannot be made; all else is in the results.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport/mqtt_options.hpp"
#include "transport/transport.hpp"

namespace ble {

class MqttPublisher final : public Transport {
  public:
    // At most `inflight` messages outstanding, fewer when the broker asks for it. With a `status_topic` a retained "online"
    // is published there after each connect and "offline" at the end, by the broker when we die.
    MqttPublisher(const MqttOptions &options, std::size_t inflight, const std::string &status_topic = "");
    ~MqttPublisher() override;

    void start() override;
    int fd() const override;
    std::chrono::milliseconds timeout() const override;
    std::vector<Result> step() override;
    std::size_t window() const override;
    // The topic; empty: `refused`.
    std::string destination(std::string_view line) override;
    void send(std::uint64_t id, std::string_view payload) override;
    void cork() override;
    void uncork() override;
    void renew(const TransportOptions &options) override;
    bool connected() const override;
    std::string status() const override;
    std::uint64_t links() const;  // how many have been made so far

    // Messages on this topic (QoS 1) are gathered for take_messages(), on each link anew, until unsubscribe().
    void subscribe(const std::string &topic);
    void unsubscribe(const std::string &topic);
    struct Heard {
        std::string topic, payload;
    };
    std::vector<Heard> take_messages();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
