// What a server turned away: counted by kind, and said in the log, of each kind at most once a minute.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/log.hpp"

namespace ble {

class Refusals {
  public:
    enum class Kind { host, origin, token, handshake };

    // `text`: who was refused, and what would let him in; what comes from outside made printable.
    void note(Kind kind, const std::string &text);

    // {"host":…,"origin":…,"token":…,"handshake":…,"clients":…}; `clients`: connections that were too many.
    std::string json(std::uint64_t clients) const;

  private:
    struct Count {
        std::uint64_t so_far = 0;
        Throttle log;
    };
    std::array<Count, 4> counts_;  // by kind
};

}  // namespace ble
