// What examine_store() of store/doctor.hpp finds of this kind of database, and what check_store() objects to.
#pragma once

#include <string>

#include "batch/finding.hpp"

namespace ble {

Findings examine_sqlite(const std::string &path);
void check_sqlite(const std::string &path);

}  // namespace ble
