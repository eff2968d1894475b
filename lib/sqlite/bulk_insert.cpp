#include "sqlite/bulk_insert.hpp"

namespace ble {

std::string insert_statement(const std::string &into, std::size_t columns, std::size_t rows,
                             const std::string &end) {
    std::string row = "(?";
    for (std::size_t i = 1; i < columns; ++i) row += ", ?";
    row += ')';
    std::string sql = "INSERT INTO " + into + " VALUES " + row;
    for (std::size_t i = 1; i < rows; ++i) sql += ", " + row;
    return end.empty() ? sql : sql + ' ' + end;
}

}  // namespace ble
