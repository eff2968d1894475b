#include "top/one_page.hpp"

#include <algorithm>
#include <optional>

#include "batch/shown_text.hpp"
#include "top/marks.hpp"
#include "top/table.hpp"
#include "top/tables.hpp"

namespace ble {
namespace {

constexpr Instant least_span = std::chrono::minutes(1);

PageLine said(const char *what, const std::string &text, const Surface &surface) {
    constexpr std::size_t label = 12;
    const std::size_t room = surface.columns > label + 1 ? surface.columns - label - 1 : 1;
    return {{fit(what, label, surface.utf8), Style::dim}, {fit(text, room, surface.utf8), Style::plain}};
}

Instant begin_of(const Advertiser &who) {
    Instant begin = who.at;
    for (const Hearing &one : who.heard) begin = std::min(begin, one.history.at(0).at);
    return begin;
}

// The strongest value in each of `columns` equal parts of the time.
std::vector<std::optional<int>> parts_of(const RssiHistory &history, Instant from, Instant until,
                                         std::size_t columns) {
    std::vector<std::optional<int>> parts(columns);
    const auto span = std::max<Instant::rep>(1, (until - from).count());
    for (std::size_t i = 0; i < history.size(); ++i) {
        const auto [at, rssi] = history.at(i);
        if (at < from || at > until) continue;
        const auto place =
            static_cast<std::size_t>((at - from).count() * static_cast<Instant::rep>(columns) / span);
        auto &part = parts[std::min(place, columns - 1)];
        part = std::max(part.value_or(rssi), rssi);
    }
    return parts;
}

std::vector<const Hearing *> strongest_first(const Advertiser &who) {
    std::vector<const Hearing *> sorted;
    for (const Hearing &one : who.heard) sorted.push_back(&one);
    std::sort(sorted.begin(), sorted.end(), [&](const Hearing *a, const Hearing *b) {
        if ((a == &who.strongest()) != (b == &who.strongest())) return a == &who.strongest();
        return a->rssi_dbm() > b->rssi_dbm();
    });
    return sorted;
}

PageLine axis(std::size_t left, std::size_t width, Instant span, const Surface &surface) {
    const std::string begin = "-" + short_time(span), end = "now";
    const std::size_t between = width > begin.size() + end.size() ? width - begin.size() - end.size() : 1;
    return {
        {fit(std::string(left, ' ') + begin + std::string(between, ' ') + end, left + width, surface.utf8),
         Style::dim}};
}

void add_lanes(std::vector<PageLine> &lines, const AirModel &model, const Advertiser &who,
               const Surface &surface, Instant now) {
    const std::vector<Column> columns = {
        {"Pi", 14}, {"dBm", 4, Align::right}, {"zone", 6}, {"heard", 6, Align::right}};
    constexpr std::size_t left = 34;  // their widths, and a blank behind each
    const std::size_t width = surface.columns > left + 11 ? surface.columns - left - 1 : 10;
    const Instant from = std::min(begin_of(who), now - least_span);
    TableView none;
    none.column = columns.size();
    PageLine head = heading(columns, none, surface);
    head.push_back({fit("history", width, surface.utf8), Style::heading});
    lines.push_back(std::move(head));
    for (const Hearing *one : strongest_first(who)) {
        const Pi *pi = model.pi(one->pi);
        const Style style = style_of(one->zone);
        PageLine line = row(columns,
                            {{pi == nullptr ? "gone" : pi->device_id, Style::plain},
                             {std::to_string(one->rssi_dbm()), style},
                             {std::string(zone_name(one->zone)), style},
                             {short_time(now - one->at()), Style::plain}},
                            false, surface);
        line.push_back({rssi_line(parts_of(one->history, from, now, width), surface.utf8), style});
        lines.push_back(std::move(line));
    }
    lines.push_back(axis(left, width, now - from, surface));
}

}  // namespace

std::vector<PageLine> advertiser_page(const AirModel &model, const std::string &hash, const Surface &surface,
                                      Instant now) {
    std::vector<PageLine> lines = {said("advertiser", hash, surface)};
    const Advertiser *who = model.advertiser(DeviceHash(std::string_view(hash)));
    if (who == nullptr) {
        lines.push_back(said("", "not heard any more", surface));
        return lines;
    }
    if (!who->told.name.empty()) lines.push_back(said("name", who->told.name, surface));
    if (!who->told.beacon.empty()) lines.push_back(said("beacon", who->told.beacon, surface));
    if (!who->told.company.empty()) lines.push_back(said("company", who->told.company, surface));
    const Pi *best = model.pi(who->strongest().pi);
    if (best != nullptr)
        lines.push_back(said("nearest Pi",
                             best->device_id + (best->place().empty() ? "" : " (" + best->place() + ")"),
                             surface));
    lines.push_back(said("heard",
                         short_time(now - who->first) + " ago first, " + short_time(now - who->at) +
                             " ago last, " + std::to_string(who->reports) + " reports",
                         surface));
    lines.emplace_back();
    add_lanes(lines, model, *who, surface, now);
    return lines;
}

}  // namespace ble
