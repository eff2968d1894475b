// INSERTs of many small rows: several in one statement, because to begin and end a statement costs more than a row.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sqlite/database.hpp"

namespace ble {

// "INSERT INTO `into` VALUES (?, …), … `end`", with so many rows.
std::string insert_statement(const std::string &into, std::size_t columns, std::size_t rows,
                             const std::string &end);

// A row is one value of each of these types, all of which Statement can bind; texts and blobs are borrowed until the row is stored.
template <class... Column>
class BulkInsert {
  public:
    // `into` as in "detections (timestamp, batch)". `end` is what stands behind the rows, "ON CONFLICT …", with
    // parameters of its own, which share() gives. `sorted`: so many rows, at least 64, are kept and put in the order of their columns before
    // they are stored: a B-tree whose rows come nearly in the order of its key has fuller pages then. 0: they are stored as they come.
    // The database is borrowed.
    BulkInsert(Database &database, const std::string &into, const std::string &end = {},
               std::size_t sorted = 0)
        : database_(database),
          sorted_(sorted),
          statements_{Statement(database, insert_statement(into, sizeof...(Column), sizes[0], end)),
                      Statement(database, insert_statement(into, sizeof...(Column), sizes[1], end)),
                      Statement(database, insert_statement(into, sizeof...(Column), sizes[2], end))} {}

    // The parameters of `end`, for all rows from now on. Numbers.
    template <class... Value>
    void share(const Value &...values) {
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            auto index = static_cast<int>(sizes[i] * sizeof...(Column));
            (statements_[i].bind(++index, values), ...);
        }
    }
    // A row. Stored at once, or with later ones, by flush() at the latest. Throws as Statement does.
    void add(const Column &...values) {
        rows_.emplace_back(values...);
        if (rows_.size() == std::max(sorted_, sizes.front())) store();
    }
    // Stores the rows that were added. Throws as Statement does; the rows are forgotten either way. Returns how many were stored since
    // the last flush(): fewer than were added when a trigger kept some out.
    std::int64_t flush() {
        store();
        return std::exchange(stored_, 0);
    }
    // The rows that were added and not stored.
    void forget() {
        rows_.clear();
        stored_ = 0;
    }

  private:
    static constexpr std::array<std::size_t, 3> sizes{64, 8, 1};  // rows of one statement

    void store() {
        storing_.swap(rows_);
        rows_.clear();
        if (sorted_ > 0) std::sort(storing_.begin(), storing_.end());
        std::size_t done = 0;
        for (std::size_t i = 0; i < sizes.size(); ++i)
            for (; storing_.size() - done >= sizes[i]; done += sizes[i])
                store(statements_[i], sizes[i], done);
    }
    void store(Statement &statement, std::size_t count, std::size_t from) {
        int index = 0;
        for (std::size_t i = from; i < from + count; ++i)
            std::apply([&](const auto &...value) { (statement.bind(++index, value), ...); }, storing_[i]);
        statement.run();
        stored_ += database_.changes();
    }

    Database &database_;
    std::size_t sorted_;
    std::vector<std::tuple<Column...>> rows_, storing_;  // the second keeps its room
    std::array<Statement, sizes.size()> statements_;
    std::int64_t stored_ = 0;
};

}  // namespace ble
