#include <cstdio>

#include "top/marks.hpp"
#include "top/table.hpp"
#include "top/tables.hpp"

namespace ble {
namespace {

enum PiColumn : std::size_t {
    by_pi,
    by_place,
    by_age,
    by_window,
    by_batches,
    by_heard,
    by_missing,
    by_lost,
    by_clock
};

std::vector<Column> columns_for(std::size_t width) {
    std::vector<Column> columns = {{"Pi", 0},
                                   {"place", 0},
                                   {"came", 6, Align::right},
                                   {"window", 9, Align::right},
                                   {"batches", 8, Align::right},
                                   {"heard", 6, Align::right},
                                   {"missing", 8, Align::right},
                                   {"lost", 6, Align::right},
                                   {"clock", 15}};
    const std::size_t narrow = 90, narrower = 72;
    if (width < narrow) columns[by_batches].width = 0;
    if (width < narrower) columns[by_window].width = columns[by_clock].width = 0;
    std::size_t used = 3;
    for (const Column &one : columns) used += one.width > 0 ? one.width + 1 : 0;
    const std::size_t rest = width > used + 8 ? width - used : 8;
    columns[by_place].width = rest / 2;
    columns[by_pi].width = rest - columns[by_place].width;
    return columns;
}

std::size_t heard(const Pi &pi) {
    return pi.occupancy ? std::size_t{pi.occupancy->near} + pi.occupancy->medium + pi.occupancy->far
                        : pi.heard;
}

bool passes(const Pi &pi, const std::string &filter) {
    return is_in(filter, pi.device_id) || is_in(filter, pi.place());
}

Ranked<Pi> rank(const Pi &pi, std::size_t column) {
    Ranked<Pi> ranked{0, {}, pi.device_id, &pi};
    switch (column) {
        case by_place:
            ranked.text = pi.name.empty() ? pi.location : pi.name;
            break;
        case by_age:
            ranked.number = -static_cast<double>(pi.at.count());
            break;
        case by_window:
            ranked.number = -static_cast<double>(pi.window_ms.value_or(0));
            break;
        case by_batches:
            ranked.number = -static_cast<double>(pi.batches);
            break;
        case by_heard:
            ranked.number = -static_cast<double>(heard(pi));
            break;
        case by_missing:
            ranked.number = -static_cast<double>(pi.seqs.missing());
            break;
        case by_lost:
            ranked.number = -static_cast<double>(pi.told_lost);
            break;
        case by_clock:
            ranked.number = pi.late ? -static_cast<double>(pi.late->count()) : 1;
            break;
        default:
            break;
    }
    return ranked;
}

std::string seconds_text(std::uint32_t ms) {
    char text[24];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(ms) / 1000);
    return text;
}

// How long it listens, and how often: both in seconds.
std::string window_text(const Pi &pi) {
    if (!pi.window_ms) return "-";
    const auto window = seconds_text(*pi.window_ms);
    return (pi.interval_ms && *pi.interval_ms > *pi.window_ms ? window + "/" + seconds_text(*pi.interval_ms)
                                                              : window) +
           " s";
}

// Does the kernel trust it, and how late came the last batch by it? That is the way through queues as well.
std::string clock_text(const Pi &pi) {
    std::string text = !pi.clock_synced ? "" : *pi.clock_synced ? "ok " : "unsynced ";
    if (!pi.late) return text + "-";
    const bool ahead = pi.late->count() < -1000;
    return text + (ahead ? "-" + short_time(-*pi.late) : "+" + short_time(*pi.late));
}

std::vector<Piece> cells_of(const Pi &pi, Instant now) {
    const auto count = [](std::uint64_t number) {
        return Piece{number == 0 ? "-" : std::to_string(number), number == 0 ? Style::dim : Style::alarm};
    };
    const bool silent = pi.silent(now);
    return {{pi.device_id, pi.twins ? Style::alarm : Style::plain},
            {pi.twins ? "two at once!" : pi.place(), pi.twins ? Style::alarm : Style::plain},
            {short_time(now - pi.at), silent ? Style::alarm : Style::near},
            {window_text(pi), Style::plain},
            {std::to_string(pi.batches), Style::plain},
            {std::to_string(heard(pi)), Style::plain},
            count(pi.seqs.missing()),
            count(pi.told_lost),
            {clock_text(pi), pi.clock_synced.value_or(true) ? Style::plain : Style::alarm}};
}

}  // namespace

const std::vector<std::string> &pi_columns() {
    static const std::vector<std::string> names = {"pi",    "place",   "came", "window", "batches",
                                                   "heard", "missing", "lost", "clock"};
    return names;
}

TablePart pi_table(const AirModel &model, TableView &view, const Surface &surface, std::size_t rows,
                   Instant now) {
    std::vector<Ranked<Pi>> all;
    for (const auto &[number, pi] : model.pis())
        if (passes(pi, view.filter)) all.push_back(rank(pi, view.column));
    const auto columns = columns_for(surface.columns);
    TablePart part{{heading(columns, view, surface)}, all.size()};
    for (const auto &one : arrange(std::move(all), view, rows))
        part.lines.push_back(
            row(columns, cells_of(*one.item, now), view.chosen && one.key == *view.chosen, surface));
    return part;
}

}  // namespace ble
