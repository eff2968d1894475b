#include "store/sqlite/names.hpp"

#include <utility>

namespace ble {
namespace {

std::optional<NameRow> row_of(Statement &statement) {
    if (!statement.step()) return {};
    const NameRow row{statement.integer(0), statement.integer(1)};
    statement.reset();
    return row;
}

}  // namespace

SqliteNames::SqliteNames(Database &database)
    : database_(database),
      find_device_(database, "SELECT id, used_s FROM devices WHERE device_id = ?"),
      insert_device_(database,
                     "INSERT INTO devices (device_id, used_s, last_received) VALUES (?, ?, ?) RETURNING id"),
      use_device_(database, "UPDATE devices SET used_s = ?2 WHERE id = ?1"),
      find_place_(database, "SELECT id, used_s FROM places WHERE name = ? AND location = ?"),
      insert_place_(database, "INSERT INTO places (name, location, used_s) VALUES (?, ?, ?) RETURNING id"),
      use_place_(database, "UPDATE places SET used_s = ?2 WHERE id = ?1"),
      find_sender_(database, "SELECT id, used_s FROM senders WHERE sender = ?"),
      insert_sender_(database, "INSERT INTO senders (sender, used_s) VALUES (?, ?) RETURNING id"),
      use_sender_(database, "UPDATE senders SET used_s = ?2 WHERE id = ?1"),
      count_senders_(database, "SELECT count(*) FROM senders"),
      update_device_(
          database,
          "UPDATE devices SET last_received = ?2, first_seen = min(coalesce(first_seen, ?3), ?3),"
          " last_seen = iif(last_seen BETWEEN ?4 AND ?2, last_seen, ?4),"
          " name = iif(name IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, coalesce(?5, name), name),"
          " location = iif(location IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, coalesce(?6, location), "
          "location),"
          " last_batch = iif(last_batch IS NULL OR last_seen NOT BETWEEN ?4 + 1 AND ?2, ?7, last_batch),"
          " last_sender = ?8, last_version = ?9 WHERE id = ?1"),
      update_archived_(
          database,
          "UPDATE devices SET last_received = max(last_received, ?2),"
          " first_seen = min(coalesce(first_seen, ?3), ?3), last_seen = max(coalesce(last_seen, ?4), ?4),"
          " name = coalesce(name, ?5), location = coalesce(location, ?6),"
          " last_batch = iif(last_batch IS NULL OR coalesce(last_seen <= ?4, 1), ?7, last_batch),"
          " last_sender = iif(last_received <= ?2, ?8, last_sender) WHERE id = ?1"),
      merge_device_(
          database,
          "UPDATE devices SET last_received = max(last_received, ?2), conflicts = max(conflicts, ?3),"
          " is_active = iif(last_received < ?2, ?4, is_active),"
          " first_seen = coalesce(min(first_seen, ?5), first_seen, ?5),"
          " last_seen = coalesce(max(last_seen, ?6), last_seen, ?6),"
          " last_conflict = coalesce(max(last_conflict, ?7), last_conflict, ?7),"
          " last_sender = iif(last_received <= ?2, ?8, last_sender),"
          " name = iif(last_received <= ?2, coalesce(?9, name), coalesce(name, ?9)),"
          " location = iif(last_received <= ?2, coalesce(?10, location), coalesce(location, ?10)),"
          " last_version = iif(last_received <= ?2, ?11, last_version) WHERE id = ?1"),
      conflicted_(database, "UPDATE devices SET conflicts = conflicts + 1, last_conflict = ?2 WHERE id = ?1"),
      find_advertiser_(database, "SELECT id FROM advertisers WHERE device_hash = ?"),
      put_advertisers_(database, "advertisers (id, device_hash, first_seen, last_seen, detections)",
                       "ON CONFLICT (id) DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),"
                       " last_seen = iif(last_seen BETWEEN excluded.last_seen AND ?, last_seen, "
                       "excluded.last_seen),"
                       " detections = detections + excluded.detections") {}

void SqliteNames::begin() {
    next_advertiser_ = 0;  // another process may have added some
    put_advertisers_.forget();
}

std::optional<NameRow> SqliteNames::find_device(const std::string &device_id) {
    find_device_.bind(1, device_id);
    return row_of(find_device_);
}

std::int64_t SqliteNames::insert_device(const std::string &device_id, std::int64_t used_s,
                                        std::int64_t last_received) {
    return insert_device_.insert(device_id, used_s, last_received);
}

std::optional<NameRow> SqliteNames::find_place(const std::string &name, const std::string &location) {
    find_place_.bind(1, name).bind(2, location);
    return row_of(find_place_);
}

std::int64_t SqliteNames::insert_place(const std::string &name, const std::string &location,
                                       std::int64_t used_s) {
    return insert_place_.insert(name, location, used_s);
}

std::optional<NameRow> SqliteNames::find_sender(const std::string &sender) {
    find_sender_.bind(1, sender);
    return row_of(find_sender_);
}

std::int64_t SqliteNames::insert_sender(const std::string &sender, std::int64_t used_s) {
    return insert_sender_.insert(sender, used_s);
}

std::int64_t SqliteNames::count_senders() {
    return count_senders_.find().value_or(0);
}

std::int64_t SqliteNames::advertiser(std::string_view device_hash) {
    if (const auto found = find_advertiser_.find(device_hash)) return *found;
    // The id is ours to choose: no other process can write before this transaction ends.
    if (next_advertiser_ == 0)
        next_advertiser_ = database_.integer("SELECT max(id) FROM advertisers").value_or(0) + 1;
    return next_advertiser_++;
}

void SqliteNames::tell(const DeviceNews &news) {
    update_device_.run(news.id, news.received_at, news.oldest, news.newest, news.name, news.location,
                       news.newest_batch, news.sender, news.version);
}

void SqliteNames::tell_archived(const DeviceNews &news) {
    update_archived_.run(news.id, news.received_at, news.oldest, news.newest, news.name, news.location,
                         news.newest_batch, news.sender);
}

void SqliteNames::merge(const DeviceWord &word) {
    merge_device_.run(word.id, word.last_received, word.conflicts, word.is_active, word.first_seen,
                      word.last_seen, word.last_conflict, word.sender, word.name, word.location,
                      word.version);
}

void SqliteNames::tell(const std::vector<AdvertiserNews> &news, std::int64_t received_at) {
    put_advertisers_.share(received_at);
    for (const auto &one : news)
        put_advertisers_.add(one.id, one.device_hash, one.first, one.last, one.heard);
    if (std::cmp_less(put_advertisers_.flush(), news.size())) Statement::kept_out();
}

}  // namespace ble
