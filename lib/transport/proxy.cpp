#include "transport/proxy.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/command_line.hpp"
#include "base/error.hpp"
#include "base/hex_text.hpp"
#include "base/host.hpp"
#include "base/trimmed.hpp"

namespace ble {
namespace {

std::string from_environment(const char *name) {
    const char *value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string first_of(const char *one, const char *other) {
    auto value = from_environment(one);
    return value.empty() ? from_environment(other) : value;
}

std::string lower(std::string_view text) {
    std::string copy(text);
    std::transform(copy.begin(), copy.end(), copy.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return copy;
}

bool matches(const std::string &host, std::string pattern) {
    if (pattern == "*") return true;
    while (pattern.starts_with('.')) pattern.erase(0, 1);
    if (pattern.empty() || !host.ends_with(pattern)) return false;
    return host.size() == pattern.size() || host[host.size() - pattern.size() - 1] == '.';
}

bool excepted(const std::string &host, std::string_view list) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        if (matches(host, lower(trimmed(list.substr(0, comma))))) return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

// RFC 3986, 2.1: '@', and each '%' that begins no code.
std::string encoded(std::string_view login) {
    std::string text;
    for (std::size_t i = 0; i < login.size(); ++i) {
        const bool code = login[i] == '%' && i + 2 < login.size() && hex_digit(login[i + 1]) >= 0 &&
                          hex_digit(login[i + 2]) >= 0;
        if (login[i] == '@')
            text += "%40";
        else if (login[i] == '%' && !code)
            text += "%25";
        else
            text += login[i];
    }
    return text;
}

Error bad(const std::string &why) {
    return Error(ExitCode::config,
                 "unable to use the proxy: " + why + "; write [http://][USER[:PASSWORD]@]HOST[:PORT]");
}

}  // namespace

std::string ProxyAddress::authority() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (login.empty() ? "" : encoded(login) + "@") + (v6 ? "[" + host + "]" : host) + ":" +
           std::to_string(port);
}

ProxyAddress proxy_of_option(const std::string &url, const CommandLine &line) {
    const auto code = line.on_command_line("--proxy") ? ExitCode::usage : ExitCode::config;
    try {
        ProxyAddress proxy = parse_proxy(url);
        if (proxy.login.find(':') == std::string::npos) return proxy;
    } catch (const Error &error) {
        throw Error(code, error.what());
    }
    throw Error(code,
                "a password does not belong in --proxy, where everybody can see it: give it in http_proxy or "
                "https_proxy");
}

ProxyAddress parse_proxy(std::string_view text) {
    constexpr std::string_view scheme = "http://";
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
    if (text.find("://") != text.npos) throw bad("it is no HTTP proxy");
    if (text.ends_with('/')) text.remove_suffix(1);
    ProxyAddress proxy;
    if (const auto at = text.rfind('@'); at != text.npos) {
        proxy.login = text.substr(0, at);
        text.remove_prefix(at + 1);
    }
    const auto host = parse_uri_host(text);
    if (!host || host->port == 0) throw bad("it names no host, or no port from 1 to 65535");
    proxy.host = host->name;
    proxy.port = host->port.value_or(static_cast<int>(proxy.port));
    return proxy;
}

std::string proxy_of_environment(bool tls, const std::string &host) {
    if (excepted(lower(host), first_of("no_proxy", "NO_PROXY"))) return {};
    // HTTP_PROXY could be a header of a CGI program's client.
    return tls ? first_of("https_proxy", "HTTPS_PROXY") : from_environment("http_proxy");
}

}  // namespace ble
