// Which advertisers are reported: --allow and --deny.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "radio/air/ad_structure.hpp"
#include "radio/air/report.hpp"

namespace ble {

// KIND:VALUE, as a person writes it:
//   address:c4:f7:c1:4c:c1:c0   address:c4:f7:*   name:Ruuvi*   identity:*   uuid:feaa   company:0x0499
// In a name and an identity each * stands for any text; case matters. Throws a std::string: what would be right.
struct FilterRule {
    enum class Kind { address, prefix, name, identity, uuid, company };

    explicit FilterRule(std::string_view text);
    bool matches(const Report &report, const Advertisement &advertisement) const;

    Kind kind = Kind::address;
    std::string text;  // of a prefix, its digits in lower case; of a name and an identity, the pattern
    std::uint64_t address = 0;  // as Address::number()
    Uuid uuid{};
    std::uint16_t company = 0;
};

// Rules are grouped by the arguments that name them: one rule, or with @FILE the rules of a file, a line each; blank
// lines and those that begin with # are skipped. A list of whole addresses costs one look-up for a report, however long it
// is; there can be `most_patterns` other rules.
class Filter {
  public:
    static constexpr std::size_t most_patterns = 1000;

    // Throws a std::string when the argument is wrong, Error(config) naming file and line when what a file holds is.
    void allow(const std::string &argument);
    void deny(const std::string &argument);

    bool any() const { return allows_ || !denials_.empty(); }
    bool data() const { return data_; }  // is the advertising data wanted?

    // What reports of one advertiser, joined, say about it.
    struct Verdict {
        static constexpr std::uint32_t nobody = UINT32_MAX;
        std::uint32_t denied_by = nobody;  // an index into reasons(), the least
        bool allowed = false;
    };
    void judge(const Report &report, const Advertisement &advertisement, Verdict &verdict) const;

    // What hides an advertiser: an index into reasons(); empty: it is shown.
    std::optional<std::size_t> hidden_by(const Verdict &verdict) const;
    // Each "--deny name:Foo*", and last "no --allow" when there is an --allow that may not match.
    std::vector<std::string> reasons() const;

  private:
    struct Place {  // where a rule comes from
        std::uint32_t denial;
        bool deny;
    };
    struct Pattern {
        FilterRule rule;
        Place place;
    };

    void read(const std::string &argument, bool deny);
    void add(std::string_view rule, Place place);
    void add_file(const std::string &path, Place place);
    static void count(Place place, Verdict &verdict);

    std::vector<std::string> denials_;
    std::unordered_multimap<std::uint64_t, Place> addresses_;
    std::vector<Pattern> patterns_;
    bool data_ = false, allows_ = false;
};

}  // namespace ble
