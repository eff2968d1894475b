#include "store/postgres/names.hpp"

#include <unordered_map>

namespace ble {
namespace {

// Names that are new are made in the order of all, so that two who make the same wait for each other in one direction only.
constexpr Query learn_devices{
    "WITH asked AS (SELECT DISTINCT device_id FROM unnest($1::text[]) AS device_id),"
    " made AS (INSERT INTO devices (device_id, used_s, last_received)"
    "  SELECT device_id, $2::bigint, $3::bigint FROM asked"
    "   WHERE NOT EXISTS (SELECT 1 FROM devices WHERE devices.device_id = asked.device_id)"
    "   ORDER BY device_id COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING device_id, id, used_s)"
    " SELECT device_id, id, used_s FROM devices JOIN asked USING (device_id) UNION ALL SELECT * FROM made"};
constexpr Query learn_places{
    "WITH asked AS (SELECT DISTINCT name, location FROM unnest($1::text[], $2::text[]) AS asked (name, "
    "location)),"
    " made AS (INSERT INTO places (name, location, used_s)"
    "  SELECT name, location, $3::bigint FROM asked"
    "   WHERE NOT EXISTS (SELECT 1 FROM places WHERE places.name = asked.name AND places.location = "
    "asked.location)"
    "   ORDER BY name COLLATE \"C\", location COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING name, location, "
    "id, used_s)"
    " SELECT name, location, id, used_s FROM places JOIN asked USING (name, location) UNION ALL SELECT * "
    "FROM made"};
// Of more than there may be, those that were named first.
constexpr Query learn_some_senders{
    "WITH asked AS (SELECT sender, min(place) AS place FROM unnest($1::text[]) WITH ORDINALITY AS asked "
    "(sender, "
    "place) GROUP BY sender),"
    " fresh AS (SELECT sender, row_number() OVER (ORDER BY place) AS n FROM asked"
    "  WHERE NOT EXISTS (SELECT 1 FROM senders WHERE senders.sender = asked.sender)),"
    " made AS (INSERT INTO senders (sender, used_s)"
    "  SELECT sender, $2::bigint FROM fresh WHERE n + (SELECT count(*) FROM senders) <= $3::bigint"
    "   ORDER BY sender COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING sender, id, used_s)"
    " SELECT sender, id, senders.used_s FROM senders JOIN asked USING (sender) UNION ALL SELECT * FROM made"};
// Most of those that are not known to a process are new.
constexpr Query make_hashes{
    "INSERT INTO advertiser_totals (device_hash) SELECT device_hash FROM unnest($1::text[]) AS device_hash,"
    " set_config('synchronous_commit', 'off', true) ORDER BY device_hash COLLATE \"C\""
    " ON CONFLICT DO NOTHING RETURNING device_hash, id"};
constexpr Query find_hashes{
    "SELECT device_hash, id FROM advertiser_totals WHERE device_hash = ANY ($1::text[])"};

constexpr Query find_device_row{"SELECT id, used_s FROM devices WHERE device_id = $1"};
constexpr Query insert_device_row{
    "INSERT INTO devices (device_id, used_s, last_received) VALUES ($1, $2::bigint, $3::bigint)"
    " ON CONFLICT (device_id) DO UPDATE SET used_s = devices.used_s RETURNING id"};
constexpr Query find_place_row{"SELECT id, used_s FROM places WHERE name = $1 AND location = $2"};
constexpr Query insert_place_row{
    "INSERT INTO places (name, location, used_s) VALUES ($1, $2, $3::bigint)"
    " ON CONFLICT (name, location) DO UPDATE SET used_s = places.used_s RETURNING id"};
constexpr Query find_sender_row{"SELECT id, used_s FROM senders WHERE sender = $1"};
constexpr Query insert_sender_row{
    "INSERT INTO senders (sender, used_s) VALUES ($1, $2::bigint)"
    " ON CONFLICT (sender) DO UPDATE SET used_s = senders.used_s RETURNING id"};
constexpr Query count_all_senders{"SELECT count(*) FROM senders"};
constexpr Query use_device_row{"UPDATE devices SET used_s = $2::bigint WHERE id = $1::bigint"};
constexpr Query use_place_row{"UPDATE places SET used_s = $2::bigint WHERE id = $1::bigint"};
constexpr Query use_sender_row{"UPDATE senders SET used_s = $2::bigint WHERE id = $1::bigint"};
constexpr Query find_advertiser{"SELECT id FROM advertiser_totals WHERE device_hash = $1"};
constexpr Query insert_advertiser{
    "INSERT INTO advertiser_totals (device_hash) VALUES ($1)"
    " ON CONFLICT (device_hash) DO UPDATE SET detections = advertiser_totals.detections RETURNING id"};
constexpr Query update_device{
    "UPDATE devices SET last_received = $2::bigint, first_seen = least(first_seen, $3::bigint),"
    " last_seen = newer(last_seen, $4::bigint, $2::bigint),"
    " name = CASE WHEN name IS NULL OR last_seen NOT BETWEEN $4::bigint + 1 AND $2::bigint THEN "
    "coalesce($5::text, name) ELSE name END,"
    " location = CASE WHEN location IS NULL OR last_seen NOT BETWEEN $4::bigint + 1 AND $2::bigint"
    "  THEN coalesce($6::text, location) ELSE location END,"
    " last_batch = CASE WHEN last_batch IS NULL OR last_seen NOT BETWEEN $4::bigint + 1 AND $2::bigint"
    "  THEN $7::bigint ELSE last_batch END,"
    " last_sender = $8::bigint, last_version = $9::text WHERE id = $1::bigint"};
constexpr Query update_archived{
    "UPDATE devices SET last_received = greatest(last_received, $2::bigint),"
    " first_seen = least(first_seen, $3::bigint), last_seen = greatest(last_seen, $4::bigint),"
    " name = coalesce(name, $5::text), location = coalesce(location, $6::text),"
    " last_batch = CASE WHEN last_batch IS NULL OR coalesce(last_seen <= $4::bigint, true)"
    "  THEN $7::bigint ELSE last_batch END,"
    " last_sender = CASE WHEN last_received <= $2::bigint THEN $8::bigint ELSE last_sender END WHERE id = "
    "$1::bigint"};
constexpr Query merge_device{
    "UPDATE devices SET last_received = greatest(last_received, $2::bigint), conflicts = greatest(conflicts, "
    "$3::bigint),"
    " is_active = CASE WHEN last_received < $2::bigint THEN $4::smallint ELSE is_active END,"
    " first_seen = least(first_seen, $5::bigint), last_seen = greatest(last_seen, $6::bigint),"
    " last_conflict = greatest(last_conflict, $7::bigint),"
    " last_sender = CASE WHEN last_received <= $2::bigint THEN $8::bigint ELSE last_sender END,"
    " name = CASE WHEN last_received <= $2::bigint THEN coalesce($9::text, name) ELSE coalesce(name, "
    "$9::text) END,"
    " location = CASE WHEN last_received <= $2::bigint THEN coalesce($10::text, location)"
    "  ELSE coalesce(location, $10::text) END,"
    " last_version = CASE WHEN last_received <= $2::bigint THEN $11::text ELSE last_version END WHERE id = "
    "$1::bigint"};
constexpr Query count_conflict{
    "UPDATE devices SET conflicts = conflicts + 1, last_conflict = $2::bigint WHERE id = $1::bigint"};
constexpr Query insert_news{
    "INSERT INTO advertiser_news (received_at, advertisers, firsts, lasts, counts)"
    " VALUES ($1::bigint, $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])"};

std::optional<NameRow> row_of(const Answer &answer) {
    if (answer.rows() == 0) return {};
    return NameRow{answer.integer(0, 0), answer.integer(0, 1)};
}

// A trigger may keep a row out in silence.
std::int64_t made(const Answer &answer) {
    if (answer.rows() > 0) return answer.integer(0, 0);
    throw DatabaseError(DatabaseError::Kind::constraint, ExitCode::data,
                        "a trigger kept a row out of the database");
}

// Their last columns are id and used_s, and before them stands the name.
std::unordered_map<std::string, NameRow> rows_by_name(const Answer &answer, int parts) {
    std::unordered_map<std::string, NameRow> rows;
    for (int row = 0; row < answer.rows(); ++row) {
        std::string name(answer.text(row, 0));
        if (parts == 2) name.append(1, '\0').append(answer.text(row, 1));
        rows[name] = {answer.integer(row, parts), answer.integer(row, parts + 1)};
    }
    return rows;
}

NameRow found_in(const std::unordered_map<std::string, NameRow> &rows, const std::string &name) {
    const auto found = rows.find(name);
    return found == rows.end() ? NameRow{} : found->second;
}

}  // namespace

// Each statement is a transaction of its own, which need not be on the disk: what refers to its names is committed later, and
// so is on the disk later.
void PostgresNames::learn(NamesAsked &asked, std::int64_t used_s, std::int64_t received_at) {
    learn_names(asked, used_s, received_at);
    if (!asked.advertisers.empty()) asked.advertiser_ids = learn_advertisers(asked.advertisers);
}

void PostgresNames::learn_names(NamesAsked &asked, std::int64_t used_s, std::int64_t received_at) {
    if (!asked.devices.empty()) {
        const auto rows =
            rows_by_name(connection_.ask(learn_devices, Values::of(asked.devices, used_s, received_at)), 1);
        asked.device_rows.reserve(asked.devices.size());
        for (const auto name : asked.devices) asked.device_rows.push_back(found_in(rows, std::string(name)));
    }
    if (!asked.senders.empty()) {
        const auto rows = rows_by_name(
            connection_.ask(learn_some_senders, Values::of(asked.senders, used_s, asked.most_senders)), 1);
        asked.sender_rows.reserve(asked.senders.size());
        for (const auto name : asked.senders) asked.sender_rows.push_back(found_in(rows, std::string(name)));
    }
    if (!asked.places.empty()) learn_places_of(asked, used_s);
}

void PostgresNames::learn_places_of(NamesAsked &asked, std::int64_t used_s) {
    std::vector<std::string_view> names, locations;
    names.reserve(asked.places.size());
    locations.reserve(asked.places.size());
    for (const auto &[name, location] : asked.places) {
        names.push_back(name);
        locations.push_back(location);
    }
    const auto rows = rows_by_name(connection_.ask(learn_places, Values::of(names, locations, used_s)), 2);
    asked.place_rows.reserve(asked.places.size());
    for (const auto &[name, location] : asked.places)
        asked.place_rows.push_back(found_in(rows, std::string(name).append(1, '\0').append(location)));
}

std::vector<std::int64_t> PostgresNames::learn_advertisers(const std::vector<std::string_view> &hashes) {
    std::unordered_map<std::string, std::int64_t> ids;
    const auto ask = [&](const Query &query, const std::vector<std::string_view> &names) {
        const Answer answer = connection_.ask(query, Values::of(names));
        for (int row = 0; row < answer.rows(); ++row)
            ids.emplace(answer.text(row, 0), answer.integer(row, 1));
    };
    ask(make_hashes, hashes);
    std::vector<std::string_view> known;
    for (const auto hash : hashes)
        if (!ids.contains(std::string(hash))) known.push_back(hash);
    if (!known.empty()) ask(find_hashes, known);
    std::vector<std::int64_t> out;
    out.reserve(hashes.size());
    for (const auto hash : hashes) out.push_back(ids[std::string(hash)]);
    return out;
}

std::optional<NameRow> PostgresNames::find_device(const std::string &device_id) {
    return row_of(connection_.ask(find_device_row, Values::of(device_id)));
}

std::int64_t PostgresNames::insert_device(const std::string &device_id, std::int64_t used_s,
                                          std::int64_t last_received) {
    return made(connection_.ask(insert_device_row, Values::of(device_id, used_s, last_received)));
}

std::optional<NameRow> PostgresNames::find_place(const std::string &name, const std::string &location) {
    return row_of(connection_.ask(find_place_row, Values::of(name, location)));
}

std::int64_t PostgresNames::insert_place(const std::string &name, const std::string &location,
                                         std::int64_t used_s) {
    return made(connection_.ask(insert_place_row, Values::of(name, location, used_s)));
}

std::optional<NameRow> PostgresNames::find_sender(const std::string &sender) {
    return row_of(connection_.ask(find_sender_row, Values::of(sender)));
}

std::int64_t PostgresNames::insert_sender(const std::string &sender, std::int64_t used_s) {
    return made(connection_.ask(insert_sender_row, Values::of(sender, used_s)));
}

std::int64_t PostgresNames::count_senders() {
    return connection_.ask(count_all_senders).integer(0, 0);
}

void PostgresNames::use_device(std::int64_t id, std::int64_t used_s) {
    connection_.queue(use_device_row, Values::of(id, used_s));
}

void PostgresNames::use_place(std::int64_t id, std::int64_t used_s) {
    connection_.queue(use_place_row, Values::of(id, used_s));
}

void PostgresNames::use_sender(std::int64_t id, std::int64_t used_s) {
    connection_.queue(use_sender_row, Values::of(id, used_s));
}

std::int64_t PostgresNames::advertiser(std::string_view device_hash) {
    const Answer found = connection_.ask(find_advertiser, Values::of(device_hash));
    if (found.rows() > 0) return found.integer(0, 0);
    return made(connection_.ask(insert_advertiser, Values::of(device_hash)));
}

void PostgresNames::tell(const DeviceNews &news) {
    connection_.queue(update_device,
                      Values::of(news.id, news.received_at, news.oldest, news.newest, news.name,
                                 news.location, news.newest_batch, news.sender, news.version));
}

void PostgresNames::tell_archived(const DeviceNews &news) {
    connection_.queue(update_archived, Values::of(news.id, news.received_at, news.oldest, news.newest,
                                                  news.name, news.location, news.newest_batch, news.sender));
}

void PostgresNames::merge(const DeviceWord &word) {
    connection_.queue(merge_device, Values::of(word.id, word.last_received, word.conflicts, word.is_active,
                                               word.first_seen, word.last_seen, word.last_conflict,
                                               word.sender, word.name, word.location, word.version));
}

void PostgresNames::conflicted(std::int64_t device, std::int64_t at) {
    connection_.queue(count_conflict, Values::of(device, at));
}

void PostgresNames::tell(const std::vector<AdvertiserNews> &news, std::int64_t received_at) {
    if (news.empty()) return;
    std::vector<std::int64_t> ids, firsts, lasts, counts;
    for (const auto &one : news) {
        ids.push_back(one.id);
        firsts.push_back(one.first);
        lasts.push_back(one.last);
        counts.push_back(one.heard);
    }
    connection_.queue(insert_news, Values::of(received_at, ids, firsts, lasts, counts));
}

}  // namespace ble
