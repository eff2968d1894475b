#include "store/catalog.hpp"

#include <algorithm>
#include <limits>

#include "store/used.hpp"

namespace ble {
namespace {

constexpr std::size_t most_remembered = 8u << 20;  // bytes of texts
constexpr std::size_t row_overhead = 100;
constexpr std::int64_t most_senders = 10'000;
const std::string others = "others";
constexpr std::size_t most_advertisers = 100'000;  // about 15 MiB
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

}  // namespace

struct Catalog::Device {
    Row row;
    std::int64_t oldest = 0, newest = never, newest_batch = 0;
    std::optional<std::int64_t> sender;
    std::optional<std::string> name, location, version;
    bool dirty = false;
};

struct Catalog::Advertiser {
    std::int64_t id = 0, first = 0, last = 0, heard = 0;  // heard: in this transaction
    bool is_new = false;
};

Catalog::Look::Look(Database &database, const std::string &table, const std::string &where,
                    const std::string &insert_into)
    : find(database, "SELECT id, used_s FROM " + table + " WHERE " + where),
      insert(database, "INSERT INTO " + table + " (" + insert_into + " RETURNING id"),
      use(database, "UPDATE " + table + " SET used_s = ?2 WHERE id = ?1") {}

Catalog::Catalog(Database &database)
    : database_(database),
      device_(database, "devices", "device_id = ?", "device_id, used_s, last_received) VALUES (?, ?, ?)"),
      place_(database, "places", "name = ? AND location = ?", "name, location, used_s) VALUES (?, ?, ?)"),
      sender_(database, "senders", "sender = ?", "sender, used_s) VALUES (?, ?)"),
      update_device_(
          database,
          // What was seen later than now was seen by a clock that was ahead: it is no longer the newest.
          "UPDATE devices SET last_received = ?2, first_seen = min(coalesce(first_seen, ?3), ?3),"
          " last_seen = iif(last_seen BETWEEN ?4 AND ?2, last_seen, ?4),"
          " name = iif(name IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, coalesce(?5, name), name),"
          " location = iif(location IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, coalesce(?6, location), "
          "location),"
          " last_batch = iif(last_batch IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, ?7, last_batch),"
          " last_sender = ?8, last_version = ?9 WHERE id = ?1"),
      conflicted_(database, "UPDATE devices SET conflicts = conflicts + 1, last_conflict = ?2 WHERE id = ?1"),
      count_senders_(database, "SELECT count(*) FROM senders"),
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

void Catalog::begin(std::int64_t received_at_ms, std::int64_t lived_s) {
    received_at_ms_ = received_at_ms;
    lived_s_ = lived_s;
    next_advertiser_ = 0;  // another process may have added some
    if (remembered_ > most_remembered || advertisers_.size() > most_advertisers) forget();
}

void Catalog::forget() {
    devices_.clear();
    places_.clear();
    senders_.clear();
    remembered_ = 0;
    advertisers_.clear();
    dirty_devices_.clear();
    dirty_advertisers_.clear();
    next_advertiser_ = 0;
}

Catalog::Row &Catalog::row(Rows &rows, const std::string &key) {
    const auto [place, added] = rows.try_emplace(key);
    if (added) remembered_ += key.size() + row_overhead;
    return place->second;
}

template <class... Key>
std::int64_t Catalog::use(Row &row, Look &look, const Key &...key) {
    if (row.id == 0) {
        int index = 0;
        (look.find.bind(++index, key), ...);
        if (look.find.step()) {
            row = {look.find.integer(0), look.find.integer(1)};
            look.find.reset();
        } else {
            row = {look.insert.insert(key..., lived_s_), lived_s_};
        }
    }
    if (lived_s_ - row.used_s >= use_told_every_s) {
        look.use.run(row.id, lived_s_);
        row.used_s = lived_s_;
    }
    return row.id;
}

std::int64_t Catalog::device(const std::string &device_id) {
    const auto [place, added] = devices_.try_emplace(device_id);
    if (added) remembered_ += device_id.size() + sizeof(Device) + row_overhead;
    device_.insert.bind(3, received_at_ms_);
    return use(place->second.row, device_, device_id);
}

std::int64_t Catalog::sender(const std::string &sender) {
    const auto known = senders_.find(sender);
    if (known != senders_.end()) return use(known->second, sender_, sender);
    const bool is_new = sender != others && !sender_.find.find(sender);
    if (is_new && count_senders_.find().value_or(0) >= most_senders) return this->sender(others);
    return use(row(senders_, sender), sender_, sender);
}

void Catalog::conflicted(std::int64_t device) {
    conflicted_.run(device, received_at_ms_);
}

void Catalog::batch_stored(const Batch &batch, std::int64_t id, std::int64_t taken_at_ms,
                           std::optional<std::int64_t> sender) {
    Device &device = devices_[batch.device_id];
    device.sender = sender;
    device.version = batch.version;
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
    device.newest_batch = id;
    if (batch.name) device.name = batch.name;
    if (batch.location) device.location = batch.location;
}

std::int64_t Catalog::place(const std::string &name, const std::string &location) {
    std::string key = name;
    key.append(1, '\0').append(location);
    return use(row(places_, key), place_, name, location);
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
        update_device_.run(device->row.id, received_at_ms_, device->oldest, device->newest, device->name,
                           device->location, device->newest_batch, device->sender, device->version);
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
