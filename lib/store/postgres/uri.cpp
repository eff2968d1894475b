#include "store/postgres/uri.hpp"

#include <libpq-fe.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace ble {
namespace {

const char *value_in(const PQconninfoOption *options, std::string_view keyword) {
    for (const auto *option = options; option != nullptr && option->keyword != nullptr; ++option)
        if (option->keyword == keyword) return option->val;
    return nullptr;
}

struct Parsed {
    explicit Parsed(const std::string &uri) : options(::PQconninfoParse(uri.c_str(), &error)) {}
    ~Parsed() {
        ::PQconninfoFree(options);
        ::PQfreemem(error);
    }
    Parsed(const Parsed &) = delete;
    Parsed &operator=(const Parsed &) = delete;

    bool has(std::string_view keyword) const { return value_in(options, keyword) != nullptr; }

    char *error = nullptr;
    PQconninfoOption *options;
};

// What holds for a URI: what it says, else the environment or a service.
class InForce {
  public:
    explicit InForce(const std::string &uri)
        : parsed_(uri), defaults_(::PQconndefaults(), ::PQconninfoFree) {}

    std::string get(std::string_view keyword) const {
        const char *value = value_in(parsed_.options, keyword);
        if (value == nullptr) value = value_in(defaults_.get(), keyword);
        return value == nullptr ? "" : value;
    }
    bool names_service() const { return parsed_.has("service"); }

  private:
    Parsed parsed_;
    std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption *)> defaults_;
};

std::vector<std::string> parts_of(const std::string &list) {
    std::vector<std::string> parts(1);
    for (const char c : list) {
        if (c == ',')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

}  // namespace

std::string fault_of_postgres_uri(const std::string &uri) {
    const Parsed parsed(uri);
    // What libpq says of a URI may hold a password.
    if (parsed.options == nullptr)
        return "this is not a URI that libpq can read: postgresql://[USER@]HOST[:PORT]/NAME[?OPTION=VALUE&…]";
    if (parsed.has("password") || parsed.has("sslpassword"))
        return "a password in a postgresql:// URI is seen by every user of the machine: put it into a file "
               "of mode 600, as "
               "HOST:PORT:NAME:USER:PASSWORD, and name that file in PGPASSFILE";
    return {};
}

bool chooses_host(const std::string &uri) {
    const Parsed parsed(uri);
    return parsed.has("target_session_attrs") || parsed.has("service") ||
           std::getenv("PGTARGETSESSIONATTRS") != nullptr || std::getenv("PGSERVICE") != nullptr;
}

std::vector<PostgresHost> hosts_of(const std::string &uri) {
    constexpr const char *default_port = "5432";
    std::vector<PostgresHost> all_at_once(1);
    const InForce options(uri);
    if (options.names_service()) return all_at_once;  // it may name others
    const auto names = parts_of(options.get("host")), addresses = parts_of(options.get("hostaddr")),
               ports = parts_of(options.get("port"));
    const auto count = std::max(names.size(), addresses.size());
    // An empty name is a socket's folder, which cannot be said otherwise. What does not fit together, libpq refuses.
    const auto fits = [&](const std::vector<std::string> &list) {
        const bool absent = list.size() == 1 && list.front().empty();
        return absent || (list.size() == count && std::find(list.begin(), list.end(), "") == list.end());
    };
    if (!fits(names) || !fits(addresses) || (ports.size() != 1 && ports.size() != count)) return all_at_once;
    std::vector<PostgresHost> hosts(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (names.size() == count) hosts[i].host = names[i];
        if (addresses.size() == count) hosts[i].hostaddr = addresses[i];
        if (ports.size() == count) hosts[i].port = ports[i].empty() ? default_port : ports[i];
    }
    return hosts;
}

std::vector<PostgresHost> each_address(const PostgresHost &host) {
    const bool is_socket = host.host.starts_with('/') || host.host.starts_with('@');
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    // What cannot be looked up, libpq says.
    if (host.host.empty() || !host.hostaddr.empty() || is_socket ||
        ::getaddrinfo(host.host.c_str(), nullptr, &hints, &found) != 0)
        return {host};
    const std::unique_ptr<addrinfo, void (*)(addrinfo *)> all(found, ::freeaddrinfo);
    std::vector<PostgresHost> hosts;
    for (const auto *one = all.get(); one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            hosts.push_back({host.host, text, host.port});
    }
    return hosts.empty() ? std::vector{host} : hosts;
}

std::optional<std::chrono::seconds> connect_timeout_of(const std::string &uri) {
    const auto seconds = std::strtol(InForce(uri).get("connect_timeout").c_str(), nullptr, 10);
    return seconds > 0 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

}  // namespace ble
