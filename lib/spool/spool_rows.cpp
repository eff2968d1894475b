#include "spool/spool_rows.hpp"

#include "base/error.hpp"

namespace ble {
namespace {

std::int64_t number(std::uint64_t id) {
    return static_cast<std::int64_t>(id);
}

std::uint64_t id_of(std::int64_t number) {
    return static_cast<std::uint64_t>(number);
}

}  // namespace

SpoolRows::SpoolRows(Database &database)
    : database_(database),
      insert_(database, "INSERT INTO batches (id, since, line, lived_s) VALUES (?, ?, ?, ?)"),
      delete_(database, "DELETE FROM batches WHERE id BETWEEN ? AND ?"),
      page_(database, "SELECT id, since, line, lived_s FROM batches WHERE id > ? ORDER BY id"),
      put_gap_(database,
               "INSERT OR REPLACE INTO gaps (id, since, line, ours, lived_s) VALUES (?, ?, ?, ?, ?)"),
      delete_gap_(database, "DELETE FROM gaps WHERE id = ?"),
      read_gap_(database, "SELECT line FROM gaps WHERE id = ?"),
      save_state_(
          database,
          "UPDATE state SET next_id = ?, dropped = ?, unnamed = ?, expired = ?, lived_s = ?, uptime_s = ?,"
          " boot = ?") {}

SpoolRows::Sum SpoolRows::sum() {
    Sum sum;
    Statement sizes(database_, "SELECT length(line) FROM batches");
    for (; sizes.step(); ++sum.batches) sum.bytes += static_cast<std::uint64_t>(sizes.integer(0));
    return sum;
}

SpoolRows::State SpoolRows::state() {
    Statement state(database_,
                    "SELECT next_id, dropped, unnamed, expired, lived_s, uptime_s, boot FROM state");
    if (!state.step()) throw Error(ExitCode::io, "the spool " + database_.path() + " has lost its state");
    const auto count = [&](int column) { return static_cast<std::uint64_t>(state.integer(column)); };
    return {.reserved = count(0),
            .loss = {.dropped = count(1), .expired = count(3), .unnamed = count(2)},
            .age = {state.integer(4), state.integer(5), std::string(state.text(6))}};
}

void SpoolRows::save(const State &state) {
    const auto &[reserved, loss, age] = state;
    save_state_.run(number(reserved), number(loss.dropped), number(loss.unnamed), number(loss.expired),
                    age.lived_s, age.uptime_s, age.boot);
}

void SpoolRows::insert_batch(const Row &row) {
    insert_.run(number(row.id), row.came.since_ms, Blob{row.line}, row.came.lived_s);
}

void SpoolRows::delete_batch(std::uint64_t id) {
    delete_.run(number(id), number(id));
}

// Most were sent and delivered in order: one statement for each range.
void SpoolRows::delete_batches(const std::set<std::uint64_t> &ids) {
    for (auto id = ids.begin(); id != ids.end();) {
        const auto first = *id;
        auto last = first;
        while (++id != ids.end() && *id == last + 1) last = *id;
        delete_.run(number(first), number(last));
    }
}

void SpoolRows::read_batches_after(std::uint64_t id, const std::function<bool(const Row &)> &take) {
    page_.bind(1, number(id));
    for (bool more = true; more && page_.step();)
        more = take({id_of(page_.integer(0)), {page_.integer(1), page_.integer(3)}, page_.text(2)});
    page_.reset();
}

void SpoolRows::put_gap(const Row &row) {
    put_gap_.run(number(row.id), row.came.since_ms, Blob{row.line}, row.ours, row.came.lived_s);
}

void SpoolRows::delete_gap(std::uint64_t id) {
    delete_gap_.run(number(id));
}

std::string SpoolRows::gap_line(std::uint64_t id) {
    read_gap_.bind(1, number(id));
    if (!read_gap_.step())
        throw Error(ExitCode::io, "the spool " + database_.path() + " has lost a gap line");
    std::string line(read_gap_.text(0));
    read_gap_.reset();
    return line;
}

void SpoolRows::read_gaps(const std::function<void(const Row &)> &take) {
    Statement rows(database_, "SELECT id, since, line, ours, lived_s FROM gaps ORDER BY id");
    while (rows.step())
        take(
            {id_of(rows.integer(0)), {rows.integer(1), rows.integer(4)}, rows.text(2), rows.integer(3) != 0});
}

}  // namespace ble
