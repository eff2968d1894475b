#include "store/postgres/sqlstate.hpp"

#include <algorithm>

namespace ble {
namespace {

using Kind = DatabaseError::Kind;

struct Row {
    std::string_view begins;
    Kind kind;
    ExitCode code;
};

// The first that fits.
constexpr Row table[] = {
    {"40", Kind::collision, ExitCode::temporary},   // serialization failure, deadlock
    {"55P03", Kind::trouble, ExitCode::temporary},  // a lock was not free in time
    {"55006", Kind::trouble, ExitCode::temporary},  // object in use
    {"53", Kind::trouble, ExitCode::io},            // disk full, out of memory, too many connections
    {"57P04", Kind::foreign, ExitCode::config},     // the database was dropped
    {"57", Kind::trouble,
     ExitCode::unavailable},              // cancelled, as by statement_timeout; shutting down, starting up
    {"58", Kind::trouble, ExitCode::io},  // the server's files
    {"25006", Kind::trouble, ExitCode::unavailable},  // read-only: a standby
    {"25P0", Kind::trouble, ExitCode::temporary},     // time-outs of idle sessions and transactions
    {"08", Kind::trouble, ExitCode::unavailable},     // connection
    {"28", Kind::permission, ExitCode::permission},   // no such user, wrong password, pg_hba.conf
    {"42501", Kind::permission, ExitCode::permission},
    {"3D000", Kind::foreign, ExitCode::config},   // no such database
    {"22", Kind::constraint, ExitCode::data},     // values that cannot be
    {"23", Kind::constraint, ExitCode::data},     // constraints
    {"P0001", Kind::constraint, ExitCode::data},  // RAISE, as in a trigger
    {"54", Kind::constraint, ExitCode::data},     // too large
    {"XX00", Kind::foreign, ExitCode::io},        // damaged
};

}  // namespace

ErrorClass classify(std::string_view state, bool cut) {
    const auto *const row = std::find_if(std::begin(table), std::end(table), [&](const Row &one) {
        return state.substr(0, one.begins.size()) == one.begins;
    });
    if (!state.empty() && row != std::end(table)) return {row->kind, row->code};
    if (cut || state.empty()) return {Kind::trouble, ExitCode::unavailable};
    return {Kind::other, ExitCode::software};
}

}  // namespace ble
