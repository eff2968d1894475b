#include "sqlite/bulk_insert.hpp"

namespace ble {

namespace {

std::string statement_for(const std::string &into, std::size_t columns, std::size_t rows) {
    std::string row = "(?";
    for (std::size_t i = 1; i < columns; ++i) row += ", ?";
    row += ')';
    std::string sql = "INSERT INTO " + into + " VALUES " + row;
    for (std::size_t i = 1; i < rows; ++i) sql += ", " + row;
    return sql;
}

}  // namespace

BulkInsert::BulkInsert(Database &database, const std::string &into, std::size_t columns)
    : columns_(columns),
      statements_{Statement(database, statement_for(into, columns, sizes[0])),
                  Statement(database, statement_for(into, columns, sizes[1])),
                  Statement(database, statement_for(into, columns, sizes[2]))} {}

void BulkInsert::flush() {
    storing_.swap(values_);
    values_.clear();
    std::size_t done = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const std::size_t count = sizes[i] * columns_;
        for (; storing_.size() - done >= count; done += count) {
            for (std::size_t n = 0; n < count; ++n)
                statements_[i].bind(static_cast<int>(n) + 1, storing_[done + n]);
            statements_[i].run();
        }
    }
}

}  // namespace ble
