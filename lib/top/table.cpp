#include "top/table.hpp"

namespace ble {

bool is_in(std::string_view filter, std::string_view text) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    const auto same = [&](char a, char b) { return lower(a) == lower(b); };
    return std::search(text.begin(), text.end(), filter.begin(), filter.end(), same) != text.end() ||
           filter.empty();
}

std::string text_of(const PageLine &line) {
    std::string text;
    for (const Piece &piece : line) text += piece.text;
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

PageLine heading(const std::vector<Column> &columns, const TableView &view, const Surface &surface) {
    PageLine line;
    const char *mark = view.reversed ? surface.utf8 ? "▲" : "^" : surface.utf8 ? "▼" : "v";
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].width == 0) continue;
        const std::string name = std::string(columns[i].name) + (i == view.column ? mark : "");
        line.push_back({fit(name, columns[i].width, surface.utf8, columns[i].align) + " ", Style::heading});
    }
    return line;
}

PageLine row(const std::vector<Column> &columns, const std::vector<Piece> &cells, bool chosen,
             const Surface &surface) {
    PageLine line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].width == 0) continue;
        line.push_back({fit(cells[i].text, columns[i].width, surface.utf8, columns[i].align) + " ",
                        chosen ? Style::chosen : cells[i].style});
    }
    return line;
}

}  // namespace ble
