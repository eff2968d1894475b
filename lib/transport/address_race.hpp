// Which address of a name to connect to: the first that answers in a race as of RFC 8305 ("happy eyeballs"). For libraries that
// would wait for one address after the other. Only a race shows which addresses never answer.
//
// It uses connections of our own, which are closed again. There is no race for a name with only one address.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ble {

// Results of earlier attempts. Addresses that the name no longer has are ignored.
class AddressMemory {
  public:
    void worked(
        const std::string &address);  // the next time it goes first, and failures of the others are forgotten
    void failed(const std::string &address);  // it answered, but did not work: the next time it goes last
    // As a position: an address of a smaller one goes first, and among equals order counts.
    int rank(const std::string &address) const;

  private:
    std::string first_;
    std::vector<std::string> last_;  // the latest failure at the end
};

struct FoundAddress {
    std::string address;  // numeric; empty: none can be reached
    std::string trouble;  // why not, for people
};

// A lookup of a name's addresses of one family (AF_INET or AF_INET6). Numeric ones, in the order of getaddrinfo(3).
struct LookedUp {
    std::vector<std::string> addresses;
    int error = 0;  // EAI_… of getaddrinfo(3), when there are none
};
using Lookup = std::function<LookedUp(const std::string &name, int family)>;
LookedUp look_up(const std::string &name, int family);

// Both families' addresses as RFC 8305, section 4, has them: by turns, IPv6 first; then by the memory.
std::vector<std::string> order_addresses(const std::vector<std::string> &ipv6,
                                         const std::vector<std::string> &ipv4, const AddressMemory &memory);

// Looks `name` up each time, and races for its addresses. Blocks for at most `limit`. `lookup` runs in threads of
// its own, which may outlive the call. An address in place of a name, and a name's only one, are taken as they are.
FoundAddress find_address(const std::string &name, std::uint16_t port, const AddressMemory &memory,
                          std::chrono::milliseconds limit, const Lookup &lookup = look_up);

}  // namespace ble
