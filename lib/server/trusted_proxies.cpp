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

std::string TrustedProxies::client(const std::string &peer, std::string_view forwarded_for) const {
    std::string client = peer;
    while (trusts(client) && !forwarded_for.empty()) {
        const std::size_t comma = forwarded_for.rfind(',');
        std::string_view last = forwarded_for.substr(comma == std::string_view::npos ? 0 : comma + 1);
        forwarded_for = forwarded_for.substr(0, comma == std::string_view::npos ? 0 : comma);
        last.remove_prefix(std::min(last.find_first_not_of(" \t"), last.size()));
        last = last.substr(0, last.find_last_not_of(" \t") + 1);
        Address address{};
        if (!parse(std::string(last), address)) break;
        client = last;
    }
    return client;
}

// All as IPv6: an IPv4 address as a socket for both families names it.
bool TrustedProxies::parse(const std::string &text, Address &address) {
    return inet_pton(AF_INET6, text.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, ("::ffff:" + text).c_str(), address.data()) == 1;
}

}  // namespace ble
