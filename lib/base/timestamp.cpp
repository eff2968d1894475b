#include "base/timestamp.hpp"

#include <cstdint>

namespace ble {
namespace {

using namespace std::chrono;

// The last `width` decimal digits of `value`.
void put(char *at, int width, std::int64_t value) {
    for (; width-- > 0; value /= 10) at[width] = static_cast<char>('0' + value % 10);
}

// By hand: every report and every detection passes here.
std::string format(Time time, int fraction_digits) {
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{time - day};
    std::string text = "0000-00-00T00:00:00.000000";
    put(&text[0], 4, static_cast<int>(date.year()));
    put(&text[5], 2, static_cast<unsigned>(date.month()));
    put(&text[8], 2, static_cast<unsigned>(date.day()));
    put(&text[11], 2, clock.hours().count());
    put(&text[14], 2, clock.minutes().count());
    put(&text[17], 2, clock.seconds().count());
    put(&text[20], 6, clock.subseconds().count());
    text.resize(text.size() - static_cast<std::size_t>(6 - fraction_digits));
    return text += 'Z';
}

// Reads fixed-width fields from the front of a text.
class Fields {
  public:
    explicit Fields(std::string_view text) : rest_(text) {}

    bool digits(std::size_t count, int &value) {
        if (rest_.size() < count) return false;
        value = 0;
        for (const char digit : rest_.substr(0, count)) {
            if (!is_digit(digit)) return false;
            value = value * 10 + (digit - '0');
        }
        rest_.remove_prefix(count);
        return true;
    }
    bool one_of(std::string_view characters) {
        if (rest_.empty() || !contains(characters, rest_[0])) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // ".5" and the like, in microseconds; further digits are cut.
    bool fraction(int &micros) {
        micros = 0;
        if (!one_of(".,")) return true;
        int scale = 100'000;
        std::size_t count = 0;
        for (; count < rest_.size() && is_digit(rest_[count]); ++count) {
            micros += (rest_[count] - '0') * scale;
            scale /= 10;
        }
        rest_.remove_prefix(count);
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
    static bool is_digit(char c) { return c >= '0' && c <= '9'; }
    // Of two or three: a call of memchr() would take longer.
    static bool contains(std::string_view characters, char wanted) {
        bool found = false;
        for (const char one : characters) found |= one == wanted;
        return found;
    }

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
