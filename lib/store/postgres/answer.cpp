#include "store/postgres/answer.hpp"

#include <libpq-fe.h>

#include <cstdlib>

#include "base/error.hpp"

namespace ble {

Answer::Answer(pg_result *result) : result_(result, ::PQclear) {}

int Answer::rows() const {
    return ::PQntuples(result_.get());
}

std::int64_t Answer::changed() const {
    return std::strtoll(::PQcmdTuples(result_.get()), nullptr, 10);
}

// Of an answer that always has a row, unless somebody deleted what the schema was made with.
void Answer::need(int row) const {
    if (row >= rows())
        throw Error(
            ExitCode::io,
            "the database has lost its state: rows are missing that blepipe never deletes; restore a backup");
}

bool Answer::is_null(int row, int column) const {
    need(row);
    return ::PQgetisnull(result_.get(), row, column) != 0;
}

std::int64_t Answer::integer(int row, int column) const {
    need(row);
    return std::strtoll(::PQgetvalue(result_.get(), row, column), nullptr, 10);
}

std::string_view Answer::text(int row, int column) const {
    need(row);
    return {::PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(::PQgetlength(result_.get(), row, column))};
}

std::optional<std::int64_t> Answer::number(int row, int column) const {
    return is_null(row, column) ? std::nullopt : std::optional(integer(row, column));
}

std::string bytes_of(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    for (std::size_t i = 2; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
    return bytes;
}

}  // namespace ble
