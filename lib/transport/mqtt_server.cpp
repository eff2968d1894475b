#include "transport/mqtt_server.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>

#include "base/trimmed.hpp"

namespace ble {
namespace {

struct UrlScheme {
    std::string_view begin;
    bool websocket, tls;
    std::int64_t port;
};
constexpr UrlScheme schemes[] = {{"mqtt://", false, false, 1883},
                                 {"mqtts://", false, true, 8883},
                                 {"ws://", true, false, 80},
                                 {"wss://", true, true, 443}};

bool is_of_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
}

bool is_ipv6(std::string_view text) {
    const auto percent = std::min(text.find('%'), text.size());
    const std::string address(text.substr(0, percent));
    const std::string_view zone = text.substr(percent);
    in6_addr parsed{};
    return ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1 &&
           (zone.empty() || (zone.size() > 1 && std::all_of(zone.begin() + 1, zone.end(), is_of_name)));
}

std::int64_t parse_port(std::string_view text) {
    std::int64_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65'535)
        throw std::string("its port is not a number from 1 to 65535");
    return port;
}

// As it goes into a request.
std::string parse_path(std::string_view text) {
    const auto fits = [](char c) { return c > ' ' && c < '\x7f' && c != '#'; };
    if (!std::all_of(text.begin(), text.end(), fits))
        throw std::string("its path has a blank, a '#' or a character in it that needs the form %HH");
    return std::string(text);
}

std::string parse_host(std::string_view text, bool bracketed) {
    if (text.empty()) throw std::string("it names no host");
    const bool v6 = bracketed || text.find(':') != text.npos;
    if (v6 ? !is_ipv6(text) : !std::all_of(text.begin(), text.end(), is_of_name))
        throw std::string("it is no host name and no address");
    return std::string(text);
}

}  // namespace

std::string MqttServer::address() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::pair<std::string, std::int64_t> MqttServer::next_hop() const {
    if (proxy) return {proxy->host, proxy->port};
    return {host, port};
}

MqttServer parse_mqtt_server(std::string_view text) {
    MqttServer server;
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos) throw std::string("']' is missing");
        server.host = parse_host(text.substr(1, end - 1), true);
        port = text.substr(end + 1);
        if (!port.empty() && port.front() != ':') throw std::string("something stands behind ']'");
    } else {
        const auto colon = text.find(':');
        const bool has_port = colon != text.npos && text.find(':', colon + 1) == text.npos;
        server.host = parse_host(has_port ? text.substr(0, colon) : text, false);
        if (has_port) port = text.substr(colon);
    }
    if (!port.empty()) server.port = parse_port(port.substr(1));
    return server;
}

std::vector<MqttServer> parse_mqtt_servers(std::string_view text) {
    std::vector<MqttServer> servers;
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        servers.push_back(parse_mqtt_server(trimmed(text.substr(0, comma))));
        more = comma != text.npos;
        if (more) text.remove_prefix(comma + 1);
    }
    return servers;
}

MqttUrl parse_mqtt_url(std::string_view text) {
    const auto *const scheme =
        std::find_if(std::begin(schemes), std::end(schemes),
                     [&](const UrlScheme &one) { return text.starts_with(one.begin); });
    if (scheme == std::end(schemes))
        throw std::string("it begins with none of mqtt://, mqtts://, ws:// and wss://");
    text.remove_prefix(scheme->begin.size());
    MqttUrl url;
    url.tls = scheme->tls;
    url.usual_port = scheme->port;
    std::string_view authority = text.substr(0, text.find('/'));
    const std::string_view rest = text.substr(authority.size());
    if (const auto at = authority.rfind('@'); at != authority.npos) {
        url.user = authority.substr(0, at);
        if (url.user.find(':') != std::string::npos)
            throw std::string(
                "a password does not belong there, give it with --password-file or MQTT_PASSWORD");
        authority.remove_prefix(at + 1);
    }
    if (authority.find(',') != authority.npos)
        throw std::string("it names several brokers: give each a --url of its own");
    url.server = parse_mqtt_server(authority);
    url.server.websocket = scheme->websocket;
    if (!scheme->websocket)
        url.topic = rest.substr(std::min<std::size_t>(1, rest.size()));
    else if (!rest.empty())
        url.server.path = parse_path(rest);
    return url;
}

std::optional<MqttServer> parse_server_reference(std::string_view text, const MqttServer &from) {
    while (!text.empty()) {
        const auto blank = std::min(text.find(' '), text.size());
        try {
            MqttServer named = parse_mqtt_server(text.substr(0, blank));
            MqttServer server = from;
            server.host = std::move(named.host);
            if (named.port != 0) server.port = named.port;
            return server;
        } catch (const std::string &) {  // not this one
            text.remove_prefix(std::min(blank + 1, text.size()));
        }
    }
    return {};
}

}  // namespace ble
