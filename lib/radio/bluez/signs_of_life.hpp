// Which reports show that an adapter hears: those with data, and those without of an address that it has heard before. A
// failing adapter may report empty advertisements of new addresses without end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>

namespace ble {

class SignsOfLife {
  public:
    // Is a report of that address, with data or without, a sign of life? It is remembered.
    bool is(std::uint64_t address, bool data);

    // So many addresses are known for certain, the last heard; never more than twice as many.
    static constexpr std::size_t remembered = 4096;

  private:
    std::unordered_set<std::uint64_t> newer_, older_;
};

}  // namespace ble
