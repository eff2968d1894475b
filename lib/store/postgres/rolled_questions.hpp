#pragma once

#include <string>

namespace ble::postgres_rolled {

// Questions that rollups answer, from the comma or SELECT after `asked` on; parameters as in questions.cpp.
const std::string &track();
const std::string &deleted();

}  // namespace ble::postgres_rolled
