#include "transport/paho_link.hpp"

#include <algorithm>

#include "transport/paho_client.hpp"

namespace ble {
namespace {

constexpr std::chrono::seconds grace(5);
// Paho may have lost its place in what it reads, and says nothing of it.
constexpr std::chrono::seconds answer_limit(30);

}  // namespace

PahoLink::PahoLink(std::shared_ptr<MqttEventQueue> queue, const MqttAttempt &attempt)
    : client_(std::make_shared<PahoClient>(std::move(queue), attempt)) {
    client_->begin();
}

PahoLink::~PahoLink() {
    client_->end();
}

void PahoLink::connect(const AddressMemory &memory) {
    deadline_ = Clock::now() + connect_limit + grace;
    client_->later([memory](PahoClient &client) { client.connect(memory); });
}
// When we give up waiting: for the connection, or for an answer to what was sent.
std::optional<PahoLink::Clock::time_point> PahoLink::end_of_patience() const {
    if (!client_->answered()) return deadline_;
    const auto since = client_->waits_since();
    return since ? std::optional(*since + answer_limit) : std::nullopt;
}

std::chrono::milliseconds PahoLink::timeout() const {
    const auto end = end_of_patience();
    if (!end) return std::chrono::milliseconds(-1);
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()),
                    std::chrono::milliseconds(0));
}

void PahoLink::step() {
    if (timeout().count() != 0) return;
    if (client_->answered())
        client_->lose("no answer for " + std::to_string(answer_limit.count()) + " s");
    else
        client_->fail_to_connect("no answer");
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
