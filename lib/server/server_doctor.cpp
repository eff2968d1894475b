#include "server/server_doctor.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>

#include "base/error.hpp"
#include "base/host.hpp"
#include "base/unique_fd.hpp"
#include "server/listener.hpp"

namespace ble {
namespace {

constexpr long patience_s = 3, renew_days = 14;

UniqueFd connect_to(const ServerPlace &place) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(place.bind.c_str(), std::to_string(place.port).c_str(), &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
    for (const auto *at = found; at != nullptr; at = at->ai_next) {
        UniqueFd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const timeval limit{patience_s, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (::connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) return fd;
    }
    return {};
}

// What whoever has the port answers; empty: nothing.
std::string ask_health(const ServerPlace &place) {
    const UniqueFd fd = connect_to(place);
    const std::string request = "GET " + place.prefix +
                                "/health HTTP/1.0\r\nHost: localhost:" + std::to_string(place.port) +
                                "\r\n\r\n";
    if (!fd || ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
    std::string answer;
    constexpr std::size_t most = 1 << 16;
    char part[4096];
    for (ssize_t got = 0; answer.size() < most && (got = ::recv(fd.get(), part, sizeof part, 0)) > 0;)
        answer.append(part, static_cast<std::size_t>(got));
    return answer;
}

Finding examine_port(const ServerPlace &place, bool tls) {
    constexpr const char *name = "port";
    const auto where = place.bind + ", port " + std::to_string(place.port);
    const auto who = "sudo ss -ltnp 'sport = :" + std::to_string(place.port) + "'";
    try {
        open_listener(place.bind, place.port, 0);
        return Finding::ok(name, where + " is free: " + place.service + " does not run there now");
    } catch (const Error &error) {
        if (error.code() != ExitCode::unavailable)
            return Finding::failed(name, error.what(), "ip address; choose another --bind or --port");
    }
    if (tls)
        return Finding::warning(
            name, where + " is taken; with TLS we do not look by whom",
            who + "; curl -ki https://localhost:" + std::to_string(place.port) + place.prefix + "/health");
    if (ask_health(place).find("\"service\":\"" + place.service + "\"") != std::string::npos)
        return Finding::ok(name, where + " is served by a " + place.service + " already");
    return Finding::failed(name, where + " is taken by another program", who + "; or choose another --port");
}

Finding examine_certificate(const TlsFiles &tls) {
    constexpr const char *name = "certificate";
    const long days = days_left(tls);
    const std::string look = "openssl x509 -noout -dates -in " + tls.cert + "; renew it, and send SIGHUP";
    if (days < 0) return Finding::failed(name, tls.cert + " has expired: clients refuse it", look);
    const auto found = tls.cert + " is good for " + std::to_string(days) + " days more";
    return days < renew_days ? Finding::warning(name, found, look) : Finding::ok(name, found);
}

}  // namespace

Findings examine_server(const ServerPlace &place, const TlsFiles &tls) {
    Findings all{examine_port(place, !tls.cert.empty())};
    if (!tls.cert.empty()) all.push_back(examine_certificate(tls));
    return all;
}

Finding examine_server_clock() {
    if (kernel_clock_synced()) return examine_clock();
    return Finding::unknown("clock", "a sandbox does not let us ask the kernel");
}

}  // namespace ble
