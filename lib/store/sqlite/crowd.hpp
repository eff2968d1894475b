// Adds up who was heard: SQLite would sort all rows for this, which takes five times as long.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "sqlite/database.hpp"

namespace ble {

// One answer, of which only one of presence() and top() is asked for. Memory: about 200 bytes for each advertiser, and 56 for each Pi and place that
// heard it.
class SqliteCrowd {
  public:
    using Value = std::variant<std::monostate, std::int64_t, std::string>;
    using Row = std::vector<Value>;

    explicit SqliteCrowd(Database &database)
        : database_(database),
          hash_(database, "SELECT device_hash FROM advertisers WHERE id = ?"),
          details_(database,
                   "SELECT details.details FROM detections CROSS JOIN details USING (batch, n)"
                   " WHERE detections.timestamp = ? AND advertiser = ?") {}

    // Columns: first, last, advertiser, device, place (0: none), strongest, zone, detections.
    void add(const Statement &heard);
    // Rows as of Question::presence and Question::top, so many at most. `details`: those of the detection at `last`, which has to be of one.
    std::vector<Row> presence(std::size_t most, bool details);
    std::vector<Row> top(std::size_t most);

  private:
    static constexpr std::uint32_t none = UINT32_MAX;
    struct Seat {  // of a Pi at a place
        std::int64_t device, place, rssi, zone, last;
        std::uint32_t next = none;  // of the same advertiser
    };
    struct Advertiser {
        std::int64_t id, first, last, detections = 0, rssi = INT64_MIN;
        std::uint32_t seats = none;
    };

    Seat &seat_of(Advertiser &advertiser, std::int64_t device, std::int64_t place);
    const Seat &best_of(const Advertiser &advertiser);
    std::int64_t pis_of(const Advertiser &advertiser) const;
    template <class Order>
    std::vector<std::pair<Advertiser, std::string>> first_ones(std::size_t most, Order order);
    const std::string &device_id(std::int64_t device);
    std::string hash_of(std::int64_t advertiser);
    Value details_of(const Advertiser &advertiser);
    Row spot_of(const Seat &seat);

    Database &database_;
    Statement hash_, details_;
    std::unordered_map<std::int64_t, std::uint32_t> known_;  // where each is in all_
    std::vector<Advertiser> all_;
    std::vector<Seat> seats_;
    std::unordered_map<std::int64_t, std::string> device_ids_;
};

}  // namespace ble
