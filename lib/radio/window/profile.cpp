#include "radio/window/profile.hpp"

#include <algorithm>

#include "base/hex_text.hpp"
#include "batch/json_text.hpp"
#include "radio/air/private_address.hpp"

namespace ble {

namespace {

constexpr std::size_t most_uuids = 32, most_companies = 16, most_services = 16, most_adapters = 16;

// Replaces the entry of that key, or adds one while there is room.
template <class Key>
void put(std::vector<std::pair<Key, std::vector<std::uint8_t>>> &entries, const Key &key,
         std::span<const std::uint8_t> data, std::size_t most) {
    const auto place =
        std::find_if(entries.begin(), entries.end(), [&](const auto &e) { return e.first == key; });
    if (place != entries.end()) {
        place->second.assign(data.begin(), data.end());
    } else if (entries.size() < most) {
        entries.emplace_back(key, std::vector<std::uint8_t>(data.begin(), data.end()));
    }
}

void append_name(std::string &out, std::string_view name) {
    out.append(out.size() > 1 ? ",\"" : "\"").append(name).append("\":");
}

void append_number(std::string &out, std::string_view name, std::int64_t value) {
    append_name(out, name);
    out += std::to_string(value);
}

// {"KEY":"hex",…}
template <class Entries, class KeyText>
void append_data(std::string &out, std::string_view name, const Entries &entries, KeyText key_text) {
    if (entries.empty()) return;
    append_name(out, name);
    char before = '{';
    for (const auto &[key, data] : entries) {
        out.append(1, before).append("\"").append(key_text(key)).append("\":\"");
        append_hex(out, data);
        out += '"';
        before = ',';
    }
    out += '}';
}

}  // namespace

void Profile::add(const Report &report, const Advertisement &advertisement) {
    if (report.truncated()) ++truncated_;
    const bool new_adapter = !report.adapter.empty() && adapters_.size() < most_adapters &&
                             std::find(adapters_.begin(), adapters_.end(), report.adapter) == adapters_.end();
    if (new_adapter) adapters_.emplace_back(report.adapter);
    const bool better = advertisement.name_complete || !name_complete_;
    if (advertisement.local_name && better) {
        name_ = *advertisement.local_name;
        name_complete_ = advertisement.name_complete;
    }
    if (report.tx_power_dbm != Report::not_available) tx_power_dbm_ = report.tx_power_dbm;
    if (advertisement.tx_power_dbm) tx_power_dbm_ = advertisement.tx_power_dbm;
    if (advertisement.flags) flags_ = advertisement.flags;
    if (advertisement.appearance) appearance_ = advertisement.appearance;
    for (const auto &uuid : advertisement.service_uuids) {
        const bool is_new =
            std::find(service_uuids_.begin(), service_uuids_.end(), uuid) == service_uuids_.end();
        if (is_new && service_uuids_.size() < most_uuids) service_uuids_.push_back(uuid);
    }
    for (const auto &from : advertisement.manufacturer_data)
        put(manufacturer_data_, from.company_id, from.data, most_companies);
    for (const auto &from : advertisement.service_data)
        put(service_data_, from.uuid, from.data, most_services);
    read_beacons(advertisement, beacons_);
}

std::string Profile::print(const ProfileOptions &options, const Address &address, const RssiCounts &rssi,
                           CompanyNames &companies, const Identity *identity) const {
    std::string out = "{";
    if (options.addresses) {
        append_name(out, "address");
        out.append("\"").append(format_address(address)).append("\"");
        if (identity && identity->address) {
            append_name(out, "identity_address");
            out.append("\"").append(format_address(*identity->address)).append("\"");
        }
    }
    if (options.names && identity) {
        append_name(out, "identity");
        append_json_string(out, identity->name);
    }
    if (options.names && name_) {
        append_name(out, "local_name");
        append_json_string(out, *name_);
    }
    if (options.detail) print_detail(out, address.type, rssi, companies);
    return out += '}';
}

void Profile::print_detail(std::string &out, AddressType type, const RssiCounts &rssi,
                           CompanyNames &companies) const {
    append_number(out, "rssi_min", rssi.least());
    append_number(out, "rssi_max", rssi.most());
    if (truncated_ > 0) append_number(out, "truncated", truncated_);
    append_name(out, "address_type");
    out.append("\"").append(address_type_name(type)).append("\"");
    if (!adapters_.empty()) {
        append_name(out, "adapters");
        char before = '[';
        for (const auto &adapter : adapters_) {
            out.append(1, before);
            append_json_string(out, adapter);
            before = ',';
        }
        out += ']';
    }
    if (flags_) append_number(out, "flags", *flags_);
    if (tx_power_dbm_) append_number(out, "tx_power", *tx_power_dbm_);
    if (appearance_) append_number(out, "appearance", *appearance_);
    if (!manufacturer_data_.empty()) {
        append_number(out, "company_id", manufacturer_data_.front().first);
        if (const auto &company = companies.find(manufacturer_data_.front().first); !company.empty()) {
            append_name(out, "company");
            append_json_string(out, company);
        }
    }
    if (!service_uuids_.empty()) {
        append_name(out, "service_uuids");
        char before = '[';
        for (const auto &uuid : service_uuids_) {
            out.append(1, before).append("\"").append(format_uuid(uuid)).append("\"");
            before = ',';
        }
        out += ']';
    }
    append_data(out, "manufacturer_data", manufacturer_data_,
                [](std::uint16_t id) { return std::to_string(id); });
    append_data(out, "service_data", service_data_, format_uuid);
    if (std::all_of(beacons_.begin(), beacons_.end(), [](const auto &text) { return text.empty(); })) return;
    append_name(out, "beacon");
    char before = '{';
    for (std::size_t i = 0; i < beacon_kinds; ++i) {
        if (beacons_[i].empty()) continue;
        out.append(1, before)
            .append("\"")
            .append(beacon_name(BeaconKind(i)))
            .append("\":")
            .append(beacons_[i]);
        before = ',';
    }
    out += '}';
}

}  // namespace ble
