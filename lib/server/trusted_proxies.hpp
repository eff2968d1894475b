// Proxies in front of a server that are trusted to say who the client is and how it came.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ble {

class TrustedProxies {
  public:
    TrustedProxies() = default;  // none: anybody who reaches the server could write such headers
    // IPv4 or IPv6 addresses. Error(config) for what is none.
    explicit TrustedProxies(const std::vector<std::string> &addresses);

    // `peer`: the address at the other end of the connection, as text; an IPv4 address may be written as an IPv6 one.
    bool trusts(const std::string &peer) const;
    // The client's address: that of the peer, or, of a peer that is trusted, the last one in its header X-Forwarded-For that is
    // not trusted itself. What is no address there does not count.
    std::string client(const std::string &peer, std::string_view forwarded_for) const;

  private:
    using Address = std::array<unsigned char, 16>;
    static bool parse(const std::string &text, Address &address);
    std::vector<Address> addresses_;
};

}  // namespace ble
