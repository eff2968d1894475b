#include "radio/window/report_row.hpp"

#include <cstdio>
#include <iterator>

#include "base/hex_text.hpp"
#include "batch/shown_text.hpp"
#include "radio/air/private_address.hpp"

namespace ble {
namespace {

std::string kind_of(const Report &report) {
    static constexpr const char *legacy[] = {"ADV_IND", "ADV_DIRECT_IND", "ADV_SCAN_IND", "ADV_NONCONN_IND",
                                             "SCAN_RSP"};
    if (report.event_type == Report::event_type_unknown) return "-";
    if (!report.extended)
        return report.event_type < std::size(legacy) ? legacy[report.event_type]
                                                     : std::to_string(report.event_type);
    std::string kind = "EXT ";
    for (unsigned bit = 0; bit < 4; ++bit)
        if ((report.event_type >> bit & 1) != 0) kind += "CSDR"[bit];
    return kind;
}

Colour colour_of(int rssi_dbm, const ReportRowLook &how) {
    return rssi_dbm >= how.near_dbm     ? Colour::green
           : rssi_dbm >= how.medium_dbm ? Colour::yellow
                                        : Colour::dim;
}

}  // namespace

std::string print_report_row(const Report &report, const ReportRowLook &how) {
    std::string line = format_us(report.timestamp).substr(11, 15);
    line += "  ";
    append_hex(line, report.address.bytes, ':');
    char text[64];
    std::snprintf(text, sizeof text, " %-15s  %-15s ",
                  std::string(address_type_name(report.address.type)).c_str(), kind_of(report).c_str());
    line += text;
    const bool known = report.rssi_dbm != Report::not_available;
    std::snprintf(text, sizeof text, known ? "%4d dBm" : "   - dBm", report.rssi_dbm);
    append_coloured(line, text, known ? colour_of(report.rssi_dbm, how) : Colour::none, how.look);
    std::snprintf(text, sizeof text, "  [%2zu] ", report.data.size());
    line += text;
    append_hex(line, report.data, ' ');
    if (how.names && report.identity != nullptr) {
        constexpr std::size_t longest = 32;
        line += "  " + fit(report.identity->name, longest, how.look.utf8);
        line.erase(line.find_last_not_of(' ') + 1);
    }
    return line;
}

}  // namespace ble
