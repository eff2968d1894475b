// bench_listen: a WebSocket client that takes all it is sent as fast as it comes, and counts.
//   bench_listen PORT PATH          until the server closes; says "ready" on standard error when it is connected, and at the end prints
//                                   messages, their bytes, and the seconds from the first to the last
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

int connect_to(const char *port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0 ? fd : -1;
}

// Messages in the bytes, of which the last may be incomplete; a server's frames are not masked.
class Counter {
  public:
    long messages = 0;
    std::uint64_t bytes = 0;

    // False: the server says goodbye.
    bool take(const unsigned char *data, std::size_t size) {
        rest_.insert(rest_.end(), data, data + size);
        std::size_t at = 0;
        for (;;) {
            const std::size_t left = rest_.size() - at;
            if (left < 2) break;
            const unsigned char *const frame = rest_.data() + at;
            std::uint64_t length = frame[1] & 0x7f;
            const std::size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
            if (left < 2 + wide) break;
            if (wide > 0) length = 0;
            for (std::size_t i = 0; i < wide; ++i) length = length << 8 | frame[2 + i];
            if (left < 2 + wide + length) break;
            if ((frame[0] & 0xf) == 8) return false;
            if ((frame[0] & 0xf) <= 2) ++messages, bytes += length;
            at += 2 + wide + static_cast<std::size_t>(length);
        }
        rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(at));
        return true;
    }

  private:
    std::vector<unsigned char> rest_;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) return std::fputs("usage: bench_listen PORT PATH\n", stderr), 64;
    const int fd = connect_to(argv[1]);
    const std::string request =
        std::string("GET ") + argv[2] +
        " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    if (fd < 0 || ::write(fd, request.data(), request.size()) < 0) return std::perror("bench_listen"), 1;
    std::string head;
    for (char byte = 0; !head.ends_with("\r\n\r\n") && ::read(fd, &byte, 1) == 1;) head += byte;
    if (!head.starts_with("HTTP/1.1 101 ")) return std::fprintf(stderr, "%s\n", head.c_str()), 1;
    std::fputs("ready\n", stderr);
    Counter counter;
    Clock::time_point first, last;
    std::vector<unsigned char> buffer(256 * 1024);
    for (;;) {
        const auto size = ::read(fd, buffer.data(), buffer.size());
        if (size <= 0) break;
        last = Clock::now();
        if (counter.messages == 0) first = last;
        if (!counter.take(buffer.data(), static_cast<std::size_t>(size))) break;
    }
    const std::chrono::duration<double> took = last - first;
    std::printf("%ld %llu %.6f\n", counter.messages, static_cast<unsigned long long>(counter.bytes),
                took.count());
}
