// Bytes on a socket of blerecv and blews: the first byte says whose, and whether a WebSocket has been opened before. The servers run in
// a thread of their own, and after any input they must answer /health.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "base/unique_fd.hpp"
#include "fuzz.hpp"
#include "server/api_keys.hpp"
#include "server/broadcaster.hpp"
#include "server/doorkeeper.hpp"
#include "server/http_receiver.hpp"
#include "server/lws_loop.hpp"
#include "server/trusted_proxies.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

constexpr std::string_view upgrade =
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr int long_ms = 60'000;  // for an answer, however little of a processor this process gets
constexpr std::string_view health = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

// Both servers, for the life of the process.
struct Servers {
    Counters counters;
    int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    CountingWriter writer{null, CountingWriter::Promise::written};
    Access access{std::nullopt, {}, true, false};
    std::optional<HttpReceiver> receiver;
    std::optional<Broadcaster> broadcaster;
    LwsLoop receiving{limits()}, watching{limits()};
    Doorkeeper door{receiving, access, TrustedProxies(), ApiKeys(), 0};

    static LwsLoop::Config limits() {
        LwsLoop::Config config;
        config.max_clients = config.max_per_address = 64;
        return config;
    }

    Servers() {
        HttpReceiver::Options options;
        receiver.emplace(receiving, door, writer, counters, options, [] {});
        receiving.listen({receiver->protocol()});
        WebSite::Options pages{.folder = {}, .charts = {}, .prefix = PathPrefix(), .proxies = {}};
        broadcaster.emplace(watching, access, std::move(pages), counters, Broadcaster::Options{});
        watching.listen(broadcaster->protocols());
        std::thread([this] { receiving.run(); }).detach();
        std::thread([this] { watching.run(); }).detach();
    }
};

UniqueFd connect(int port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    // Connections that ended keep their ports for a minute, and there may be some thousand in a second.
    int result = -1;
    for (int attempt = 0; attempt < 90 && result != 0; ++attempt) {
        if (attempt > 0) std::this_thread::sleep_for(std::chrono::seconds(1));
        result = ::connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address);
        if (result != 0 && errno != EADDRNOTAVAIL) break;
    }
    must(result == 0, "connect");
    return fd;
}

void send(int fd, std::string_view text) {
    [[maybe_unused]] const auto sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

// What comes until it is closed, or until nothing came for so long.
std::string receive(int fd, int wait_ms) {
    std::string all;
    std::array<char, 4096> piece;
    pollfd ready{fd, POLLIN, 0};
    while (all.size() < 65536 && ::poll(&ready, 1, wait_ms) > 0) {
        const auto count = ::recv(fd, piece.data(), piece.size(), 0);
        if (count <= 0) break;
        all.append(piece.data(), static_cast<std::size_t>(count));
    }
    return all;
}

// The first bytes that come.
std::string receive_first(int fd) {
    std::array<char, 4096> piece;
    pollfd ready{fd, POLLIN, 0};
    const auto count = ::poll(&ready, 1, long_ms) > 0 ? ::recv(fd, piece.data(), piece.size(), 0) : 0;
    return count > 0 ? std::string(piece.data(), static_cast<std::size_t>(count)) : "";
}

// One connection may be in the way of those before it, which the server has not yet seen closed.
bool is_well(int port) {
    for (int attempt = 0; attempt < 5; ++attempt) {
        const UniqueFd client = connect(port);
        send(client.get(), health);
        const std::string answer = receive(client.get(), long_ms);
        if (answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503")) return true;
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size < 2) return 0;
    static Servers *const servers = new Servers;  // its threads run on
    const int port = bytes[0] % 2 == 0 ? servers->receiving.port() : servers->watching.port();
    {
        const UniqueFd client = connect(port);
        if (bytes[0] % 4 == 3) {
            send(client.get(), upgrade);
            const std::string answer = receive_first(client.get());
            // Too many may stand that the server has not yet seen closed: it says so, or closes this one.
            if (answer.empty() || answer.starts_with("HTTP/1.1 503")) {
                must(is_well(port), "the server answers afterwards");
                return 0;
            }
            must(answer.starts_with("HTTP/1.1 101"), "a WebSocket is opened", answer);
        }
        send(client.get(), fuzz::text(bytes + 1, size - 1));
        ::shutdown(client.get(), SHUT_WR);
        receive(client.get(), 5);
    }
    must(is_well(port), "the server answers as before");
    return 0;
}
