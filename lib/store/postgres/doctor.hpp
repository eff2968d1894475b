// What examine_store() of store/doctor.hpp finds of this kind of database.
#pragma once

#include <string>

#include "batch/finding.hpp"

namespace ble {

Findings examine_postgres(const std::string &uri);

}  // namespace ble
