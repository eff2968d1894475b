// What an advertiser says of itself, as short text for people: out of the details of a detection (--detail, --names).
#pragma once

#include <string>
#include <string_view>

namespace ble {

// UTF-8 as its sender wrote it, at most `longest` bytes each: to be made safe before it is shown (batch/shown_text.hpp).
struct Told {
    static constexpr std::size_t longest = 96;
    std::string name;     // of its identity, else its local name
    std::string beacon;   // "ibeacon 12345678 1/2", "eddystone_url https://…"
    std::string company;  // by its number

    bool operator==(const Told &) const = default;
    // The first of them that is there.
    const std::string &label() const { return !name.empty() ? name : !beacon.empty() ? beacon : company; }
};

// `details`: a JSON object, or empty. What is not as blescan writes it is left out.
Told read_told(std::string_view details);

// A member of a JSON object that is a string or an integer, as text; empty: there is none such.
std::string member_text(std::string_view object, const char *name);

}  // namespace ble
