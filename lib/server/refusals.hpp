// What a server refused: counted by kind, and logged, each kind at most once a minute.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/log.hpp"

namespace ble {

class Refusals {
  public:
    enum class Kind { host, origin, token, handshake, key, device, rate };

    // `text`: who was refused, and what would let him in; what comes from outside made printable.
    void note(Kind kind, const std::string &text);

    // {"host":…,"origin":…,"clients":…}, of these kinds and of `clients`, the connections that were too many.
    std::string json(std::initializer_list<Kind> kinds, std::uint64_t clients) const;

  private:
    struct Count {
        std::uint64_t so_far = 0;
        Throttle log;
    };
    std::array<Count, 7> counts_;  // by kind
};

}  // namespace ble
