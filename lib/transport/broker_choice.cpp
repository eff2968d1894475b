#include "transport/broker_choice.hpp"

#include <utility>

namespace ble {

BrokerChoice::BrokerChoice(const std::vector<MqttServer> &servers) : turn_(servers.size()) {
    for (const auto &server : servers) named_.push_back({server});
}

bool BrokerChoice::failed() {
    // It was another's turn: whoever sent us here comes after the rest.
    if (referred_) {
        referred_.reset();
        return several();
    }
    return turn_.failed();
}

void BrokerChoice::worked() {
    turn_.worked();
    referrals_ = 0;
}

bool BrokerChoice::follow(const std::string &reference) {
    auto server = parse_server_reference(reference, now().server);
    if (!server || referrals_ == most_referrals) return false;
    ++referrals_;
    if (!referred_) turn_.failed();
    referred_ = Broker{std::move(*server)};
    return true;
}

}  // namespace ble
