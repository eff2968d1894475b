#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <string>

#include "base/error.hpp"
#include "base/looking_reader.hpp"
#include "catch.hpp"

using ble::Line;
using ble::LookingReader;

namespace {

struct Pipe {
    Pipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
    ~Pipe() {
        ::close(ends[0]);
        hang_up();
    }
    void write(const std::string &text) {
        REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    void hang_up() {
        if (ends[1] >= 0) ::close(ends[1]);
        ends[1] = -1;
    }
    int standing() const {
        int count = -1;
        REQUIRE(::ioctl(ends[0], FIONREAD, &count) == 0);
        return count;
    }
    int ends[2];
};

bool readable(int fd) {
    pollfd ask{fd, POLLIN, 0};
    return ::poll(&ask, 1, 0) == 1;
}

std::vector<std::string> texts(const std::vector<Line> &lines) {
    std::vector<std::string> out;
    for (const auto &line : lines) out.emplace_back(line.text);
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a look shows whole lines and leaves them in the pipe until they are consumed") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    pipe.write("one\ntwo\nthr");
    CHECK(texts(reader.look()) == Texts{"one", "two"});
    CHECK(pipe.standing() == 11);
    CHECK(texts(reader.look()) == Texts{"one", "two"});
    reader.consume();
    CHECK(pipe.standing() == 3);
    CHECK(reader.look().empty());
    pipe.write("ee\n");
    CHECK(texts(reader.look()) == Texts{"three"});
    reader.consume();
    CHECK(pipe.standing() == 0);
    CHECK_FALSE(reader.ended());
    pipe.hang_up();
    CHECK(reader.look().empty());
    CHECK(reader.ended());
}

TEST_CASE("some of the lines can be consumed") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    pipe.write("\none\n\ntwo\nthree\n");
    CHECK(texts(reader.look()) == Texts{"one", "two", "three"});
    reader.consume(1);
    CHECK(pipe.standing() == 11);
    CHECK(readable(reader.event_fd()));
    CHECK(texts(reader.look()) == Texts{"two", "three"});
    reader.consume(0);
    CHECK(texts(reader.look()) == Texts{"two", "three"});
}

TEST_CASE("empty lines are skipped and consumed by the look itself") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    pipe.write("\n\n\n");
    CHECK(reader.look().empty());
    CHECK(pipe.standing() == 0);
}

TEST_CASE("the unterminated rest shows as a tail at the end of input only") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    pipe.write("whole\ntorn");
    REQUIRE(reader.look().size() == 1);
    pipe.hang_up();
    const auto &lines = reader.look();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].kind == Line::Kind::whole);
    CHECK(lines[1].kind == Line::Kind::tail);
    CHECK(lines[1].text == "torn");
    CHECK(reader.ended());
    reader.consume();
    CHECK(pipe.standing() == 0);
}

TEST_CASE("the event descriptor wakes once for a partial line and does not spin on it") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    CHECK(reader.look().empty());
    CHECK_FALSE(readable(reader.event_fd()));
    pipe.write("par");
    CHECK(readable(reader.event_fd()));
    CHECK(reader.look().empty());
    CHECK_FALSE(readable(reader.event_fd()));
    pipe.write("tial\n");
    CHECK(readable(reader.event_fd()));
    CHECK(reader.look().size() == 1);
    reader.consume();
    CHECK(reader.look().empty());
    CHECK_FALSE(readable(reader.event_fd()));
    pipe.hang_up();
    CHECK(readable(reader.event_fd()));
}

// As it comes out of a receiver.
constexpr std::size_t longest = ble::max_line + ble::sender_room;

