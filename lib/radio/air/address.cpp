#include "radio/air/address.hpp"

#include "base/hex_text.hpp"

namespace ble {

std::string_view address_type_name(AddressType type) {
    switch (type) {
        case AddressType::public_device:
            return "public";
        case AddressType::random_device:
            return "random";
        case AddressType::public_identity:
            return "public_identity";
        case AddressType::random_identity:
            return "random_identity";
        case AddressType::anonymous:
            return "anonymous";
    }
    return "unknown";
}

std::uint64_t Address::number() const {
    std::uint64_t value = 0;
    for (const auto byte : bytes) value = value << 8 | byte;
    return value;
}

std::string format_address(const Address &address) {
    std::string text;
    append_hex(text, address.bytes, ':');
    return text;
}

std::optional<Address> parse_address(std::string_view text) {
    const std::size_t step = text.size() == 12 ? 2 : 3;
    if (text.size() != 12 && text.size() != 17) return std::nullopt;
    Address address;
    for (std::size_t i = 0; i < 6; ++i) {
        const int high = hex_digit(text[i * step]), low = hex_digit(text[i * step + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        if (step == 3 && i < 5 && (text[i * 3 + 2] != text[2] || (text[2] != ':' && text[2] != '-')))
            return std::nullopt;
        address.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return address;
}

}  // namespace ble
