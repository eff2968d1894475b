#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "catch.hpp"
#include "server/listener.hpp"
#include "server/lws_loop.hpp"

using namespace ble;
using namespace std::chrono_literals;

namespace {

struct Pipe {
    UniqueFd out, in;
    Pipe() {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        out = UniqueFd(ends[0]);
        in = UniqueFd(ends[1]);
    }
    void write(const std::string &text) const {
        REQUIRE(::write(in.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    std::string read() const {
        char text[100];
        return {text, static_cast<std::size_t>(std::max<ssize_t>(0, ::read(out.get(), text, sizeof text)))};
    }
};

LwsLoop::Protocol silent() {
    return {"http", 0, 0, [](lws *, int, void *, void *, std::size_t) { return 0; }};
}

UniqueFd connect_to(std::uint16_t port) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0) return {};
    return fd;
}

ExitCode code_of(const std::function<void()> &body) {
    try {
        body();
    } catch (const Error &error) {
        return error.code();
    }
    return ExitCode::ok;
}

}  // namespace

TEST_CASE("a descriptor calls back as long as it is readable, and stays ours") {
    Pipe pipe;
    pipe.write("one");
    {
        LwsLoop loop({});
        int calls = 0;
        std::string got;
        loop.watch(pipe.out.get(), [&] {
            if (++calls < 3) return;  // level-triggered: not reading brings us back
            got = pipe.read();
            loop.stop();
        });
        loop.run();
        CHECK(calls == 3);
        CHECK(got == "one");
    }
    pipe.write("two");
    CHECK(pipe.read() == "two");
}

TEST_CASE("timers expire in the order of their delays, once; arming again replaces, disarming forgets") {
    LwsLoop loop({});
    std::string order;
    const auto a = loop.timer([&] { order += 'a'; });
    const auto b = loop.timer([&] { order += 'b'; });
    const auto c = loop.timer([&] { order += 'c'; });
    const auto end = loop.timer([&] { loop.stop(); });
    loop.arm(a, 20ms);
    loop.arm(b, 0ms);
    loop.arm(c, 1ms);
    loop.disarm(c);
    loop.arm(end, 10h);
    loop.arm(end, 60ms);
    loop.run();
    CHECK(order == "ba");
}

TEST_CASE("a timer may arm itself") {
    LwsLoop loop({});
    int turns = 0;
    LwsLoop::Timer timer = 0;
    timer = loop.timer([&] {
        if (++turns == 5) return loop.stop();
        loop.arm(timer, 1ms);
    });
    loop.arm(timer, 1ms);
    loop.run();
    CHECK(turns == 5);
}

TEST_CASE("the loop sleeps until a timer is due, below a millisecond too") {
    constexpr int turns = 200;
    LwsLoop loop({});
    int turn = 0;
    LwsLoop::Timer timer = 0;
    timer = loop.timer([&] {
        if (++turn == turns) return loop.stop();
        loop.arm(timer, 900us);
    });
    loop.arm(timer, 900us);
    // Who waits gives up the processor; from who spins it is taken. On a busy machine some timers are due before the loop gets to wait.
    const auto waits = [] {
        rusage used{};
        getrusage(RUSAGE_THREAD, &used);
        return used.ru_nvcsw;
    };
    const auto before = waits();
    loop.run();
    CHECK(waits() - before >= turns / 10);
}

TEST_CASE("what a callback throws ends run()") {
    Pipe pipe;
    pipe.write("x");
    UniqueFd client;  // outlives the loop, whose end calls back once more
    LwsLoop loop({});
    SECTION("from a descriptor") {
        loop.watch(pipe.out.get(), [] { throw Error(ExitCode::io, "gone"); });
        CHECK_THROWS_AS(loop.run(), Error);
    }
    SECTION("from a timer") {
        loop.arm(loop.timer([] { throw std::runtime_error("late"); }), 1ms);
        CHECK_THROWS_WITH(loop.run(), "late");
    }
    SECTION("from a protocol") {
        loop.listen({{"http", 0, 0, [&](lws *, int, void *, void *, std::size_t) -> int {
                          if (client) throw std::runtime_error("not that");
                          return 0;
                      }}});
        client = connect_to(loop.port());
        CHECK_THROWS_WITH(loop.run(), "not that");
    }
}

TEST_CASE("the system chooses the port, and the URL says it") {
    LwsLoop loop({});
    loop.listen({silent()});
    CHECK(loop.port() > 0);
    CHECK(loop.url() == "http://127.0.0.1:" + std::to_string(loop.port()));
    CHECK(loop.clients() == 0);
    CHECK(connect_to(loop.port()));
}

TEST_CASE("connections are counted, and those beyond the limit told so") {
    LwsLoop::Config config;
    config.max_clients = 2;
    LwsLoop loop(config);
    loop.listen({silent()});
    const UniqueFd first = connect_to(loop.port()), second = connect_to(loop.port()),
                   third = connect_to(loop.port());
    const std::string_view request = "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n";
    REQUIRE(send(third.get(), request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
    std::string answer;
    loop.watch(third.get(), [&] {
        char text[100];
        answer.assign(text, static_cast<std::size_t>(recv(third.get(), text, sizeof text, 0)));
        loop.stop();
    });
    loop.run();
    CHECK(loop.clients() == 2);
    CHECK_THAT(answer, Catch::Matchers::StartsWith("HTTP/1.1 503 "));
}

TEST_CASE("after stop_listening() the port is closed and the loop goes on") {
    LwsLoop loop({});
    loop.listen({silent()});
    const std::uint16_t port = loop.port();
    const UniqueFd before = connect_to(port);
    CHECK(before);
    int turns = 0;
    LwsLoop::Timer timer = 0;
    timer = loop.timer([&] {
        if (++turns == 1) loop.stop_listening();
        if (turns == 5) return loop.stop();
        loop.arm(timer, 5ms);
    });
    loop.arm(timer, 5ms);
    loop.run();
    CHECK(turns == 5);
    CHECK_FALSE(connect_to(port));
    CHECK(open_listener("127.0.0.1", port, 0).port == port);
}

TEST_CASE("each way a port cannot be had has its exit code") {
    const Listener taken = open_listener("127.0.0.1", 0, 0);
    CHECK(code_of([&] { open_listener("127.0.0.1", taken.port, 0); }) == ExitCode::unavailable);
    CHECK(code_of([] { open_listener("192.0.2.1", 0, 0); }) == ExitCode::config);
    CHECK(code_of([] { open_listener("no such name", 0, 0); }) == ExitCode::config);
}

TEST_CASE("a certificate without its key, or one that cannot be read, is a configuration error") {
    LwsLoop::Config config;
    config.tls.cert = "/nonexistent";
    CHECK(code_of([&] { LwsLoop loop(config); }) == ExitCode::config);
    config.tls.key = "/nonexistent";
    CHECK(code_of([&] { LwsLoop loop(config); }) == ExitCode::config);
}
