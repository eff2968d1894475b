#include "blequery/text.hpp"

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "base/log.hpp"
#include "batch/json_text.hpp"
#include "batch/safe_text.hpp"
#include "batch/shown_text.hpp"

namespace ble {
namespace {

// As JSON has it: \u001b.
std::string safe(const std::string &text) {
    if (!is_utf8(text)) return printable(text);
    std::string out;
    std::size_t start = 0;
    for (auto found = find_unsafe(text); found.at != text.npos; found = find_unsafe(text, start)) {
        out.append(text, start, found.at - start);
        append_code_unit(out, found.character);
        start = found.at + found.length;
    }
    return out.append(text, start);
}

bool is_text(const Field::Value &value) {
    return std::holds_alternative<std::string>(value);
}

std::string csv_cell(const Field::Value &value) {
    std::string text = safe(plain_text(value));
    if (is_text(value) && !text.empty() && std::string_view("=+-@").find(text[0]) != std::string_view::npos)
        text.insert(0, 1, '\'');
    if (text.find_first_of(",\"") == text.npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
    return quoted += '"';
}

std::string local_time(Time time) {
    const std::time_t seconds =
        std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
    std::tm local{};
    ::localtime_r(&seconds, &local);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local)};
}

std::string cell(const Field &field) {
    constexpr std::size_t digits = 12;
    if (const auto *time = std::get_if<Time>(&field.value)) return local_time(*time);
    const auto text = safe(plain_text(field.value));
    return field.name == "device_hash" ? text.substr(0, digits) : text;
}

struct Column {
    std::vector<std::string> cells;  // the name first
    std::size_t widest = 0;          // in columns of a terminal
    bool number = false, used = false;
};

std::vector<Column> filled(const std::vector<Fields> &rows, bool utf8) {
    std::vector<Column> columns(rows.front().size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
        auto &column = columns[i];
        column.cells.emplace_back(rows.front()[i].name);
        for (const auto &row : rows) {
            const auto &value = row[i].value;
            column.number |=
                std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
            column.cells.push_back(cell(row[i]));
            column.used |= !column.cells.back().empty();
        }
        for (const auto &text : column.cells) column.widest = std::max(column.widest, columns_of(text, utf8));
    }
    std::erase_if(columns, [](const auto &column) { return !column.used; });
    return columns;
}

}  // namespace

std::vector<std::string> json_lines(const std::vector<Fields> &rows) {
    std::vector<std::string> lines;
    lines.reserve(rows.size());
    for (const auto &row : rows) lines.push_back(print_json(row));
    return lines;
}

std::vector<std::string> csv_lines(const std::vector<Fields> &rows) {
    std::vector<std::string> lines;
    if (rows.empty()) return lines;
    const auto join = [&](const Fields &row, auto text_of) {
        std::string line;
        for (const auto &field : row) line += (&field == row.data() ? "" : ",") + text_of(field);
        lines.push_back(line + '\r');
    };
    join(rows.front(), [](const Field &field) { return std::string(field.name); });
    for (const auto &row : rows) join(row, [](const Field &field) { return csv_cell(field.value); });
    return lines;
}

std::vector<std::string> table_lines(const std::vector<Fields> &rows, bool utf8) {
    std::vector<std::string> lines;
    if (rows.empty()) return lines;
    const auto columns = filled(rows, utf8);
    for (std::size_t at = 0; at <= rows.size(); ++at) {
        std::string line;
        for (const auto &column : columns)
            line += (line.empty() ? "" : "  ") +
                    fit(column.cells[at], column.widest, utf8, column.number ? Align::right : Align::left);
        line.erase(line.find_last_not_of(' ') + 1);
        lines.push_back(std::move(line));
    }
    return lines;
}

}  // namespace ble
