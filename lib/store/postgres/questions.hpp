#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/rows/question_rows.hpp"

namespace ble {

// As make_store() of store.hpp, for reading alone. Error(config) when the database has no schema of ours, or of another version than this
// program's.
std::unique_ptr<QuestionRows> open_postgres_questions(const std::string &uri,
                                                      const std::function<bool()> &go_on);

}  // namespace ble
