// A hostile broker: what it answers to a publisher (first byte even) or a subscriber (odd), in pieces that end where the input has
// the byte 0xfe twice.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "fuzz.hpp"
#include "transport/mqtt_publisher.hpp"
#include "transport/mqtt_subscriber.hpp"

BLE_FUZZ_QUIET

// A client of libmosquitto's at which an assertion failed is left as it is (transport/assertion_guard.hpp). That all else is freed is for the
// tests of the preset asan.
extern "C" const char *
__lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier): LeakSanitizer's name
    return "leak:libmosquitto.so";
}

namespace {

using namespace ble;
using fuzz::must;

class Listener {
  public:
    Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        must(::bind(fd_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) == 0, "bind");
        must(::listen(fd_.get(), 8) == 0, "listen");
        socklen_t length = sizeof address;
        ::getsockname(fd_.get(), reinterpret_cast<sockaddr *>(&address), &length);
        port = ntohs(address.sin_port);
    }
    UniqueFd accept() const {
        return UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    }
    int fd() const { return fd_.get(); }
    int port = 0;

  private:
    UniqueFd fd_;
};

// One connection: each time that something comes in, the next piece goes out; after the last it is closed.
class Broker {
  public:
    Broker(const Listener &listener, std::string_view script) : listener_(listener), script_(script) {}

    int fd() const { return link_ ? link_.get() : listener_.fd(); }
    bool done() const { return done_; }
    void leave() { link_ = UniqueFd(); }
    void step() {
        if (!link_) {
            link_ = listener_.accept();
            return;
        }
        std::array<char, 4096> heard;
        const auto count = ::recv(link_.get(), heard.data(), heard.size(), 0);
        if (count < 0) return;
        const std::size_t end = std::min(script_.find("\xfe\xfe"), script_.size());
        [[maybe_unused]] const auto sent = ::send(link_.get(), script_.data(), end, MSG_NOSIGNAL);
        script_.remove_prefix(std::min(script_.size(), end + 2));
        if (count > 0 && (!script_.empty() || pieces_++ < 3)) return;
        link_ = UniqueFd();
        done_ = true;
    }

  private:
    const Listener &listener_;
    std::string_view script_;
    UniqueFd link_;
    int pieces_ = 0;
    bool done_ = false;
};

template <class Client>
void play(Client &client, Broker &broker, const std::function<void()> &step) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (!broker.done() && std::chrono::steady_clock::now() < end) {
        pollfd fds[] = {{client.fd(), POLLIN, 0}, {broker.fd(), POLLIN, 0}};
        ::poll(fds, 2, 10);
        if (fds[1].revents != 0) broker.step();
        step();
    }
    step();
    broker.leave();  // a client that is closed waits for that
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size < 2) return 0;
    static const Listener listener;
    MqttOptions options;
    options.servers = {{"127.0.0.1", listener.port}};
    options.version = bytes[0] % 4 < 2 ? "5" : "3.1.1";
    Broker broker(listener, fuzz::text(bytes + 1, size - 1));
    if (bytes[0] % 2 == 0) {
        MqttPublisher publisher(options, 8, "status");
        publisher.subscribe("tfg/detections/raw/stored/pi-1");
        publisher.start();
        std::uint64_t sent = 0, ended = 0;
        play(publisher, broker, [&] {
            ended += publisher.step().size();
            publisher.take_messages();
            if (sent < 100 && sent - ended < publisher.window()) publisher.send(++sent, "{}");
        });
        must(ended <= sent, "a result for each message");
    } else {
        bool strange = false;
        std::size_t taken = 0;
        constexpr std::size_t window = 3;
        MqttSubscriber subscriber(options, MqttSubscriber::Part{}, window,
                                  [&](std::string_view topic, std::string_view) {
                                      strange = strange || topic.size() > 65535;
                                      ++taken;
                                  });
        subscriber.start();
        play(subscriber, broker, [&] {
            subscriber.step();
            if (!subscriber.holds()) return;
            must(taken > 0 && taken <= window, "a window is not exceeded");
            taken = 0;
            subscriber.release();
        });
        must(!strange, "a topic is no longer than MQTT has it");
    }
    return 0;
}
