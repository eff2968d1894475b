// bench_hot: loops that in the commands turn with the network, here without it, so that scripts/bench --quick can count their instructions.
//   bench_hot feed FILE          blews: each line as an event to 24 subscribers of each kind, 64 events at a time
//   bench_hot handover FILE      blesub: each line as a message, 100 at a time, to standard output
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "blesub/handover.hpp"
#include "server/feed.hpp"

using namespace ble;

namespace {

std::vector<std::string> lines_of(const char *path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

std::uint64_t drain(Feed &feed, Subscriber &subscriber) {
    std::uint64_t bytes = 0;
    while (feed.waiting(subscriber)) bytes += feed.next(subscriber).size;
    return bytes;
}

std::uint64_t run_feed(const std::vector<std::string> &lines) {
    constexpr std::size_t piece = 64;
    Feed feed(Feed::Limits{});
    std::vector<Subscriber> subscribers(24);
    for (std::size_t i = 0; i < subscribers.size(); ++i) {
        const Framing kinds[] = {Framing::message, Framing::message, Framing::lines, Framing::stream};
        subscribers[i].framing = kinds[i % 4];
        if (i % 6 == 0)
            subscribers[i].filter = std::make_unique<Subscription>(
                std::get<Subscription>(parse_subscribe(R"({"subscribe":{"rssi_min":-60}})")));
        feed.join(subscribers[i], R"({"type":"hello"})");
    }
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        feed.publish(lines[i]);
        if (i % piece < piece - 1) continue;
        for (auto &subscriber : subscribers) bytes += drain(feed, subscriber);
    }
    for (auto &subscriber : subscribers) feed.leave(subscriber);
    return bytes;
}

std::uint64_t run_handover(const std::vector<std::string> &lines) {
    constexpr std::size_t window = 100;
    CountingWriter writer(STDOUT_FILENO, CountingWriter::Promise::written);
    RejectFile rejects("");
    Counters counters;
    Handover handover(writer, rejects, counters, Handover::Believes::topic, {});
    for (std::size_t i = 0; i < lines.size(); ++i) {
        handover.take("tfg/detections/raw/pi-bench", lines[i]);
        if (i % window == window - 1) handover.settle();
    }
    handover.settle();
    return counters.out;
}

}  // namespace

int main(int argc, char **argv) {
    const std::string what = argc == 3 ? argv[1] : "";
    if (what != "feed" && what != "handover")
        return std::fputs("usage: bench_hot feed|handover FILE\n", stderr), 64;
    const auto lines = lines_of(argv[2]);
    const std::uint64_t done = what == "feed" ? run_feed(lines) : run_handover(lines);
    std::fprintf(stderr, "%llu\n", static_cast<unsigned long long>(done));
    return done > 0 ? 0 : 1;
}
