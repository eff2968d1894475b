#include "base/other_names.hpp"

#include <algorithm>

namespace ble {
namespace {

struct Pair {
    std::string_view other, ours;
};

// Of several the first that the command has.
constexpr Pair pairs[] = {{"database", "db"},
                          {"dsn", "db"},
                          {"sqlite", "db"},
                          {"postgres", "db"},
                          {"history", "db"},
                          {"host", "broker"},
                          {"host", "url"},
                          {"host", "bind"},
                          {"hostname", "broker"},
                          {"hostname", "url"},
                          {"hostname", "bind"},
                          {"server", "broker"},
                          {"server", "url"},
                          {"server", "bind"},
                          {"listen", "bind"},
                          {"address", "bind"},
                          {"adress", "bind"},
                          {"addr", "address"},
                          {"addr", "bind"},
                          {"mac", "address"},
                          {"ssl", "tls"},
                          {"ssl", "cert"},
                          {"tls", "cert"},
                          {"ca", "cafile"},
                          {"cacert", "cafile"},
                          {"certificate", "cert"},
                          {"keyfile", "key"},
                          {"private-key", "key"},
                          {"pwd", "password-file"},
                          {"passwd", "password-file"},
                          {"password", "token-file"},
                          {"auth", "token-file"},
                          {"from", "since"},
                          {"start", "since"},
                          {"begin", "since"},
                          {"after", "since"},
                          {"last", "since"},
                          {"to", "until"},
                          {"end", "until"},
                          {"before", "until"},
                          {"step", "every"},
                          {"bucket", "every"},
                          {"interval", "every"},
                          {"refresh", "every"},
                          {"delay", "every"},
                          {"interface", "adapter"},
                          {"iface", "adapter"},
                          {"hci", "adapter"},
                          {"dev", "adapter"},
                          {"input", "replay"},
                          {"file", "replay"},
                          {"pcap", "replay"},
                          {"read", "replay"},
                          {"save", "record"},
                          {"duration", "run-for"},
                          {"retention", "retain"},
                          {"retain-days", "retain"},
                          {"keep", "retain"},
                          {"days", "retain"},
                          {"days", "since"},
                          {"hours", "since"},
                          {"metrics-port", "metrics-listen"},
                          {"max-age", "retain"},
                          {"location", "place"},
                          {"room", "place"},
                          {"pi", "device"},
                          {"debug", "verbose"},
                          {"silent", "quiet"},
                          {"root", "www"},
                          {"static", "www"},
                          {"folder", "www"},
                          {"dir", "www"},
                          {"html", "www"},
                          {"cors", "origin"},
                          {"max-connections", "max-clients"},
                          {"rate-limit", "max-rate"},
                          {"buffer-size", "spool-max"},
                          {"queue", "spool-max"},
                          {"max-size", "spool-max-bytes"},
                          {"group", "share"},
                          {"session", "client-id"},
                          {"protocol", "mqtt-version"},
                          {"lines", "rows"},
                          {"rows", "limit"},
                          {"max-rows", "limit"},
                          {"continue", "resume"},
                          {"salt", "hash-key"}};

}  // namespace

std::string by_other_name(std::string_view typed, std::span<const std::string> names) {
    for (const auto &[other, ours] : pairs) {
        if (typed != std::string("--").append(other)) continue;
        auto option = std::string("--").append(ours);
        if (std::find(names.begin(), names.end(), option) != names.end()) return option;
    }
    return {};
}

}  // namespace ble
