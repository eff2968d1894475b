// Adds up who was heard: SQLite would sort all rows for this, which takes five times as long.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "sqlite/database.hpp"

namespace ble {

// One answer, of which only one of presence() and top() is asked for. Memory: 40 to 60 bytes for each advertiser, and 24 for each Pi and place that
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
    // Rows as of Question::presence and Question::top, so many at most. Those that are alike are by their hashes.
    // `details`: those of the detection at `last`, which has to be of one.
    std::vector<Row> presence(std::size_t most, bool details);
    std::vector<Row> top(std::size_t most);

  private:
    static constexpr std::uint32_t none = UINT32_MAX;
    struct Seat {  // of a Pi at a place: their ids are counted up from 1
        std::int64_t last;
        std::uint32_t device, place;
        std::uint32_t next = none;  // of the same advertiser
        std::int16_t rssi = INT16_MIN;
        std::uint8_t zone = UINT8_MAX;
    };
    struct Advertiser {
        std::int64_t id, first, last, detections = 0;
        std::uint32_t seats = none;
        std::int16_t rssi = INT16_MIN;
    };

    struct Named {
        Advertiser advertiser;
        std::string hash;
    };

    Advertiser &advertiser_of(std::int64_t id);
    std::size_t slot_of(std::int64_t id) const;
    void make_room();
    Seat &seat_of(Advertiser &advertiser, std::uint32_t device, std::uint32_t place);
    const Seat &best_of(const Advertiser &advertiser);
    std::int64_t pis_of(const Advertiser &advertiser) const;
    template <class Order>
    std::vector<Named> first_ones(std::size_t most, Order order);
    const std::string &device_id(std::int64_t device);
    std::string hash_of(std::int64_t advertiser);
    Value details_of(const Advertiser &advertiser);
    Row spot_of(const Seat &seat);

    Database &database_;
    Statement hash_, details_;
    // Where each is in all_, or `none`: at the slot of its id or in those behind it. A power of two, twice as many as there are at least.
    std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(1024, none);
    std::deque<Advertiser> all_;
    std::deque<Seat> seats_;
    std::unordered_map<std::int64_t, std::string> device_ids_;
};

}  // namespace ble
