#include <cstdio>

#include "top/marks.hpp"
#include "top/table.hpp"
#include "top/tables.hpp"

namespace ble {
namespace {

enum AdvertiserColumn : std::size_t {
    by_hash,
    by_name,
    by_rssi,
    by_bar,
    by_trend,
    by_rate,
    by_zone,
    by_pi,
    by_age
};

constexpr std::size_t trend_values = 8;

std::vector<Column> columns_for(std::size_t width) {
    std::vector<Column> columns = {{"hash", 8},
                                   {"name", 0},
                                   {"dBm", 5, Align::right},
                                   {"strength", 10},
                                   {"trend", trend_values},
                                   {"rep/s", 6, Align::right},
                                   {"zone", 6},
                                   {"Pi", 0},
                                   {"heard", 6, Align::right}};
    const std::size_t narrow = 70, narrower = 50;
    if (width < narrow) columns[by_bar].width = columns[by_trend].width = 0;
    if (width < narrower) columns[by_rate].width = columns[by_zone].width = 0;
    std::size_t used = 3;  // the blanks behind the columns that fill the rest, and one to spare
    for (const Column &one : columns) used += one.width > 0 ? one.width + 1 : 0;
    const std::size_t rest = width > used + 8 ? width - used : 8;
    columns[by_pi].width = rest * 2 / 5;
    columns[by_name].width = rest - columns[by_pi].width;
    return columns;
}

// The last one against the average of those before it.
double trend_of(const RssiHistory &history) {
    const std::size_t count = std::min(history.size(), trend_values);
    if (count < 2) return 0;
    double sum = 0;
    for (std::size_t i = 1; i < count; ++i) sum += history.at(history.size() - 1 - i).rssi_dbm;
    return history.last().rssi_dbm - sum / static_cast<double>(count - 1);
}

std::string trend_line(const RssiHistory &history, bool utf8) {
    std::vector<std::optional<int>> values(trend_values);
    const std::size_t count = std::min(history.size(), trend_values);
    for (std::size_t i = 0; i < count; ++i)
        values[trend_values - 1 - i] = history.at(history.size() - 1 - i).rssi_dbm;
    return rssi_line(values, utf8);
}

std::string_view pi_name(const AirModel &model, const Advertiser &who) {
    const Pi *pi = model.pi(who.strongest().pi);
    return pi == nullptr ? "gone" : std::string_view(pi->device_id);
}

bool passes(const AirModel &model, const Advertiser &who, const std::string &filter) {
    if (filter.empty()) return true;
    for (const std::string_view text :
         {who.hash.text(), std::string_view(who.told.name), std::string_view(who.told.beacon),
          std::string_view(who.told.company), zone_name(who.strongest().zone), pi_name(model, who)})
        if (is_in(filter, text)) return true;
    const Pi *pi = model.pi(who.strongest().pi);
    return pi != nullptr && is_in(filter, pi->place());
}

Ranked<Advertiser> rank(const AirModel &model, const Advertiser &who, std::size_t column) {
    Ranked<Advertiser> ranked{0, {}, who.hash.text(), &who};
    const Hearing &best = who.strongest();
    switch (column) {
        case by_name:
            ranked.text = who.told.label();
            ranked.number = ranked.text.empty() ? 1 : 0;  // those without a name last
            break;
        case by_rssi:
        case by_bar:
            ranked.number = -best.rssi_dbm();
            break;
        case by_trend:
            ranked.number = -trend_of(best.history);
            break;
        case by_rate:
            ranked.number = -static_cast<double>(best.rate.value_or(-1));
            break;
        case by_zone:
            ranked.number = static_cast<double>(best.zone);
            break;
        case by_pi:
            ranked.text = pi_name(model, who);
            break;
        case by_age:
            ranked.number = -static_cast<double>(who.at.count());
            break;
        default:
            break;
    }
    return ranked;
}

std::string rate_text(const std::optional<float> &rate) {
    if (!rate) return "-";
    char text[16];
    std::snprintf(text, sizeof text, "%.*f", *rate < 10 ? 1 : 0, static_cast<double>(*rate));
    return text;
}

std::vector<Piece> cells_of(const AirModel &model, const Advertiser &who, bool utf8, Instant now) {
    const Hearing &best = who.strongest();
    const Style strength = style_of(best.zone);
    return {{std::string(who.hash.text().substr(0, 8)), Style::plain},
            {who.told.label(), Style::plain},
            {std::to_string(best.rssi_dbm()), strength},
            {rssi_bar(best.rssi_dbm(), 10, utf8), strength},
            {trend_line(best.history, utf8), strength},
            {rate_text(best.rate), Style::plain},
            {std::string(zone_name(best.zone)), strength},
            {std::string(pi_name(model, who)), Style::plain},
            {short_time(now - who.at), now - who.at > std::chrono::minutes(1) ? Style::dim : Style::plain}};
}

}  // namespace

Style style_of(Zone zone) {
    return zone == Zone::near ? Style::near : zone == Zone::medium ? Style::medium : Style::dim;
}

const std::vector<std::string> &advertiser_columns() {
    static const std::vector<std::string> names = {"hash", "name", "rssi", "strength", "trend",
                                                   "rate", "zone", "pi",   "heard"};
    return names;
}

TablePart advertiser_table(const AirModel &model, TableView &view, const Surface &surface, std::size_t rows,
                           Instant now) {
    std::vector<Ranked<Advertiser>> all;
    all.reserve(model.advertisers().size());
    for (const auto &[hash, who] : model.advertisers())
        if (passes(model, who, view.filter)) all.push_back(rank(model, who, view.column));
    const auto columns = columns_for(surface.columns);
    TablePart part{{heading(columns, view, surface)}, all.size()};
    for (const auto &one : arrange(std::move(all), view, rows))
        part.lines.push_back(row(columns, cells_of(model, *one.item, surface.utf8, now),
                                 view.chosen && one.key == *view.chosen, surface));
    return part;
}

}  // namespace ble
