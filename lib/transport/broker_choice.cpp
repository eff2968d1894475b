#include "transport/broker_choice.hpp"

#include <utility>

namespace ble {

BrokerChoice::BrokerChoice(const std::vector<MqttServer> &servers) : turn_(servers.size()) {
    for (const auto &server : servers) named_.push_back({server});
}

bool BrokerChoice::failed() {
    bool soon = false;
    if (!referred_)
        soon = turn_.failed();
    else if (std::exchange(first_try_, false))
        soon = true;
    else
        soon = forget();
    if (!soon) referrals_ = 0;
    return soon;
}

// It was another's turn: whoever sent us here comes after the rest.
bool BrokerChoice::forget() {
    referred_.reset();
    return several();
}

void BrokerChoice::worked() {
    turn_.worked();
    referrals_ = 0;
    first_try_ = true;
}

bool BrokerChoice::follow(const std::string &reference) {
    auto server = parse_server_reference(reference, now().server);
    if (!server || referrals_ == most_referrals) return false;
    ++referrals_;
    first_try_ = true;
    if (!referred_) turn_.failed();
    referred_ = Broker{std::move(*server)};
    return true;
}

}  // namespace ble
