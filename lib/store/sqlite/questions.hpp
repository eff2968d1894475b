#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/rows/question_rows.hpp"

namespace ble {

// Opens the file for reading alone. `go_on` is asked some times a second while it works: false ends that with DatabaseError(trouble). Error(config)
// when it is not ours, or of another version than this program's; Error(permission) when SQLite cannot read it in a folder that only its
// owner may write.
std::unique_ptr<QuestionRows> open_sqlite_questions(const std::string &path,
                                                    const std::function<bool()> &go_on);

}  // namespace ble