TEST_CASE("a line of the greatest length passes, one byte more does not") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    pipe.write(std::string(longest, 'x') + "\n");
    REQUIRE(reader.look().size() == 1);
    CHECK(reader.look()[0].kind == Line::Kind::whole);
    CHECK(reader.look()[0].text.size() == longest);
    reader.consume();
    pipe.write(std::string(longest + 1, 'y'));
    REQUIRE(reader.look().size() == 1);
    CHECK(reader.look()[0].kind == Line::Kind::oversize);
    CHECK(reader.look()[0].text.size() == 256);
    reader.consume();
    CHECK(pipe.standing() == 0);
    pipe.write(std::string(1000, 'y'));
    CHECK(reader.look().empty());
    CHECK(pipe.standing() == 0);
    pipe.write("yy\ngood\n");
    CHECK(texts(reader.look()) == Texts{"good"});
    reader.consume();
    pipe.write("next\n");
    CHECK(texts(reader.look()) == Texts{"next"});
}

TEST_CASE("an oversize line keeps its state when it is looked at twice before it is consumed") {
    Pipe pipe;
    LookingReader reader(pipe.ends[0], "input");
    pipe.write(std::string(longest + 1, 'y'));
    REQUIRE(reader.look().size() == 1);
    pipe.write("yy\ngood\n");
    REQUIRE(reader.look().size() == 2);
    CHECK(reader.look()[0].kind == Line::Kind::oversize);
    CHECK(reader.look()[1].text == "good");
    reader.consume(1);
    CHECK(texts(reader.look()) == Texts{"good"});
}

TEST_CASE("a second reader of a FIFO is refused with 69") {
    char folder[] = "/tmp/blepipe-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const int first = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int second = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    {
        LookingReader reader(first, "input");
        try {
            LookingReader other(second, "input");
            FAIL("the second reader was let in");
        } catch (const ble::Error &error) {
            CHECK(error.code() == ble::ExitCode::unavailable);
        }
    }
    ::close(first);
    LookingReader successor(second, "input");  // the lock went with its owner
    ::close(second);
    ::unlink(path.c_str());
    ::rmdir(folder);
}

