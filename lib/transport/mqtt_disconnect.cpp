#include "transport/mqtt_disconnect.hpp"

#include <cstddef>
#include <cstdint>

namespace ble {
namespace {

// MQTT 5, 2.2.2.2: the properties that a DISCONNECT may have.
enum : unsigned {
    session_expiry = 0x11,
    server_reference = 0x1c,
    reason_string = 0x1f,
    user_property = 0x26
};
constexpr std::size_t expiry_size = 4;

// Takes from the front; sound() is false for ever when there was less.
class Taker {
  public:
    explicit Taker(std::string_view bytes) : rest_(bytes) {}

    std::string_view bytes(std::size_t size) {
        sound_ = sound_ && size <= rest_.size();
        if (!sound_) return {};
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    unsigned byte() {
        const auto taken = bytes(1);
        return sound_ ? static_cast<unsigned char>(taken.front()) : 0U;
    }
    // Variable Byte Integer (1.5.5).
    std::size_t length() {
        std::size_t value = 0;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            const unsigned part = byte();
            value |= static_cast<std::size_t>(part & 0x7fU) << shift;
            if ((part & 0x80U) == 0) return value;
        }
        sound_ = false;
        return 0;
    }
    std::string_view text() {
        const unsigned high = byte();
        return bytes(high << 8U | byte());
    }
    bool sound() const { return sound_; }
    bool empty() const { return rest_.empty(); }

  private:
    std::string_view rest_;
    bool sound_ = true;
};

std::optional<MqttDisconnect> parse(Taker &packet) {
    if (packet.byte() != mqtt_disconnect_head) return {};
    Taker body(packet.bytes(packet.length()));
    if (!packet.sound()) return {};
    MqttDisconnect said;
    if (body.empty()) return said;
    said.reason = static_cast<int>(body.byte());
    if (body.empty()) return said;
    Taker properties(body.bytes(body.length()));
    while (body.sound() && properties.sound() && !properties.empty()) {
        switch (properties.byte()) {
            case session_expiry:
                properties.bytes(expiry_size);
                break;
            case server_reference:
                said.server = properties.text();
                break;
            case reason_string:
                said.words = properties.text();
                break;
            case user_property:
                properties.text();
                properties.text();
                break;
            default:
                return {};
        }
    }
    if (!body.sound() || !properties.sound()) return {};
    return said;
}

}  // namespace

std::optional<MqttDisconnect> find_mqtt_disconnect(std::string_view bytes, int reason) {
    constexpr char head = static_cast<char>(mqtt_disconnect_head);
    for (auto at = bytes.find(head); at != bytes.npos; at = bytes.find(head, at + 1)) {
        Taker packet(bytes.substr(at));
        auto said = parse(packet);
        if (said && said->reason == reason && packet.empty()) return said;
    }
    return {};
}

}  // namespace ble
