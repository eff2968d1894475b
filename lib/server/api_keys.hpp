// The keys that clients of an HTTP server may send, and the device of each. One a line:
//
//     pi-lab-1:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//
// The device_id ('*': every device) and the SHA-256 of the key, in hexadecimal. A plain hash is enough, since make_key()'s keys
// are 32 random bytes, which nobody can guess. Any other line is itself a key, valid for every device.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace ble {

constexpr std::string_view every_device = "*";

class ApiKeys {
  public:
    ApiKeys() = default;  // none: everybody may
    // Empty lines and lines that begin with '#' are skipped, blanks at either end of a line cut off. A device may have several
    // keys. `source` is for messages, which never repeat a key: Error(config) names the line when it holds what no header can
    // carry, a hash that is cut, no device_id, or a key that is there already. A text without a key lets nobody in.
    ApiKeys(std::string_view text, std::string_view source);

    bool everybody_may() const { return !asked_; }
    std::size_t size() const { return keys_.size(); }
    // The device that the key is for, or every_device; nullptr: it is nobody's. Takes the same time whatever the candidate and
    // whichever key it is. Borrowed from this object.
    const std::string *owner(std::string_view candidate) const;

    std::size_t plain() const { return plain_; }          // keys that stand there themselves
    std::size_t too_short() const { return too_short_; }  // of those, the ones shorter than 16 characters

  private:
    struct Key {
        Sha256 hash;
        std::string device;
    };
    std::vector<Key> keys_;
    std::size_t plain_ = 0, too_short_ = 0;
    bool asked_ = false;
};

// Why it is neither a device_id nor every_device: "shorter than 3 characters", …; empty: it is one.
std::string why_no_key_device(std::string_view device);

struct NewKey {
    std::string key;   // for the client: 64 hexadecimal digits
    std::string line;  // for the server's file, without LF
};
// Error(system) when the system has no random bytes.
NewKey make_key(std::string_view device);

}  // namespace ble
