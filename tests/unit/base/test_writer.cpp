#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "base/counting_writer.hpp"
#include "base/error.hpp"
#include "base/line_writer.hpp"
#include "base/looking_reader.hpp"
#include "catch.hpp"

using ble::CountingWriter;
using Promise = ble::CountingWriter::Promise;

namespace {

struct Pipe {
    Pipe() {
        std::signal(SIGPIPE, SIG_IGN);
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    }
    ~Pipe() {
        close_reader();
        ::close(ends[1]);
    }
    void close_reader() {
        if (ends[0] >= 0) ::close(ends[0]);
        ends[0] = -1;
    }
    std::string read(std::size_t count) {
        std::string text(count, '\0');
        const auto got = ::read(ends[0], text.data(), count);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    int ends[2];
};

bool readable(int fd) {
    pollfd ask{fd, POLLIN, 0};
    return ::poll(&ask, 1, 0) == 1;
}

std::uint64_t write_line(CountingWriter &writer, std::string_view line) {
    const auto position = writer.take_line(line);
    writer.pump();
    return position;
}

// As a tool's loop does: until the line is committed (true), or the reader is gone.
bool wait(CountingWriter &writer, std::uint64_t position) {
    for (;;) {
        writer.pump();
        if (writer.committed() >= position) return true;
        if (writer.gone()) return false;
        pollfd ask{writer.event_fd(), POLLIN, 0};
        ::poll(&ask, 1,
               static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(writer.wait_hint()).count()));
    }
}

}  // namespace

TEST_CASE("a line is committed when its last byte, its LF, is consumed") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    const auto first = write_line(writer, "one");
    const auto second = write_line(writer, "three");
    CHECK(first == 4);
    CHECK(second == 10);
    CHECK(writer.committed() == 0);
    pipe.read(3);
    writer.pump();
    CHECK(writer.committed() < first);
    CHECK_FALSE(readable(writer.event_fd()));
    pipe.read(1);
    writer.pump();
    CHECK(writer.committed() == first);
    CHECK_FALSE(writer.idle());
    CHECK(pipe.read(100) == "three\n");
    writer.pump();
    CHECK(writer.idle());
}

TEST_CASE("a looking reader's consumption wakes the writer, once") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    ble::LookingReader reader(pipe.ends[0], "input");
    write_line(writer, "one");
    writer.pump();
    CHECK_FALSE(readable(writer.event_fd()));
    REQUIRE(reader.look().size() == 1);
    CHECK_FALSE(readable(writer.event_fd()));
    reader.consume();
    CHECK(readable(writer.event_fd()));
    writer.pump();
    CHECK(writer.idle());
    CHECK_FALSE(readable(writer.event_fd()));
}

TEST_CASE("the hint for naive readers grows to 100 ms and shrinks when something was consumed") {
    using std::chrono::milliseconds;
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    write_line(writer, "one");
    auto hint = writer.wait_hint();
    CHECK(hint <= milliseconds(5));
    for (int i = 0; i < 20; ++i) hint = writer.wait_hint();
    CHECK(hint == milliseconds(100));
    pipe.read(4);
    writer.pump();
    CHECK(writer.wait_hint() <= milliseconds(5));
}

TEST_CASE("a reader that has told of its consumption is not asked as soon as one that has not") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    ble::LookingReader reader(pipe.ends[0], "input");
    write_line(writer, "one");
    const auto unknown = writer.wait_hint();
    reader.look();
    reader.consume();
    writer.pump();
    write_line(writer, "two");
    const auto told = writer.wait_hint();
    CHECK(told > unknown);
    CHECK(told <= std::chrono::milliseconds(5));
    pipe.read(4);
    writer.pump();
    CHECK(writer.idle());
    CHECK(writer.wait_hint() == unknown);
}

TEST_CASE("a writer that finds bytes standing first ends its predecessor's torn line") {
    Pipe pipe;
    REQUIRE(::write(pipe.ends[1], "to", 2) == 2);
    CountingWriter writer(pipe.ends[1], Promise::committed);
    const auto position = write_line(writer, "good");
    CHECK(pipe.read(7) == "to\ngood");
    writer.pump();
    CHECK(writer.committed() < position);
    CHECK(pipe.read(1) == "\n");
    writer.pump();
    CHECK(writer.committed() == position);
}

TEST_CASE("so does the line writer, with its first line") {
    Pipe pipe;
    REQUIRE(::write(pipe.ends[1], "to", 2) == 2);
    ble::LineWriter writer(pipe.ends[1]);
    writer.flush();
    CHECK(pipe.read(100) == "to");
    writer.line("good");
    writer.line("better");
    writer.flush();
    CHECK(pipe.read(100) == "\ngood\nbetter\n");
}

