#include "store/sqlite/age.hpp"

namespace ble {

SqliteAge::SqliteAge(Database &database)
    : read_(database,
            "SELECT lived_s, uptime_s, wall_ms, steady_since_s, boot, sure_boot, sure_wall_ms, sure_lived_s,"
            " rest_began_s FROM age"),
      write_(database,
             "UPDATE age SET lived_s = ?, uptime_s = ?, wall_ms = ?, steady_since_s = ?, boot = ?,"
             " sure_boot = ?, sure_wall_ms = ?, sure_lived_s = ?, rest_began_s = ?"),
      newest_(database,
              "SELECT max(coalesce((SELECT max(lived_s) FROM batches), -1),"
              " coalesce((SELECT max(lived_s) FROM batch_hashes), -1))"),
      older_batches_(database, "UPDATE batches SET lived_s = lived_s - ?1 WHERE lived_s < ?2"),
      older_hashes_(database, "UPDATE batch_hashes SET lived_s = lived_s - ?1 WHERE lived_s < ?2"),
      older_rollups_(database,
                     "UPDATE rollup_days SET first_s = first_s - iif(first_s < ?2, ?1, 0),"
                     " last_s = last_s - iif(last_s < ?2, ?1, 0) WHERE first_s < ?2"),
      date_batches_(database,
                    "UPDATE batches SET lived_s = ?1 - (?2 - received_at) / 1000"
                    " WHERE received_at <= ?2 AND lived_s > ?1 - (?2 - received_at) / 1000"),
      date_hashes_(database,
                   "UPDATE batch_hashes SET lived_s = ?1 - (?2 - received_at) / 1000"
                   " WHERE received_at <= ?2 AND lived_s > ?1 - (?2 - received_at) / 1000"),
      date_rollups_(database,
                    "UPDATE rollup_days SET first_s = min(first_s, ?1 - (?2 - received_at) / 1000),"
                    " last_s = ?1 - (?2 - received_at) / 1000"
                    " WHERE received_at <= ?2 AND last_s > ?1 - (?2 - received_at) / 1000") {}

AgeRow SqliteAge::read() {
    if (!read_.step()) throw Error(ExitCode::io, "the database has lost its age: restore a backup");
    const auto number = [this](int column) { return read_.integer(column); };
    AgeRow row{
        number(0), number(1), number(2), number(3), std::string(read_.text(4)), std::string(read_.text(5)),
        number(6), number(7), number(8)};
    read_.reset();
    return row;
}

void SqliteAge::write(const AgeRow &row) {
    write_.run(row.lived_s, row.uptime_s, row.wall_ms, row.steady_since_s, row.boot, row.sure_boot,
               row.sure_wall_ms, row.sure_lived_s, row.rest_began_s);
}

void SqliteAge::make_older(std::int64_t by_s, std::int64_t before_s) {
    older_batches_.run(by_s, before_s);
    older_hashes_.run(by_s, before_s);
    older_rollups_.run(by_s, before_s);
}

void SqliteAge::date(std::int64_t lived_s, std::int64_t wall_ms) {
    date_batches_.run(lived_s, wall_ms);
    date_hashes_.run(lived_s, wall_ms);
    date_rollups_.run(lived_s, wall_ms);
}

}  // namespace ble
