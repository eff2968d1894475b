#include "batch/told.hpp"

#include <nlohmann/json.hpp>

namespace ble {
namespace {

using nlohmann::json;

std::string text_of(const json &object, const char *member) {
    const auto found = object.find(member);
    if (found == object.end()) return {};
    if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
    return found->is_string() ? found->get<std::string>() : std::string();
}

std::string cut(std::string text) {
    if (text.size() <= Told::longest) return text;
    std::size_t end = Told::longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;
    text.resize(end);
    return text;
}

// The numbers by which people know a beacon of this kind, most telling first.
std::string numbers_of(const json &frame) {
    constexpr std::size_t shown_of_uuid = 8;
    if (const auto uuid = text_of(frame, "uuid"); !uuid.empty())
        return uuid.substr(0, shown_of_uuid) + " " + text_of(frame, "major") + "/" + text_of(frame, "minor");
    for (const char *member : {"url", "instance", "eid"})
        if (auto text = text_of(frame, member); !text.empty()) return text;
    return {};
}

std::string beacon_of(const json &beacon) {
    constexpr const char *kinds[] = {"ibeacon",       "altbeacon",     "eddystone_url",
                                     "eddystone_uid", "eddystone_eid", "eddystone_tlm"};
    if (!beacon.is_object()) return {};
    for (const char *kind : kinds) {
        const auto found = beacon.find(kind);
        if (found == beacon.end() || !found->is_object()) continue;
        const auto numbers = numbers_of(*found);
        return numbers.empty() ? kind : std::string(kind) + " " + numbers;
    }
    return {};
}

}  // namespace

Told read_told(std::string_view details) {
    Told told;
    const json object = json::parse(details.begin(), details.end(), nullptr, false);
    if (!object.is_object()) return told;
    told.name = text_of(object, "identity");
    if (told.name.empty()) told.name = text_of(object, "local_name");
    told.name = cut(std::move(told.name));
    if (const auto beacon = object.find("beacon"); beacon != object.end())
        told.beacon = cut(beacon_of(*beacon));
    told.company = cut(text_of(object, "company"));
    return told;
}

std::string member_text(std::string_view object, const char *name) {
    const json parsed = json::parse(object.begin(), object.end(), nullptr, false);
    return parsed.is_object() ? text_of(parsed, name) : std::string();
}

}  // namespace ble
