// The ids of devices, places and advertisers, and what changes about them in a transaction: gathered, and written once
// each by flush() instead of once a detection.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sqlite/database.hpp"

namespace ble {

// Works inside the store's transaction. Bounded: what is remembered is dropped when it becomes too much.
class Catalog {
  public:
    struct Device;
    struct Advertiser;

    explicit Catalog(Database &database);
    ~Catalog();

    void begin(std::int64_t received_at_ms);  // a transaction begins
    void flush();                             // writes what changed; before each commit and release
    void forget();                            // something was rolled back, or another process deleted rows

    std::int64_t device(const std::string &device_id);  // created when new
    // A batch of that device was stored. The newest batch says what the device is called and where it is.
    void batch_stored(const std::string &device_id, std::int64_t taken_at_ms, std::int64_t batch,
                      const std::optional<std::string> &name, const std::optional<std::string> &location);
    std::int64_t place(const std::string &name, const std::string &location);
    // The advertiser, heard once more at that time.
    std::int64_t heard(const std::string &device_hash, std::int64_t time_ms);

  private:
    using HashText = std::array<char, 64>;
    struct HashOfHash {
        std::size_t operator()(const HashText &text) const {
            return std::hash<std::string_view>()(std::string_view(text.data(), text.size()));
        }
    };

    void flush_advertisers();
    void flush_devices();

    Database &database_;
    Statement find_device_, insert_device_, update_device_, find_place_, insert_place_;
    Statement find_advertiser_, insert_advertiser_, update_advertiser_;
    std::unordered_map<std::string, Device> devices_;
    std::unordered_map<std::string, std::int64_t> places_;
    std::unordered_map<HashText, Advertiser, HashOfHash> advertisers_;
    std::vector<Device *> dirty_devices_;
    std::vector<std::pair<const HashText, Advertiser> *> dirty_advertisers_;
    std::int64_t received_at_ms_ = 0, next_advertiser_ = 0;
};

}  // namespace ble
