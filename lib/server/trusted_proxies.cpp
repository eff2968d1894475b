#include "server/trusted_proxies.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "base/error.hpp"

namespace ble {

TrustedProxies::TrustedProxies(const std::vector<std::string> &addresses) {
    for (const std::string &text : addresses)
        if (!parse(text, addresses_.emplace_back()))
            throw Error(ExitCode::config,
                        "--trusted-proxy " + text +
                            ": not an address; write it as 127.0.0.1 or fd00::1, once for each");
}

bool TrustedProxies::trusts(const std::string &peer) const {
    Address address{};
    return parse(peer, address) &&
           std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

// All as IPv6: an IPv4 address as a socket for both families names it.
bool TrustedProxies::parse(const std::string &text, Address &address) {
    return inet_pton(AF_INET6, text.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, ("::ffff:" + text).c_str(), address.data()) == 1;
}

}  // namespace ble
