// What is known by its name: the tables devices, places, senders, advertisers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ble {

// used_s: the store's age when the database was last told that it is used.
struct NameRow {
    std::int64_t id = 0, used_s = 0;
};

// What batches of a transaction say about their device.
struct DeviceNews {
    std::int64_t id = 0, received_at = 0;
    std::int64_t oldest = 0, newest = 0, newest_batch = 0;  // when they were taken, and the id of the newest
    std::optional<std::int64_t> sender = {};
    std::optional<std::string> name = {}, location = {}, version = {};
};

// What another store says of a device.
struct DeviceWord {
    std::int64_t id = 0, last_received = 0, conflicts = 0;
    bool is_active = true;
    std::optional<std::int64_t> first_seen = {}, last_seen = {}, last_conflict = {}, sender = {};
    std::optional<std::string> name = {}, location = {}, version = {};
};

struct AdvertiserNews {
    std::string_view device_hash;
    std::int64_t id = 0;
    std::int64_t first = 0, last = 0, heard = 0;
};

// Names that a process does not know yet, and what the database says of each.
struct NamesAsked {
    std::vector<std::string_view> devices, senders, advertisers;
    std::int64_t most_senders = 0;                                      // that may be in the database
    std::vector<std::pair<std::string_view, std::string_view>> places;  // name, location
    // Of each of them, in the same order. id 0: not known, ask by itself.
    std::vector<NameRow> device_rows, sender_rows, place_rows;
    std::vector<std::int64_t> advertiser_ids;

    bool empty() const { return devices.empty() && senders.empty() && advertisers.empty() && places.empty(); }
};

class NameRows {
  public:
    virtual ~NameRows() = default;

    // Of a database that foresees (tables.hpp), before a transaction: finds them or makes them. A name that nothing refers to in the
    // end does no harm.
    virtual void learn(NamesAsked &asked, std::int64_t used_s, std::int64_t received_at) = 0;

    virtual std::optional<NameRow> find_device(const std::string &device_id) = 0;
    virtual std::int64_t insert_device(const std::string &device_id, std::int64_t used_s,
                                       std::int64_t last_received) = 0;
    virtual std::optional<NameRow> find_place(const std::string &name, const std::string &location) = 0;
    virtual std::int64_t insert_place(const std::string &name, const std::string &location,
                                      std::int64_t used_s) = 0;
    virtual std::optional<NameRow> find_sender(const std::string &sender) = 0;
    virtual std::int64_t insert_sender(const std::string &sender, std::int64_t used_s) = 0;
    virtual std::int64_t count_senders() = 0;
    virtual void use_device(std::int64_t id, std::int64_t used_s) = 0;
    virtual void use_place(std::int64_t id, std::int64_t used_s) = 0;
    virtual void use_sender(std::int64_t id, std::int64_t used_s) = 0;

    // Its id. It is in the table at the latest after tell() about it.
    virtual std::int64_t advertiser(std::string_view device_hash) = 0;

    // A time later than now came from a clock that was ahead: it is no longer the newest.
    virtual void tell(const DeviceNews &news) = 0;
    virtual void conflicted(std::int64_t device, std::int64_t at) = 0;
    // Of archived batches: nothing gets older by them.
    virtual void tell_archived(const DeviceNews &news) = 0;
    // The later of the two counts; of numbers the greater one.
    virtual void merge(const DeviceWord &word) = 0;
    virtual void tell(const std::vector<AdvertiserNews> &news, std::int64_t received_at) = 0;
};

}  // namespace ble