TEST_CASE("a FIFO that is held open has one reader, whether they share the open file or not") {
    Pipe pipe;
    const std::string path = "/proc/self/fd/" + std::to_string(pipe.ends[0]);
    const auto open = [&](int how) { return ::open(path.c_str(), how | O_NONBLOCK | O_CLOEXEC); };
    const int held = open(O_RDWR);
    // What a process of its own gets: its exit code.
    const auto try_out = [](int fd) {
        const pid_t child = ::fork();
        if (child == 0) {
            try {
                LookingReader other(fd, "input");
                ::_exit(0);
            } catch (const ble::Error &error) {
                ::_exit(static_cast<int>(error.code()));
            }
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    };
    CHECK(try_out(held) == 0);
    const int other_held = open(O_RDWR), reading_end = open(O_RDONLY);
    CHECK(try_out(other_held) == 0);  // nothing of the first one's lock is left on the open file
    {
        LookingReader reader(held, "input");
        CHECK(try_out(held) == 69);
        CHECK(try_out(other_held) == 69);
        CHECK(try_out(reading_end) == 69);
    }
    ::close(held);
    ::close(other_held);
    LookingReader reader(reading_end, "input");
    const int another = open(O_RDWR);
    CHECK(try_out(another) == 69);
    ::close(another);
    ::close(reading_end);
}

TEST_CASE("a FIFO that is held open, in non-blocking mode, has no end and shows what its last reader left") {
    Pipe pipe;
    for (const int fd : pipe.ends) REQUIRE(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    pipe.write("left\n");
    {
        LookingReader killed(pipe.ends[0], "input");
        CHECK(texts(killed.look()) == Texts{"left"});
    }
    LookingReader reader(pipe.ends[0], "input");
    CHECK(texts(reader.look()) == Texts{"left"});
    reader.consume();
    CHECK(reader.look().empty());
    CHECK_FALSE(reader.ended());
    CHECK((::fcntl(pipe.ends[0], F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("a pipe larger than one look is shown whole after a hang-up") {
    Pipe pipe;
    // Who may not make it larger has 1 MiB, and sees all of it in one look.
    if (::fcntl(pipe.ends[1], F_SETPIPE_SZ, 4 << 20) < 0)
        REQUIRE(::fcntl(pipe.ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
    const std::string line = std::string(99'999, 'x') + "\n";
    const int count = ::fcntl(pipe.ends[1], F_GETPIPE_SZ) / static_cast<int>(line.size()) - 1;
    for (int i = 0; i < count; ++i) pipe.write(line);
    pipe.write("the end");
    pipe.hang_up();
    LookingReader reader(pipe.ends[0], "input");
    int whole = 0, tails = 0;
    while (!reader.ended()) {
        for (const auto &found : reader.look()) {
            ++(found.kind == Line::Kind::whole ? whole : tails);
            CHECK(found.text.size() == (found.kind == Line::Kind::whole ? line.size() - 1 : 7));
        }
        reader.consume();
    }
    CHECK(whole == count);
    CHECK(tails == 1);
}

TEST_CASE("a file is read to its end in steps of bounded size") {
    FILE *file = std::tmpfile();
    REQUIRE(file != nullptr);
    constexpr int lines = 300'000;
    for (int i = 0; i < lines; ++i) std::fprintf(file, "line %d\n", i);
    std::fprintf(file, "tail");
    std::rewind(file);
    LookingReader reader(::fileno(file), "input");
    int seen = 0;
    bool in_order = true;
    std::string tail;
    while (!reader.ended()) {
        CHECK(readable(reader.event_fd()));
        for (const auto &line : reader.look()) {
            if (line.kind == Line::Kind::tail)
                tail = line.text;
            else
                in_order = in_order && line.text == "line " + std::to_string(seen++);
        }
        reader.consume();
    }
    CHECK(seen == lines);
    CHECK(in_order);
    CHECK(tail == "tail");
    std::fclose(file);
}

TEST_CASE("a socket is read without blocking") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    LookingReader reader(ends[0], "input");
    CHECK(reader.look().empty());
    REQUIRE(::write(ends[1], "a\nb", 3) == 3);
    CHECK(readable(reader.event_fd()));
    CHECK(texts(reader.look()) == Texts{"a"});
    CHECK(texts(reader.look()) == Texts{"a"});
    reader.consume();
    CHECK(reader.look().empty());
    ::close(ends[1]);
    CHECK(texts(reader.look()) == Texts{"b"});
    CHECK(reader.ended());
    ::close(ends[0]);
}

TEST_CASE("a directory is refused") {
    const int fd = ::open("/tmp", O_RDONLY | O_CLOEXEC);
    CHECK_THROWS_AS(LookingReader(fd, "input"), ble::Error);
    ::close(fd);
}

// Any sizes of writes, any pattern of looks and consumes: every line exactly once and in order.
TEST_CASE("lines survive every cutting of the stream") {
    std::mt19937 random(20261122);
    for (int round = 0; round < 50; ++round) {
        Pipe pipe;
        LookingReader reader(pipe.ends[0], "input");
        std::string stream;
        Texts expected, seen;
        for (int i = 0; i < 200; ++i) {
            expected.push_back(std::to_string(i) + std::string(random() % 400, 'x'));
            stream += expected.back() + std::string(1 + random() % 2, '\n');
        }
        for (std::size_t at = 0; at < stream.size();) {
            const auto piece = stream.substr(at, 1 + random() % 700);
            pipe.write(piece);
            at += piece.size();
            const auto &lines = reader.look();
            const std::size_t take = lines.empty() ? 0 : random() % (lines.size() + 1);
            for (std::size_t i = 0; i < take; ++i) seen.emplace_back(lines[i].text);
            reader.consume(take);
        }
        pipe.hang_up();
        for (const auto &line : reader.look()) seen.emplace_back(line.text);
        reader.consume();
        CHECK(seen == expected);
        CHECK(reader.ended());
        CHECK(pipe.standing() == 0);
    }
}
