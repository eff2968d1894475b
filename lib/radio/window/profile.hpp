// What one advertiser said about itself in a window: the members that --detail, --names and --addresses add.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "radio/air/ad_structure.hpp"
#include "radio/air/beacon.hpp"
#include "radio/air/company.hpp"
#include "radio/air/report.hpp"
#include "radio/window/rssi_counts.hpp"

namespace ble {

struct ProfileOptions {
    bool detail = false, addresses = false, names = false;

    bool any() const { return detail || addresses || names; }
    bool data() const { return detail || names; }  // is the advertising data wanted?
};

// Later reports replace what they say anew and leave the rest. Bounded: 32 UUIDs, 16 companies, 16 services.
class Profile {
  public:
    // `advertisement`: the report's data.
    void add(const Report &report, const Advertisement &advertisement);

    // Members of a detection as a JSON object. `companies` may know no names.
    std::string print(const ProfileOptions &options, const Address &address, const RssiCounts &rssi,
                      CompanyNames &companies, const Identity *identity = nullptr) const;

  private:
    using Bytes = std::vector<std::uint8_t>;

    void print_detail(std::string &out, AddressType type, const RssiCounts &rssi,
                      CompanyNames &companies) const;

    unsigned truncated_ = 0;             // reports whose rest was not heard
    std::vector<std::string> adapters_;  // that heard it
    std::optional<std::string> name_;
    bool name_complete_ = false;
    std::optional<std::uint8_t> flags_;
    std::optional<std::int8_t> tx_power_dbm_;
    std::optional<std::uint16_t> appearance_;
    std::vector<Uuid> service_uuids_;
    std::vector<std::pair<std::uint16_t, Bytes>> manufacturer_data_;
    std::vector<std::pair<Uuid, Bytes>> service_data_;
    Beacons beacons_;
};

}  // namespace ble
