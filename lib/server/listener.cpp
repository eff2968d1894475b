#include "server/listener.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.hpp"

namespace ble {
namespace {

// Empty, and errno says why, when that address cannot be had.
UniqueFd listen_on(const addrinfo &address, int send_buffer) {
    UniqueFd fd(
        socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol));
    if (!fd) return {};
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // The options of the listening socket become those of its connections.
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (send_buffer > 0) setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    if (bind(fd.get(), address.ai_addr, address.ai_addrlen) == 0 && listen(fd.get(), SOMAXCONN) == 0)
        return fd;
    const int reason = errno;  // closing must not change it
    fd = UniqueFd();
    errno = reason;
    return {};
}

Error listening_error(const std::string &where, int reason, const std::string &option) {
    const auto with = [&](const char *usual) { return " with " + (option.empty() ? usual : option); };
    const std::string text = "unable to listen on " + where + ": " + std::strerror(reason);
    if (reason == EADDRINUSE)
        return {ExitCode::unavailable,
                text + ": another program has it; end that or choose another" + with("--port")};
    if (reason == EACCES) return {ExitCode::permission, text + ": choose a port above 1023" + with("--port")};
    if (reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT)
        return {ExitCode::config, text + ": name an address of this machine" + with("--bind")};
    return {ExitCode::system, text};
}

}  // namespace

Listener open_listener(const std::string &bind, std::uint16_t port, int send_buffer,
                       const std::string &option) {
    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (const int error = getaddrinfo(bind.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0)
        throw Error(ExitCode::config, "unable to listen on " + bind + ": " + gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo *)> owner(found, freeaddrinfo);
    Listener listener;
    for (const addrinfo *a = found; a != nullptr && !listener.fd; a = a->ai_next)
        listener.fd = listen_on(*a, send_buffer);
    if (!listener.fd) throw listening_error(bind + " port " + std::to_string(port), errno, option);

    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (getsockname(listener.fd.get(), reinterpret_cast<sockaddr *>(&name), &size) < 0)
        throw system_error("learn the port listened on");
    char host[NI_MAXHOST], service[NI_MAXSERV];
    if (const int error = getnameinfo(reinterpret_cast<sockaddr *>(&name), size, host, sizeof host, service,
                                      sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
        error != 0)
        throw Error(ExitCode::system,
                    std::string("unable to learn the port listened on: ") + gai_strerror(error));
    listener.address = name.ss_family == AF_INET6 ? "[" + std::string(host) + "]" : host;
    listener.port = static_cast<std::uint16_t>(std::stoul(service));
    return listener;
}

}  // namespace ble
