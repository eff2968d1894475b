#include "base/timestamp.hpp"

#include <cstdio>

namespace ble {
namespace {

using namespace std::chrono;

std::string format(Time time, int fraction_digits) {
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{time - day};
    char text[80];
    const int length = std::snprintf(
        text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06lld", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()), static_cast<long long>(clock.subseconds().count()));
    std::string out(text, static_cast<std::size_t>(length - (6 - fraction_digits)));
    return out += 'Z';
}

// Reads fixed-width fields from the front of a text.
class Fields {
  public:
    explicit Fields(std::string_view text) : rest_(text) {}

    bool digits(std::size_t count, int &value) {
        if (rest_.size() < count) return false;
        value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (rest_[i] < '0' || rest_[i] > '9') return false;
            value = value * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(count);
        return true;
    }
    bool one_of(std::string_view characters) {
        if (rest_.empty() || characters.find(rest_[0]) == std::string_view::npos) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // ".5" and the like, in microseconds; further digits are cut.
    bool fraction(int &micros) {
        micros = 0;
        if (!one_of(".,")) return true;
        int scale = 100'000;
        std::size_t count = 0;
        for (int digit = 0; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9' && digits(1, digit);
             ++count) {
            micros += digit * scale;
            scale /= 10;
        }
        return count > 0;
    }
    bool offset(minutes &value) {
        value = minutes(0);
        if (rest_.empty() || one_of("Zz")) return true;
        const int sign = rest_[0] == '-' ? -1 : 1;
        int hour = 0, minute = 0;
        if (!one_of("+-") || !digits(2, hour)) return false;
        one_of(":");
        if (!digits(2, minute) || hour > 23 || minute > 59) return false;
        value = minutes(sign * (hour * 60 + minute));
        return true;
    }
    bool done() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

}  // namespace

Time now() {
    return floor<microseconds>(system_clock::now());
}

std::string format_ms(Time time) {
    return format(time, 3);
}
std::string format_us(Time time) {
    return format(time, 6);
}

std::optional<Time> parse_rfc3339(std::string_view text) {
    Fields in(text);
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, micros = 0;
    minutes offset{0};
    if (!in.digits(4, y) || !in.one_of("-") || !in.digits(2, mo) || !in.one_of("-") || !in.digits(2, d))
        return {};
    if (!in.one_of("Tt ") || !in.digits(2, h) || !in.one_of(":") || !in.digits(2, mi) || !in.one_of(":"))
        return {};
    if (!in.digits(2, s) || !in.fraction(micros) || !in.offset(offset) || !in.done()) return {};
    const year_month_day date{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
    if (!date.ok() || h > 23 || mi > 59 || s > 60) return {};  // 60: a leap second
    const Time time = sys_days(date) + hours(h) + minutes(mi) + seconds(s) + microseconds(micros) - offset;
    if (time < Time{} || time >= sys_days(year(10000) / 1 / 1)) return {};
    return time;
}

}  // namespace ble
