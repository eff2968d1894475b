#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <thread>

#include "base/event_writer.hpp"
#include "base/unique_fd.hpp"
#include "catch.hpp"

using ble::EventWriter;
using ble::UniqueFd;
using std::chrono::milliseconds;

namespace {

struct Pipe {
    Pipe() {
        std::signal(SIGPIPE, SIG_IGN);
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        out = UniqueFd(ends[0]);
        in = UniqueFd(ends[1]);
        REQUIRE(::fcntl(in.get(), F_SETPIPE_SZ, 65536) == 65536);
    }
    // All that stands in the pipe.
    std::string drain() {
        std::string all;
        ::fcntl(out.get(), F_SETFL, O_NONBLOCK);
        char piece[65536];
        for (ssize_t count; (count = ::read(out.get(), piece, sizeof piece)) > 0;)
            all.append(piece, static_cast<std::size_t>(count));
        return all;
    }
    UniqueFd out, in;
};

const auto go_on = [] { return true; };

std::size_t occurrences(const std::string &text, char letter) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), letter));
}

}  // namespace

TEST_CASE("events arrive as lines, longer ones in pieces") {
    Pipe pipe;
    EventWriter writer(pipe.in.get(), milliseconds(0), -1, go_on);
    CHECK(writer.heard());
    CHECK(writer.line("one"));
    CHECK(writer.line(std::string(20'000, 'x')));
    CHECK(pipe.drain() == "one\n" + std::string(20'000, 'x') + "\n");
    CHECK_FALSE(writer.pending());
}

TEST_CASE("a writer that finds bytes standing first ends its predecessor's torn event") {
    Pipe pipe;
    REQUIRE(::write(pipe.in.get(), "to", 2) == 2);
    EventWriter writer(pipe.in.get(), milliseconds(0), -1, go_on);
    CHECK_FALSE(writer.pending());
    CHECK(writer.finish());  // nothing to say: nothing is written
    CHECK(pipe.drain() == "to");
    CHECK(writer.line("good"));
    CHECK(writer.line("better"));
    CHECK(pipe.drain() == "\ngood\nbetter\n");
}

TEST_CASE("a reader that stalls costs whole lines, and one wait") {
    Pipe pipe;
    const UniqueFd signal(::eventfd(1, EFD_CLOEXEC));
    int waits = 0;  // or more: it is asked all the time while there is waiting
    EventWriter writer(pipe.in.get(), milliseconds(50), signal.get(), [&] { return ++waits > 0; });
    const std::string line(10'000, 'x');
    std::size_t taken = 0;
    while (writer.line(line)) ++taken;  // the last one taken was begun and does not fit
    CHECK(writer.pending());
    CHECK(waits > 0);
    waits = 0;
    for (int i = 0; i < 1000; ++i) CHECK_FALSE(writer.line(line));
    CHECK(waits == 0);

    // The begun line is finished before anything else, and then all is as before.
    std::string got = pipe.drain();
    writer.pump();
    CHECK_FALSE(writer.pending());
    CHECK(writer.line("last"));
    got += pipe.drain();
    CHECK(occurrences(got, 'x') == taken * line.size());
    CHECK(got.substr(got.size() - 6) == "\nlast\n");
}

TEST_CASE("after a stall there is no waiting until the reader has caught up") {
    Pipe pipe;
    EventWriter writer(pipe.in.get(), milliseconds(30), -1, go_on);
    const std::string line(4095, 'x');
    while (writer.line(line)) {
    }
    char piece[4096];
    for (int i = 0; i < 20; ++i) {  // a reader that takes a line now and then
        REQUIRE(::read(pipe.out.get(), piece, sizeof piece) == 4096);
        CHECK(writer.line(line));
        CHECK_FALSE(writer.line(line));
    }
    pipe.drain();
    // Now it has: there is patience again, and a reader that comes within it gets the line.
    int count = 0;
    while (count < 16 && writer.line(line)) ++count;
    CHECK(count == 16);
}

TEST_CASE("patience 0 waits for the reader as long as it takes") {
    Pipe pipe;
    EventWriter writer(pipe.in.get(), milliseconds(0), -1, go_on);
    std::string got;
    std::thread reader([&] {
        char piece[1000];
        while (got.size() < 300'003) {
            const auto count = ::read(pipe.out.get(), piece, sizeof piece);
            if (count <= 0) return;
            got.append(piece, static_cast<std::size_t>(count));
        }
    });
    const std::string line(100'000, 'x');
    for (int i = 0; i < 3; ++i) CHECK(writer.line(line));
    reader.join();
    CHECK(got == line + "\n" + line + "\n" + line + "\n");
}

TEST_CASE("waiting ends when asked, and the rest of a line is given a last chance") {
    Pipe pipe;
    const UniqueFd signal(::eventfd(1, EFD_CLOEXEC));
    int asked = 0;
    EventWriter writer(pipe.in.get(), milliseconds(0), signal.get(), [&] { return ++asked < 3; });
    CHECK(writer.line(std::string(100'000, 'x')));  // begun: 65 536 bytes fit
    CHECK(asked == 3);
    CHECK(writer.pending());
    CHECK_FALSE(writer.line("y"));
    CHECK_FALSE(writer.finish());  // a second of grace, in vain
    std::string got = pipe.drain();
    CHECK(writer.finish());
    CHECK(got + pipe.drain() == std::string(100'000, 'x') + "\n");
}

TEST_CASE("a reader that goes away is noticed, idle or not") {
    Pipe pipe;
    EventWriter writer(pipe.in.get(), milliseconds(0), -1, go_on);
    CHECK(writer.line("one"));
    pipe.out = UniqueFd();
    SECTION("when writing") {
        CHECK_FALSE(writer.line("two"));
    }
    SECTION("when asked") {
        writer.pump();
    }
    CHECK(writer.gone());
    CHECK_FALSE(writer.why().empty());
    CHECK_FALSE(writer.line("three"));
}

TEST_CASE("O_NONBLOCK set by others, sockets and /dev/null are coped with") {
    Pipe pipe;
    ::fcntl(pipe.in.get(), F_SETFL, O_NONBLOCK);
    EventWriter nonblocking(pipe.in.get(), milliseconds(20), -1, go_on);
    int lines = 0;
    while (nonblocking.line(std::string(999, 'x'))) ++lines;
    CHECK(lines > 30);

    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const UniqueFd mine(pair[0]);
    {
        const UniqueFd theirs(pair[1]);
        EventWriter socket(mine.get(), milliseconds(20), -1, go_on);
        while (socket.line(std::string(999, 'x'))) {
        }
        CHECK_FALSE(socket.gone());
    }
    const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    EventWriter nobody(null.get(), milliseconds(0), -1, go_on);
    CHECK_FALSE(nobody.heard());
    CHECK(nobody.line("one"));

    const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    EventWriter failing(full.get(), milliseconds(0), -1, go_on);
    CHECK_FALSE(failing.line("one"));
    CHECK(failing.gone());
    CHECK(failing.why().find("No space") != std::string::npos);
}