TEST_CASE("what others left standing is not counted as ours") {
    Pipe pipe;
    REQUIRE(::write(pipe.ends[1], std::string(1000, 'x').data(), 1000) == 1000);
    CountingWriter writer(pipe.ends[1], Promise::committed);
    const auto position = write_line(writer, "mine");
    pipe.read(900);
    writer.pump();
    CHECK(writer.committed() == 0);
    pipe.read(106);
    writer.pump();
    CHECK(writer.committed() == position);
}

TEST_CASE("taking lines never blocks, and a full pipe is filled on as it empties") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    const std::string line(100'000, 'l');
    std::uint64_t position = 0;
    for (int i = 0; i < 40; ++i) position = write_line(writer, line);
    CHECK(writer.unwritten() > 0);
    std::uint64_t got = 0;
    while (!writer.idle()) {
        got += pipe.read(65536).size();
        writer.pump();
    }
    CHECK(got == position);
    CHECK(writer.unwritten() == 0);
}

TEST_CASE("every line, however its size meets the pipe's pages, fits when the reader only looks") {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{2048}, std::size_t{4096}, std::size_t{4097}, ble::max_line}) {
        Pipe pipe;
        CountingWriter writer(pipe.ends[1], Promise::committed);
        ble::LookingReader reader(pipe.ends[0], "input");
        const auto position = write_line(writer, std::string(size, 'x'));
        for (int i = 0; i < 3; ++i) writer.pump();
        REQUIRE(reader.look().size() == 1);
        CHECK(reader.look()[0].text.size() == size);
        writer.pump();
        CHECK(writer.committed() < position);
        reader.consume();
        writer.pump();
        CHECK(writer.committed() == position);
    }
}

TEST_CASE("a reader that goes away shows, and what it consumed before still counts") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    const auto first = write_line(writer, "one");
    const auto second = write_line(writer, "two");
    pipe.read(4);
    pipe.close_reader();
    CHECK(readable(writer.event_fd()));
    CHECK_FALSE(wait(writer, second));
    CHECK(writer.gone());
    CHECK(writer.committed() == first);
}

TEST_CASE("a hang-up while nothing is written shows too") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    writer.pump();
    CHECK_FALSE(writer.gone());
    pipe.close_reader();
    CHECK(readable(writer.event_fd()));
    writer.pump();
    CHECK(writer.gone());
}

TEST_CASE("waiting ends with the commit") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::committed);
    const auto position = write_line(writer, "one");
    std::thread reader([&] {
        char text[4];
        [[maybe_unused]] const auto got = ::read(pipe.ends[0], text, sizeof text);
    });
    CHECK(wait(writer, position));
    reader.join();
    CHECK_FALSE(writer.gone());
}

TEST_CASE("a file counts after it is on disk, a device after the write") {
    FILE *file = std::tmpfile();
    CountingWriter to_file(::fileno(file), Promise::committed);
    CHECK(wait(to_file, write_line(to_file, "one")));
    struct stat info {};
    REQUIRE(::fstat(::fileno(file), &info) == 0);
    CHECK(info.st_size == 4);
    std::fclose(file);
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    CountingWriter to_null(null, Promise::committed);
    CHECK(wait(to_null, write_line(to_null, "one")));
    ::close(null);
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    CountingWriter to_full(full, Promise::committed);
    CHECK_FALSE(wait(to_full, write_line(to_full, "one")));
    CHECK(to_full.why().find("No space") != std::string::npos);
    ::close(full);
}

TEST_CASE("a socket can promise nothing but what is written") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    try {
        CountingWriter writer(ends[0], Promise::committed);
        FAIL("a socket was accepted");
    } catch (const ble::Error &error) {
        CHECK(error.code() == ble::ExitCode::config);
    }
    CountingWriter writer(ends[0], Promise::written);
    CHECK(wait(writer, write_line(writer, "one")));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("with the promise 'written' an unread pipe counts at once") {
    Pipe pipe;
    CountingWriter writer(pipe.ends[1], Promise::written);
    const auto position = write_line(writer, "one");
    CHECK(writer.committed() == position);
}

TEST_CASE("the line writer gathers, flushes, and says when its reader is gone") {
    Pipe pipe;
    ble::LineWriter writer(pipe.ends[1]);
    writer.line("one");
    CHECK_FALSE(readable(pipe.ends[0]));
    writer.flush();
    CHECK(pipe.read(100) == "one\n");
    pipe.close_reader();
    writer.line("two");
    CHECK_THROWS_AS(writer.flush(), ble::ReaderGone);
}

TEST_CASE("the line writer stops waiting for a stalled reader when it is asked to") {
    Pipe pipe;
    const int stop = ::eventfd(1, EFD_CLOEXEC);
    int asked = 0;
    ble::LineWriter writer(pipe.ends[1], stop, [&] { return ++asked == 3; });
    const auto fill = [&] {
        for (int i = 0; i < 10'000; ++i) writer.line(std::string(100, 'x'));
    };
    CHECK_THROWS_AS(fill(), ble::Error);
    CHECK(asked == 3);
    CHECK(pipe.read(101) == std::string(100, 'x') + "\n");
    ::close(stop);
}
