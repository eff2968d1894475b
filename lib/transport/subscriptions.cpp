#include "transport/subscriptions.hpp"

#include <utility>

#include "transport/mqtt_connection.hpp"

namespace ble {

void Subscriptions::add(const std::string &filter) {
    if (filters_.insert(filter).second) ask(filter);
}

void Subscriptions::remove(const std::string &filter) {
    if (filters_.erase(filter) > 0) connection_.unsubscribe(filter);
}

void Subscriptions::link_up() {
    due_.reset();
    for (const auto &filter : filters_) ask(filter);
}

void Subscriptions::link_down() {
    due_.reset();
    unanswered_ = 0;
    refused_ = false;
}

void Subscriptions::ask(const std::string &filter) {
    if (!connection_.connected()) return;
    ++unanswered_;
    connection_.subscribe(filter);
}

void Subscriptions::answer(bool refused) {
    refused_ = refused_ || refused;
    if (unanswered_ > 0) --unanswered_;
    if (unanswered_ > 0) return;
    if (std::exchange(refused_, false))
        due_ = Clock::now() + backoff_.next();
    else if (!due_)
        backoff_.reset();
}

void Subscriptions::step() {
    if (due_ && Clock::now() >= *due_) link_up();
}

}  // namespace ble
