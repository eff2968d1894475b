// The HTTP proxy that a connection goes through.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ble {

class CommandLine;

struct ProxyAddress {
    std::string host;  // IPv6 without brackets
    std::int64_t port = 8080;
    std::string login;  // USER:PASSWORD, as it stands in the URL; empty: none

    // [LOGIN@]HOST:PORT, with special characters of the login encoded: paho.mqtt.c hangs at a '%' that begins no escape.
    std::string authority() const;
};

// As parse_proxy(), of the option --proxy. Error(usage) where it was typed, also for a password, which everybody could see.
ProxyAddress proxy_of_option(const std::string &url, const CommandLine &line);

// [http://][USER[:PASSWORD]@]HOST[:PORT][/]. Error(config) says what is wrong, and repeats nothing of it: it may hold a password.
ProxyAddress parse_proxy(std::string_view text);

// What http_proxy, or https_proxy (HTTPS_PROXY) for a connection with TLS, says for that host; empty: none, or no_proxy (NO_PROXY) excepts
// it: a list with commas of names, each with all that ends in it, of addresses, or "*".
std::string proxy_of_environment(bool tls, const std::string &host);

}  // namespace ble
