// INSERTs of many small rows: several with one statement, since beginning and ending a statement costs more than a row.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sqlite/database.hpp"

namespace ble {

class BulkInsert {
  public:
    using Value = std::optional<std::int64_t>;

    // `into` as in "detections (timestamp, batch)", with so many columns. The database is borrowed.
    BulkInsert(Database &database, const std::string &into, std::size_t columns);

    // A row, of as many values as there are columns. Stored at once, or with later ones, by flush() at the latest. Throws as Statement does.
    template <class... Values>
    void add(const Values &...values) {
        (values_.emplace_back(values), ...);
        if (values_.size() == sizes.front() * columns_) flush();
    }
    // Stores the rows that were added. Throws as Statement does; the rows are forgotten either way.
    void flush();
    // The rows that were added and not stored.
    void forget() { values_.clear(); }

  private:
    static constexpr std::array<std::size_t, 3> sizes{64, 8, 1};  // rows of one statement

    std::size_t columns_;
    std::vector<Value> values_, storing_;  // one row after the other; the second keeps its room
    std::array<Statement, sizes.size()> statements_;
};

}  // namespace ble
