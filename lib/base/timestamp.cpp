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

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Decimal fields at fixed places. Without branches: what is no digit is noticed at the end.
class Digits {
  public:
    explicit Digits(std::string_view text) : text_(text) {}

    int two(std::size_t at) { return digit(at) * 10 + digit(at + 1); }
    int four(std::size_t at) { return two(at) * 100 + two(at + 2); }
    bool valid() const { return valid_; }

  private:
    int digit(std::size_t at) {
        const int value = text_[at] - '0';
        valid_ &= static_cast<unsigned>(value) < 10;
        return value;
    }

    std::string_view text_;
    bool valid_ = true;
};

bool one_of(char wanted, std::string_view characters) {
    bool found = false;
    for (const char one : characters) found |= one == wanted;
    return found;
}

// Takes ".5" and the like from the front, in microseconds; further digits are cut.
std::optional<microseconds> take_fraction(std::string_view &text) {
    if (text.empty() || !one_of(text[0], ".,")) return microseconds(0);
    std::size_t count = 1;
    int micros = 0, scale = 100'000;
    for (; count < text.size() && is_digit(text[count]); ++count, scale /= 10)
        micros += (text[count] - '0') * scale;
    text.remove_prefix(count);
    if (count == 1) return {};
    return microseconds(micros);
}

// "Z", nothing, "+0130" or "+01:30".
std::optional<minutes> read_offset(std::string_view text) {
    if (text.empty() || text == "Z" || text == "z") return minutes(0);
    const bool colon = text.size() == 6 && text[3] == ':';
    if (!one_of(text[0], "+-") || (text.size() != 5 && !colon)) return {};
    Digits in(text);
    const int hour = in.two(1), minute = in.two(colon ? 4 : 3);
    if (!in.valid() || hour > 23 || minute > 59) return {};
    return minutes((text[0] == '-' ? -1 : 1) * (hour * 60 + minute));
}

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
    constexpr std::size_t whole = std::string_view("0000-00-00T00:00:00").size();
    if (text.size() < whole || text[4] != '-' || text[7] != '-' || !one_of(text[10], "Tt ") ||
        text[13] != ':' || text[16] != ':')
        return {};
    Digits in(text);
    const year_month_day date{year(in.four(0)), month(static_cast<unsigned>(in.two(5))),
                              day(static_cast<unsigned>(in.two(8)))};
    const int h = in.two(11), mi = in.two(14), s = in.two(17);
    if (!in.valid() || !date.ok() || h > 23 || mi > 59 || s > 60) return {};  // 60: a leap second
    text.remove_prefix(whole);
    const auto fraction = take_fraction(text);
    const auto offset = fraction ? read_offset(text) : std::nullopt;
    if (!offset) return {};
    const Time time = sys_days(date) + hours(h) + minutes(mi) + seconds(s) + *fraction - *offset;
    if (time < Time{} || time >= sys_days(year(10000) / 1 / 1)) return {};
    return time;
}

}  // namespace ble
