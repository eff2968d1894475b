// bench_history: the batches of a site, as many as make so many million detections, to fill a database with.
//   bench_history MILLIONS >LINES
// 50 Pis, each with a batch of 25 detections every 40 s up to now: 10 million are 3.7 days. A detection in 100 is of an advertiser that
// nobody has heard before; the others are of 24 that stay near one Pi or its neighbour:
// 0.25 rows of five minutes for each detection.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "batch/batch.hpp"

using namespace ble;

namespace {

constexpr std::int64_t pis = 50, detections = 25, near_a_pi = 24, one_in = 100;
constexpr std::chrono::seconds period(40);

DeviceHash hash_of(std::uint64_t number) {
    return DeviceHash(hex(sha256(std::to_string(number))));
}

class Site {
  public:
    Site() {
        for (std::uint64_t i = 0; i < pis * near_a_pi; ++i) known_.push_back(hash_of(i));
    }
    Batch batch(std::int64_t pi, std::int64_t seq, Time end) {
        Batch batch;
        batch.device_id = "pi-" + std::to_string(pi);
        batch.name = "Pi " + std::to_string(pi);
        batch.location = "hall " + std::to_string(pi % 10);
        batch.timestamp = end;
        batch.position = RunPosition{"history", static_cast<std::uint64_t>(seq)};
        batch.window_ms = 10'000;
        batch.interval_ms = 40'000;
        batch.clock_synced = true;
        for (std::int64_t n = 0; n < detections; ++n) {
            const int rssi = -40 - static_cast<int>(chance_() % 60);
            const auto zone = rssi >= -60 ? Zone::near : rssi >= -80 ? Zone::medium : Zone::far;
            batch.detections.push_back({advertiser(pi),
                                        rssi,
                                        zone,
                                        end - std::chrono::milliseconds(chance_() % 10'000),
                                        static_cast<std::uint32_t>(1 + chance_() % 40),
                                        {}});
        }
        return batch;
    }

  private:
    DeviceHash advertiser(std::int64_t pi) {
        if (chance_() % one_in == 0) return hash_of(next_new_++);
        const auto home = (static_cast<std::uint64_t>(pi) + (chance_() % 4 == 0 ? 1 : 0)) % pis;
        return known_[home * near_a_pi + chance_() % near_a_pi];
    }

    std::mt19937 chance_{1};
    std::vector<DeviceHash> known_;
    std::uint64_t next_new_ = 1u << 30;
};

}  // namespace

int main(int argc, char **argv) {
    const auto millions = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
    if (millions < 1) return std::fputs("usage: bench_history MILLIONS >LINES\n", stderr), 64;
    const auto each = millions * 1'000'000 / detections / pis;
    const Time end = now();
    Site site;
    for (std::int64_t seq = 0; seq < each; ++seq)
        for (std::int64_t pi = 0; pi < pis; ++pi) {
            const auto at = end - (each - 1 - seq) * period - std::chrono::milliseconds(pi * 800);
            const std::string line = print_batch(site.batch(pi, seq, at));
            if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::putchar('\n') == EOF)
                return 74;
        }
    return std::fflush(stdout) == 0 ? 0 : 74;
}
