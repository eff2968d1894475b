// What the server answered: rows as text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct pg_result;

namespace ble {

class Answer {
  public:
    explicit Answer(pg_result *result);
    int rows() const;
    std::int64_t changed() const;  // by INSERT, UPDATE, DELETE or COPY
    // For a missing row: Error(io), the database has lost its state.
    bool is_null(int row, int column) const;
    std::int64_t integer(int row, int column) const;
    std::string_view text(int row, int column) const;  // as long as the answer lives
    std::optional<std::int64_t> number(int row, int column) const;

  private:
    void need(int row) const;

    std::shared_ptr<pg_result> result_;
};

// Of "\x0123…", as the server prints bytea.
std::string bytes_of(std::string_view hex);

}  // namespace ble
