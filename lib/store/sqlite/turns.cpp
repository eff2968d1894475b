#include "store/sqlite/turns.hpp"

namespace ble {

SqliteTurns::SqliteTurns(Database &database)
    : find_(database, "SELECT run, at FROM turns WHERE device = ?"),
      take_(database,
            "INSERT INTO turns (device, run, at) VALUES (?1, ?2, ?3)"
            " ON CONFLICT DO UPDATE SET run = ?2, at = ?3"),
      move_(database, "UPDATE turns SET at = ?2 WHERE device = ?1"),
      meet_(database,
            "UPDATE turns SET other = ?2, until = ?3,"
            " since = iif(until BETWEEN ?3 - ?4 AND ?3 + ?5 AND since <= ?3, since, ?3) WHERE device = ?1"),
      returns_(database, "SELECT returns FROM runs WHERE id = ? AND returns IS NOT NULL"),
      set_returns_(database, "UPDATE runs SET returns = ?2 WHERE id = ?1"),
      run_id_(database, "SELECT run_id FROM runs WHERE id = ?") {}

Turn SqliteTurns::find(std::int64_t device) {
    find_.bind(1, device);
    if (!find_.step()) return {};
    const Turn turn{find_.integer(0), find_.integer(1)};
    find_.reset();
    return turn;
}

void SqliteTurns::meet(const Meeting &meeting) {
    meet_.run(meeting.device, meeting.other, meeting.now_ms, meeting.most_ago_ms, meeting.most_ahead_ms);
}

std::string SqliteTurns::run_id(std::int64_t run) {
    run_id_.bind(1, run);
    std::string id = run_id_.step() ? std::string(run_id_.text(0)) : "";
    run_id_.reset();
    return id;
}

}  // namespace ble
