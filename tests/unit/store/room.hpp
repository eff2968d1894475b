// The databases that a store may be in, for tests that run in each of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace ble::test {

// A new database, which goes with this.
class Room {
  public:
    virtual ~Room() = default;

    virtual std::string name() const = 0;  // for make_store()
    // Rows of a query, or of a statement with RETURNING: columns joined by '|', true and false as 1 and 0, NULL as nothing.
    virtual std::vector<std::string> rows(const std::string &sql) = 0;
    std::string text(const std::string &sql);  // the first one
    // From now on no batch of which that is true is taken; in `condition` NEW is its row.
    virtual void refuse(const std::string &condition) = 0;
    virtual void wait_alone() {}  // until nobody else uses it: somebody may be on his way out
};

constexpr char in_sqlite[] = "SQLite", in_postgres[] = "PostgreSQL";
// To be given GENERATE(as<std::string>{}, in_sqlite, in_postgres).
std::unique_ptr<Room> make_room(const std::string &kind);

}  // namespace ble::test
