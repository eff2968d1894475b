#include "store/postgres/age.hpp"

namespace ble {
namespace {

#define COLUMNS                                                                                        \
    "SELECT lived_s, uptime_s, wall_ms, steady_since_s, boot, sure_boot, sure_wall_ms, sure_lived_s, " \
    "rest_began_s FROM age"
constexpr Query read_age{COLUMNS};
constexpr Query lock_age{COLUMNS " FOR UPDATE"};
#undef COLUMNS
constexpr Query write_age{
    "UPDATE age SET lived_s = $1::bigint, uptime_s = $2::bigint, wall_ms = $3::bigint, steady_since_s = "
    "$4::bigint, boot = $5,"
    " sure_boot = $6, sure_wall_ms = $7::bigint, sure_lived_s = $8::bigint, rest_began_s = $9::bigint"};
// Whoever writes for a start of the machine holds this lock for as long as its session lasts: that somebody of that start lives. To take it
// again does no harm.
constexpr Query keep_age{"SELECT pg_advisory_lock_shared(1112294769, hashtext($1))"};
constexpr Query who_keeps{
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = 1112294769"
    " AND objid::bigint = hashtext($1)::bigint & 4294967295 AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1"};
constexpr Query newest_age{
    "SELECT greatest((SELECT max(lived_s) FROM batches), (SELECT max(lived_s) FROM batch_hashes), -1)"};
constexpr Query older_batches{"UPDATE batches SET lived_s = lived_s - $1::bigint WHERE lived_s < $2::bigint"};
constexpr Query older_hashes{
    "UPDATE batch_hashes SET lived_s = lived_s - $1::bigint WHERE lived_s < $2::bigint"};
constexpr Query older_rollups{
    "UPDATE rollup_days SET first_s = first_s - CASE WHEN first_s < $2::bigint THEN $1::bigint ELSE 0 END,"
    " last_s = last_s - CASE WHEN last_s < $2::bigint THEN $1::bigint ELSE 0 END WHERE first_s < $2::bigint"};
constexpr Query date_batches{
    "UPDATE batches SET lived_s = $1::bigint - ($2::bigint - received_at) / 1000"
    " WHERE received_at <= $2::bigint AND lived_s > $1::bigint - ($2::bigint - received_at) / 1000"};
constexpr Query date_hashes{
    "UPDATE batch_hashes SET lived_s = $1::bigint - ($2::bigint - received_at) / 1000"
    " WHERE received_at <= $2::bigint AND lived_s > $1::bigint - ($2::bigint - received_at) / 1000"};
constexpr Query date_rollups{
    "UPDATE rollup_days SET first_s = least(first_s, $1::bigint - ($2::bigint - received_at) / 1000),"
    " last_s = $1::bigint - ($2::bigint - received_at) / 1000"
    " WHERE received_at <= $2::bigint AND last_s > $1::bigint - ($2::bigint - received_at) / 1000"};

AgeRow row_of(const Answer &answer) {
    const auto number = [&](int column) { return answer.integer(0, column); };
    return {number(0),
            number(1),
            number(2),
            number(3),
            std::string(answer.text(0, 4)),
            std::string(answer.text(0, 5)),
            number(6),
            number(7),
            number(8)};
}

}  // namespace

AgeRow PostgresAge::read() {
    return row_of(connection_.ask(read_age));
}

AgeRow PostgresAge::lock() {
    return row_of(connection_.ask(lock_age));
}

void PostgresAge::write(const AgeRow &row) {
    connection_.queue(write_age,
                      Values::of(row.lived_s, row.uptime_s, row.wall_ms, row.steady_since_s, row.boot,
                                 row.sure_boot, row.sure_wall_ms, row.sure_lived_s, row.rest_began_s));
    connection_.queue(keep_age, Values::of(row.boot));
}

bool PostgresAge::is_kept(const std::string &boot) {
    return connection_.ask(who_keeps, Values::of(boot)).rows() > 0;
}

std::int64_t PostgresAge::newest() {
    return connection_.ask(newest_age).integer(0, 0);
}

// Both go through all batches, and may take their time.
void PostgresAge::make_older(std::int64_t by_s, std::int64_t before_s) {
    const Connection::Patient patient(connection_);
    connection_.queue(older_batches, Values::of(by_s, before_s));
    connection_.queue(older_rollups, Values::of(by_s, before_s));
    connection_.ask(older_hashes, Values::of(by_s, before_s));
}

void PostgresAge::date(std::int64_t lived_s, std::int64_t wall_ms) {
    const Connection::Patient patient(connection_);
    connection_.queue(date_batches, Values::of(lived_s, wall_ms));
    connection_.queue(date_rollups, Values::of(lived_s, wall_ms));
    connection_.ask(date_hashes, Values::of(lived_s, wall_ms));
}

}  // namespace ble
