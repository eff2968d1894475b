// The keys that clients of an HTTP server may show.
#pragma once

#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace ble {

class ApiKeys {
  public:
    ApiKeys() = default;  // none: everybody may
    // One key a line; empty lines and lines that begin with '#' are skipped, blanks at either end of a line cut off.
    // `source` for the message: Error(config) when there is no key in it, or one that no header can carry.
    ApiKeys(std::string_view text, std::string_view source);

    bool empty() const { return keys_.empty(); }
    // Takes the same time whatever the candidate and whichever key it is.
    bool accepts(std::string_view candidate) const;

  private:
    std::vector<Sha256> keys_;
};

}  // namespace ble
