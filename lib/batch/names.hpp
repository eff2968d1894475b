// The names of one object's members, to find one that is given twice.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace ble {

// Names are borrowed. A few are compared one by one, many are sorted, so the cost never grows with the square.
class Names {
  public:
    void clear() { names_.clear(); }
    void add(std::string_view name) { names_.push_back(name); }
    bool has(std::string_view name) const {
        return std::find(names_.begin(), names_.end(), name) != names_.end();
    }

    // A name that was added twice; without data: there is none. The names are in another order then.
    std::string_view twice() {
        constexpr std::size_t few = 16;
        const auto end = names_.end();
        if (names_.size() <= few) {
            for (auto one = names_.begin(); one != end; ++one)
                if (std::find(one + 1, end, *one) != end) return *one;
            return {};
        }
        std::sort(names_.begin(), end);
        const auto found = std::adjacent_find(names_.begin(), end);
        return found == end ? std::string_view() : *found;
    }

  private:
    std::vector<std::string_view> names_;
};

}  // namespace ble
