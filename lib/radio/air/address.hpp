// A Bluetooth device address with its type, and its text forms.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

// Values of HCI's Address_Type in advertising reports (Core Specification, Vol 4 Part E 7.7.65.2 and .13).
enum class AddressType : std::uint8_t {
    public_device = 0,
    random_device = 1,
    public_identity = 2,  // a private address that the controller has resolved
    random_identity = 3,
    anonymous = 0xff,  // extended advertising without an address
};

// "public", "random", "public_identity", "random_identity", "anonymous"; "unknown" for values that no version of the
// specification has.
std::string_view address_type_name(AddressType type);

struct Address {
    std::array<std::uint8_t, 6> bytes{};  // most significant first, as it is written
    AddressType type = AddressType::public_device;

    // The 48 bits as a number. The type is not part of it.
    std::uint64_t number() const;
};

// "c4:f7:c1:4c:c1:c0"
std::string format_address(const Address &address);

// Twelve hex digits of either case, bare or with ':' or '-' between the bytes; the type is public. Empty result: no address.
std::optional<Address> parse_address(std::string_view text);

}  // namespace ble
