// Why a line is not JSON, and where: the fast parser says neither.
#pragma once

#include <string_view>

#include "batch/batch.hpp"

namespace ble {

// `otherwise`: the reason when a second, slower reading finds no fault (numbers beyond 64 bits, for example).
InvalidLine explain_json_error(std::string_view line, std::string_view otherwise);

}  // namespace ble
