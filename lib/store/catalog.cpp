#include "store/catalog.hpp"

#include <algorithm>
#include <limits>

namespace ble {
namespace {

constexpr std::size_t most_devices = 10'000, most_places = 10'000;
constexpr std::size_t most_advertisers = 100'000;  // about 15 MiB
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

}  // namespace

struct Catalog::Device {
    std::int64_t id = 0, oldest = 0, newest = never, newest_batch = 0;
    std::optional<std::string> name, location;
    bool dirty = false;
};

struct Catalog::Advertiser {
    std::int64_t id = 0, first = 0, last = 0, heard = 0;  // heard: in this transaction
    bool is_new = false;
};

Catalog::Catalog(Database &database)
    : database_(database),
      find_device_(database, "SELECT id FROM devices WHERE device_id = ?"),
      insert_device_(database, "INSERT INTO devices (device_id, last_received) VALUES (?, ?) RETURNING id"),
      update_device_(
          database,
          // What was seen later than now was seen by a clock that was ahead: it is no longer the newest.
          "UPDATE devices SET last_received = ?2, first_seen = min(coalesce(first_seen, ?3), ?3),"
          " last_seen = iif(last_seen BETWEEN ?4 AND ?2, last_seen, ?4),"
          " name = iif(name IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, coalesce(?5, name), name),"
          " location = iif(location IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, coalesce(?6, location), "
          "location),"
          " last_batch = iif(last_batch IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, ?7, last_batch)"
          " WHERE id = ?1"),
      find_place_(database, "SELECT id FROM places WHERE name = ? AND location = ?"),
      insert_place_(database, "INSERT INTO places (name, location) VALUES (?, ?) RETURNING id"),
      find_advertiser_(database, "SELECT id FROM advertisers WHERE device_hash = ?"),
      insert_advertiser_(database,
                         "INSERT INTO advertisers (id, device_hash, first_seen, last_seen, detections) "
                         "VALUES (?, ?, ?, ?, ?)"),
      update_advertiser_(
          database,
          "UPDATE advertisers SET first_seen = min(first_seen, ?2),"
          " last_seen = iif(last_seen BETWEEN ?3 AND ?5, last_seen, ?3), detections = detections + ?4"
          " WHERE id = ?1") {}

Catalog::~Catalog() = default;

void Catalog::begin(std::int64_t received_at_ms) {
    received_at_ms_ = received_at_ms;
    next_advertiser_ = 0;  // another process may have added some
    if (devices_.size() > most_devices || places_.size() > most_places ||
        advertisers_.size() > most_advertisers)
        forget();
}

void Catalog::forget() {
    devices_.clear();
    places_.clear();
    advertisers_.clear();
    dirty_devices_.clear();
    dirty_advertisers_.clear();
    next_advertiser_ = 0;
}

std::int64_t Catalog::device(const std::string &device_id) {
    Device &device = devices_[device_id];
    if (device.id != 0) return device.id;
    if (const auto found = find_device_.find(device_id)) {
        device.id = *found;
    } else {
        device.id = insert_device_.insert(device_id, received_at_ms_);
    }
    return device.id;
}

void Catalog::batch_stored(const std::string &device_id, std::int64_t taken_at_ms, std::int64_t batch,
                           const std::optional<std::string> &name,
                           const std::optional<std::string> &location) {
    Device &device = devices_[device_id];
    if (!device.dirty) {
        dirty_devices_.push_back(&device);
        device.dirty = true;
        device.oldest = taken_at_ms;
        device.newest = never;
        device.name.reset();
        device.location.reset();
    }
    device.oldest = std::min(device.oldest, taken_at_ms);
    if (taken_at_ms < device.newest) return;
    device.newest = taken_at_ms;
    device.newest_batch = batch;
    if (name) device.name = name;
    if (location) device.location = location;
}

std::int64_t Catalog::place(const std::string &name, const std::string &location) {
    std::string key = name;
    key.append(1, '\0').append(location);
    std::int64_t &id = places_[key];
    if (id != 0) return id;
    if (const auto found = find_place_.find(name, location)) {
        id = *found;
    } else {
        id = insert_place_.insert(name, location);
    }
    return id;
}

std::int64_t Catalog::heard(const std::string &device_hash, std::int64_t time_ms) {
    HashText key;
    std::copy_n(device_hash.data(), key.size(), key.data());
    const auto [place, added] = advertisers_.try_emplace(key);
    Advertiser &advertiser = place->second;
    if (added) {
        if (const auto found = find_advertiser_.find(device_hash)) {
            advertiser.id = *found;
        } else {
            // The id is ours to choose: no other process can write before this transaction ends.
            if (next_advertiser_ == 0)
                next_advertiser_ = database_.integer("SELECT max(id) FROM advertisers").value_or(0) + 1;
            advertiser.id = next_advertiser_++;
            advertiser.is_new = true;
        }
    }
    if (advertiser.heard++ == 0) {
        dirty_advertisers_.push_back(&*place);
        advertiser.first = advertiser.last = time_ms;
    } else {
        advertiser.first = std::min(advertiser.first, time_ms);
        advertiser.last = std::max(advertiser.last, time_ms);
    }
    return advertiser.id;
}

void Catalog::flush() {
    flush_devices();
    flush_advertisers();
}

void Catalog::flush_devices() {
    for (Device *device : dirty_devices_) {
        update_device_.run(device->id, received_at_ms_, device->oldest, device->newest, device->name,
                           device->location, device->newest_batch);
        device->dirty = false;
    }
    dirty_devices_.clear();
}

void Catalog::flush_advertisers() {
    // In the order of the table: neighbours are then on the page that SQLite has just used.
    std::sort(dirty_advertisers_.begin(), dirty_advertisers_.end(),
              [](const auto *a, const auto *b) { return a->second.id < b->second.id; });
    for (auto *entry : dirty_advertisers_) {
        Advertiser &advertiser = entry->second;
        if (advertiser.is_new) {
            insert_advertiser_.run(advertiser.id, std::string_view(entry->first.data(), entry->first.size()),
                                   advertiser.first, advertiser.last, advertiser.heard);
            if (database_.changes() == 0) Statement::kept_out();
        } else {
            update_advertiser_.run(advertiser.id, advertiser.first, advertiser.last, advertiser.heard,
                                   received_at_ms_);
        }
        advertiser.is_new = false;
        advertiser.heard = 0;
    }
    dirty_advertisers_.clear();
}

}  // namespace ble
