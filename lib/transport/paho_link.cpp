#include "transport/paho_link.hpp"

#include <algorithm>

#include "transport/paho_client.hpp"

namespace ble {
namespace {

constexpr std::chrono::seconds grace(5);

}  // namespace

PahoLink::PahoLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five,
                   const MqttOptions &options, const MqttSession &session)
    : client_(std::make_shared<PahoClient>(std::move(queue), epoch, five, options, session)) {
    client_->begin();
}

PahoLink::~PahoLink() {
    client_->end();
}

void PahoLink::connect(const AddressMemory &memory) {
    deadline_ = std::chrono::steady_clock::now() + connect_limit + grace;
    client_->later([memory](PahoClient &client) { client.connect(memory); });
}
std::chrono::milliseconds PahoLink::timeout() const {
    if (client_->answered()) return std::chrono::milliseconds(-1);
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
    return std::max(left, std::chrono::milliseconds(0));
}

void PahoLink::step() {
    if (timeout().count() == 0) client_->fail_to_connect("no answer");
}

std::string PahoLink::address() const {
    return client_->address();
}
bool PahoLink::hung_up() const {
    return client_->hung_up();
}

bool PahoLink::publish(std::uint64_t id, const std::string &topic, std::string_view payload, bool retained) {
    client_->later([id, topic, text = std::string(payload), retained](PahoClient &client) {
        client.publish(id, topic, text, retained);
    });
    return true;
}

void PahoLink::subscribe(const std::string &topic) {
    client_->later([topic](PahoClient &client) { client.subscribe(topic); });
}
void PahoLink::unsubscribe(const std::string &topic) {
    client_->later([topic](PahoClient &client) { client.unsubscribe(topic); });
}

void PahoLink::close(std::chrono::milliseconds limit) {
    client_->end();
    client_->wait_for_end(limit);
}

}  // namespace ble
