// Which broker is tried next, of those that were named and those that they refer us to; and what is known of each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "transport/address_race.hpp"
#include "transport/mqtt_server.hpp"
#include "transport/server_turn.hpp"

namespace ble {

class BrokerChoice {
  public:
    struct Broker {
        MqttServer server;
        AddressMemory addresses{};
        bool met = false;         // a link to it was up
        std::string trouble{};    // of the last attempt
        Throttle failure_said{};  // that it failed
    };
    // How often in a row brokers may refer us to another one. Then we wait, and begin with the named ones.
    static constexpr unsigned most_referrals = 3;

    explicit BrokerChoice(const std::vector<MqttServer> &servers);

    Broker &now() { return referred_ ? *referred_ : named_[turn_.now()]; }
    const Broker &now() const { return referred_ ? *referred_ : named_[turn_.now()]; }
    bool several() const { return named_.size() > 1; }

    // As in ServerTurn. A broker that we were referred to has a second try, and is then forgotten.
    bool failed();
    void worked();
    // now() has failed, and its Server Reference (MQTT 5, 4.11) names another one. True: that one is now() from here on.
    bool follow(const std::string &reference);

  private:
    bool forget();

    std::vector<Broker> named_;
    std::optional<Broker> referred_;
    ServerTurn turn_;
    bool first_try_ = true;   // of referred_
    unsigned referrals_ = 0;  // since one worked, or we waited
};

}  // namespace ble
