#include "radio/window/filter.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hex_text.hpp"
#include "batch/json_text.hpp"
#include "radio/air/private_address.hpp"

namespace ble {

namespace {

// Does `text` match `pattern`, in which each * stands for any text? Goes back to the last * only: linear in practice,
// and never worse than the product of the lengths.
bool matches_pattern(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = pattern.npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != pattern.npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == pattern.npos;
}

// "c4:f7:" or "c4f7": the digits in lower case. A separator may stand behind every second digit.
std::optional<std::string> prefix_digits(std::string_view text) {
    std::string digits;
    bool after_separator = true;
    for (const char c : text) {
        const bool separator = c == ':' || c == '-';
        if (separator && (after_separator || digits.size() % 2 != 0)) return std::nullopt;
        if (!separator && hex_digit(c) < 0) return std::nullopt;
        if (!separator) digits += "0123456789abcdef"[hex_digit(c)];
        after_separator = separator;
    }
    return digits.size() < 12 ? std::optional(digits) : std::nullopt;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
    std::string digits(text);
    if (text.size() == 36) {
        for (const std::size_t dash : {8u, 13u, 18u, 23u})
            if (text[dash] != '-') return std::nullopt;
        std::erase(digits, '-');
    }
    if (digits.size() != 4 && digits.size() != 8) {
        Uuid uuid;
        return parse_hex(digits, uuid) ? std::optional(uuid) : std::nullopt;
    }
    std::uint32_t value = 0;
    for (const char c : digits) {
        if (hex_digit(c) < 0) return std::nullopt;
        value = value << 4 | static_cast<std::uint32_t>(hex_digit(c));
    }
    return expand_uuid(value);
}

std::optional<std::uint16_t> parse_company(std::string_view text) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) text.remove_prefix(2);
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

template <class T>
T or_say(const std::optional<T> &value, const char *wanted) {
    if (!value) throw std::string(wanted);
    return *value;
}

bool names_uuid(const Advertisement &advertisement, const Uuid &uuid) {
    const auto &uuids = advertisement.service_uuids;
    const auto &data = advertisement.service_data;
    return std::find(uuids.begin(), uuids.end(), uuid) != uuids.end() ||
           std::any_of(data.begin(), data.end(), [&](const auto &service) { return service.uuid == uuid; });
}

bool has_prefix(const Address &address, std::string_view digits) {
    std::string text;
    append_hex(text, address.bytes);
    return text.starts_with(digits);
}

}  // namespace

FilterRule::FilterRule(std::string_view rule) {
    const auto colon = rule.find(':');
    const auto name = rule.substr(0, colon);
    const auto value = colon == rule.npos ? std::string_view() : rule.substr(colon + 1);
    if (name == "address" && value.ends_with('*')) {
        kind = Kind::prefix;
        text = or_say(prefix_digits(value.substr(0, value.size() - 1)),
                      "the first digits of an address are expected before the *, as in address:c4:f7:*");
    } else if (name == "address") {
        address =
            or_say(
                parse_address(value),
                "an address is expected, as in address:c4:f7:c1:4c:c1:c0, or its beginning: address:c4:f7:*")
                .number();
    } else if (name == "name" || name == "identity") {
        kind = name == "name" ? Kind::name : Kind::identity;
        text = value;
        if (!is_text(text, 1, 255))
            throw std::string("1 to 255 characters of UTF-8 are expected after the colon");
    } else if (name == "uuid") {
        kind = Kind::uuid;
        uuid = or_say(parse_uuid(value),
                      "a service UUID is expected, of 4, 8 or 32 hex digits, as in uuid:feaa");
    } else if (name == "company") {
        kind = Kind::company;
        company = or_say(parse_company(value),
                         "a company identifier is expected, as in company:0x0499 or company:1177");
    } else {
        throw std::string("address:, name:, identity:, uuid: or company: and a value is expected, or @FILE");
    }
}

bool FilterRule::matches(const Report &report, const Advertisement &advertisement) const {
    const auto *identity = report.identity;
    switch (kind) {
        case Kind::address:
            return report.address.number() == address ||
                   (identity && identity->address && identity->address->number() == address);
        case Kind::prefix:
            return has_prefix(report.address, text) ||
                   (identity && identity->address && has_prefix(*identity->address, text));
        case Kind::name:
            return advertisement.local_name && matches_pattern(text, *advertisement.local_name);
        case Kind::identity:
            return identity && matches_pattern(text, identity->name);
        case Kind::uuid:
            return names_uuid(advertisement, uuid);
        case Kind::company:
            break;
    }
    const auto &data = advertisement.manufacturer_data;
    return std::any_of(data.begin(), data.end(),
                       [&](const auto &from) { return from.company_id == company; });
}

void Filter::allow(const std::string &argument) {
    read(argument, false);
}

void Filter::deny(const std::string &argument) {
    read(argument, true);
}

void Filter::read(const std::string &argument, bool deny) {
    const Place place{static_cast<std::uint32_t>(denials_.size()), deny};
    if (argument.starts_with('@')) {
        add_file(argument.substr(1), place);
    } else {
        add(argument, place);
    }
    if (deny) denials_.push_back("--deny " + argument);
    allows_ |= !deny;
}

void Filter::add_file(const std::string &path, Place place) {
    const auto content = read_text_file(path, "filters");
    std::string_view rest = content;
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const auto end = std::min(rest.find('\n'), rest.size());
        auto line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
            line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        try {
            add(line, place);
        } catch (const std::string &reason) {
            throw Error(ExitCode::config, path + ", line " + std::to_string(number) + ": " + reason);
        }
    }
}

void Filter::add(std::string_view text, Place place) {
    FilterRule rule(text);
    if (rule.kind == FilterRule::Kind::address) {
        addresses_.emplace(rule.address, place);
        return;
    }
    if (patterns_.size() == most_patterns)
        throw "at most " + std::to_string(most_patterns) +
            " filters that are not a whole address are possible";
    data_ |= rule.kind == FilterRule::Kind::name || rule.kind == FilterRule::Kind::uuid ||
             rule.kind == FilterRule::Kind::company;
    patterns_.push_back({std::move(rule), place});
}

void Filter::count(Place place, Verdict &verdict) {
    if (place.deny) {
        verdict.denied_by = std::min(verdict.denied_by, place.denial);
    } else {
        verdict.allowed = true;
    }
}

void Filter::judge(const Report &report, const Advertisement &advertisement, Verdict &verdict) const {
    const auto look_up = [&](const Address &address) {
        const auto [first, last] = addresses_.equal_range(address.number());
        for (auto it = first; it != last; ++it) count(it->second, verdict);
    };
    look_up(report.address);
    if (report.identity && report.identity->address) look_up(*report.identity->address);
    for (const auto &pattern : patterns_)
        if (pattern.rule.matches(report, advertisement)) count(pattern.place, verdict);
}

std::optional<std::size_t> Filter::hidden_by(const Verdict &verdict) const {
    if (verdict.denied_by != Verdict::nobody) return verdict.denied_by;
    if (allows_ && !verdict.allowed) return denials_.size();
    return std::nullopt;
}

std::vector<std::string> Filter::reasons() const {
    auto reasons = denials_;
    if (allows_) reasons.emplace_back("no --allow");
    return reasons;
}

}  // namespace ble
