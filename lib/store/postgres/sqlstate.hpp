// What an error of PostgreSQL means for us, by its SQLSTATE: appendix A of its documentation.
#pragma once

#include <string_view>

#include "base/database_error.hpp"

namespace ble {

struct ErrorClass {
    DatabaseError::Kind kind;
    ExitCode code;
};

// `state` is empty when libpq itself failed; `cut`: the connection is gone.
ErrorClass classify(std::string_view state, bool cut);

}  // namespace ble
