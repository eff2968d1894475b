#include "radio/window/printer.hpp"

#include <charconv>
#include <string_view>

#include "base/hex_text.hpp"
#include "batch/json_text.hpp"
#include "radio/air/private_address.hpp"

using namespace std::string_view_literals;

namespace ble {

namespace {

void append_number(std::string &out, int value) {
    char digits[16];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace

void ReportLine::append_time(Time time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    if (second != second_) {
        second_ = second;
        second_text_ = format_us(second).substr(0, 20);
    }
    auto micros = static_cast<unsigned>((time - second).count());
    char digits[8] = "000000Z";
    for (int i = 5; i >= 0; --i, micros /= 10) digits[i] = static_cast<char>('0' + micros % 10);
    line_.append(second_text_).append(digits, 7);
}

const std::string &ReportLine::print(const Report &report, bool names) {
    line_ = "{\"timestamp\":\""sv;
    append_time(report.timestamp);
    line_ += "\",\"address\":\""sv;
    append_hex(line_, report.address.bytes, ':');
    line_ += "\",\"address_type\":\""sv;
    line_ += address_type_name(report.address.type);
    line_ += "\",\"event_type\":"sv;
    if (report.event_type == Report::event_type_unknown) {
        line_ += "null"sv;
    } else {
        append_number(line_, report.event_type);
    }
    line_ += ",\"rssi\":"sv;
    if (report.rssi_dbm == Report::not_available) {
        line_ += "null"sv;
    } else {
        append_number(line_, report.rssi_dbm);
    }
    line_ += ",\"data\":\""sv;
    append_hex(line_, report.data);
    line_ += '"';
    if (names && report.identity) {
        line_ += ",\"identity\":"sv;
        append_json_string(line_, report.identity->name);
    }
    line_ += '}';
    return line_;
}

bool ReportPrinter::hides(const Report &report) {
    const bool unknown = report.rssi_dbm == Report::not_available;
    if (options_.min_rssi_dbm > -127 && (unknown || report.rssi_dbm < options_.min_rssi_dbm)) {
        ++weak_;
        return true;
    }
    if (!options_.filter.any()) return false;
    Filter::Verdict verdict;
    if (options_.filter.data()) read_advertisement(report.data, scratch_);
    options_.filter.judge(report, scratch_, verdict);
    const auto reason = options_.filter.hidden_by(verdict);
    if (reason) ++counters_.hidden[*reason].reports;
    return reason.has_value();
}

void ReportPrinter::add(const Report &report) {
    if (satisfied() || hides(report)) return;
    if (options_.table)
        writer_.line(print_report_row(report, *options_.table));
    else
        writer_.line(line_.print(report, options_.names));
    ++printed_;
    counters_.out.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace ble
