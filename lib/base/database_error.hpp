// What a database refuses, whichever it is.
#pragma once

#include "base/error.hpp"

namespace ble {

class DatabaseError : public Error {
  public:
    enum class Kind {
        trouble,  // may pass by itself: locked, disk full, I/O error, read-only for now, out of memory. Try again later
        collision,   // with another transaction, which the database undid this one for. Try again at once
        permission,  // it may not be opened, or used in this way
        constraint,  // the data broke a rule of the schema, or is too large for it: this row will never be taken
        foreign,     // it is no database of this kind, or is damaged
        other,       // a missing table, wrong SQL
    };
    DatabaseError(Kind kind, ExitCode code, const std::string &text) : Error(code, text), kind_(kind) {}
    Kind kind() const noexcept { return kind_; }

  private:
    Kind kind_;
};

}  // namespace ble
