// bench_fleet: many Pis in one process, each with what one blesend has: its own client id and connection, its own spool in memory, its
// own back-off. Windows are made up.
//   bench_fleet mqtt BROKER[,BROKER…] PIS FIRST SECONDS     Pis number FIRST and following scan for so long, then empty their spools
//   bench_fleet confirmed BROKER[,BROKER…] PIS FIRST SECONDS    as with blesend --confirm stored, with the key in CONFIRM_KEY
//   bench_fleet http URL PIS FIRST SECONDS
// Each second a line on standard output: seconds since 1970, connected Pis, batches made,
// delivered, waiting. A process may map so many ranges of memory (vm.max_map_count); about 5000 Pis fit.
#include <sys/epoll.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "batch/batch.hpp"
#include "blesend/delivery.hpp"
#include "spool/ram_spool.hpp"
#include "transport/transport_options.hpp"

using namespace ble;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds period = seconds(40), window = seconds(10);
constexpr int detections = 25, near_a_pi = 60;  // advertisers that pass by
constexpr std::size_t spool_batches = 10'000;   // blesend's default
constexpr seconds drain_limit(900);

struct Shared {
    Counters counters;
    RejectFile reject{""};
    std::mt19937 chance{1};
    std::uint64_t made = 0;
};

TransportOptions options_for(const std::string &mode, const std::string &where, const std::string &id) {
    TransportOptions options;
    options.mqtt.client_id = id;
    options.mqtt.topic = "fleet/" + id;
    if (mode == "http") {
        options.inflight = 1;
        options.http.urls = {where};
        return options;
    }
    options.mqtt.servers = parse_mqtt_servers(where);
    if (mode == "confirmed") {
        options.confirm = "stored";
        options.confirm_key = find_confirm_key("");
    }
    return options;
}

class Pi {
  public:
    Pi(Shared &shared, const std::string &mode, const std::string &where, unsigned number)
        : shared_(shared),
          id_("fleet-" + std::to_string(number)),
          transport_(make_transport(mode == "http" ? mode : "mqtt", options_for(mode, where, id_))),
          delivery_(spool_, *transport_, shared.reject, shared.counters, 1, Delivery::OnFailure::keep) {
        for (int i = 0; i < near_a_pi; ++i) near_.push_back(hex(sha256(id_ + ' ' + std::to_string(i))));
    }

    void start(Clock::time_point now, Clock::time_point end) {
        end_ = end;
        next_window_ =
            now + milliseconds(std::uniform_int_distribution<long>(0, period.count() - 1)(shared_.chance));
        transport_->start();
    }
    int fd() const { return transport_->fd(); }
    void step(Clock::time_point now) {
        if (now >= next_window_ && now < end_) {
            scan();
            next_window_ += period;
        }
        delivery_.pump();
    }
    // When step() is due at the latest.
    Clock::time_point due(Clock::time_point now) const {
        const auto timer = transport_->timeout();
        const auto scan_at = next_window_ < end_ ? next_window_ : now + seconds(10);
        return timer.count() < 0 ? scan_at : std::min(scan_at, now + timer);
    }
    bool connected() const { return transport_->connected(); }
    std::size_t waiting() const { return spool_.size(); }

  private:
    void scan() {
        Batch batch;
        batch.device_id = id_;
        batch.timestamp = ble::now();
        batch.position = RunPosition{run_, seq_++};
        batch.window_ms = static_cast<std::uint32_t>(window.count());
        batch.interval_ms = static_cast<std::uint32_t>(period.count());
        batch.clock_synced = true;
        for (int i = 0; i < detections; ++i) {
            const auto one = std::uniform_int_distribution<std::size_t>(0, near_.size() - 1)(shared_.chance);
            batch.detections.push_back({DeviceHash(near_[one]), -60, Zone::medium, *batch.timestamp, 7, {}});
        }
        const std::string line = print_batch(batch);
        const std::string_view lines[] = {line};
        spool_.push(lines, WhenFull::drop);
        ++shared_.made;
    }

    Shared &shared_;
    std::string id_, run_ = random_id();
    std::uint64_t seq_ = 0;
    std::vector<std::string> near_;
    RamSpool spool_{spool_batches};
    std::unique_ptr<Transport> transport_;
    Delivery delivery_;
    Clock::time_point next_window_{}, end_{};
};

class Fleet {
  public:
    Fleet(const std::string &mode, const std::string &where, unsigned count, unsigned first)
        : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        for (unsigned i = 0; i < count; ++i)
            pis_.push_back(std::make_unique<Pi>(shared_, mode, where, first + i));
        due_.resize(count);
    }

    // False: some batches are left.
    bool run(seconds scanning) {
        const auto begin = Clock::now(), end = begin + scanning;
        for (std::size_t i = 0; i < pis_.size(); ++i) {
            pis_[i]->start(begin, end);
            epoll_event event{EPOLLIN, {.u64 = i}};
            if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pis_[i]->fd(), &event) != 0)
                throw std::runtime_error("unable to watch a Pi's connection");
            step(i);
        }
        auto next_report = begin + seconds(1);
        for (;;) {
            turn(next_report);
            const auto now = Clock::now();
            if (now < next_report) continue;
            next_report += seconds(1);
            const bool empty = report() == 0;
            if (now >= end && (empty || now >= end + drain_limit)) return empty;
        }
    }

  private:
    void step(std::size_t i) {
        const auto now = Clock::now();
        pis_[i]->step(now);
        timers_.erase({due_[i], i});
        due_[i] = pis_[i]->due(now);
        timers_.insert({due_[i], i});
    }
    void turn(Clock::time_point until) {
        std::vector<epoll_event> events(256);
        const auto first = std::min(until, timers_.begin()->first);
        const auto wait = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(first - Clock::now()));
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                       static_cast<int>(wait.count()));
        for (int n = 0; n < count; ++n) step(events[static_cast<std::size_t>(n)].data.u64);
        const auto now = Clock::now();
        for (std::size_t n = 0; n < pis_.size() && timers_.begin()->first <= now; ++n)
            step(timers_.begin()->second);
    }
    std::size_t report() {
        std::size_t connected = 0, waiting = 0;
        for (const auto &pi : pis_) {
            connected += pi->connected() ? 1 : 0;
            waiting += pi->waiting();
        }
        std::printf(
            "%.3f %zu %llu %llu %zu\n",
            std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(),
            connected, static_cast<unsigned long long>(shared_.made),
            static_cast<unsigned long long>(shared_.counters.out.load()), waiting);
        std::fflush(stdout);
        return waiting;
    }

    Shared shared_;
    UniqueFd epoll_;
    std::vector<std::unique_ptr<Pi>> pis_;
    std::vector<Clock::time_point> due_;
    std::set<std::pair<Clock::time_point, std::size_t>> timers_;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 6)
        return std::fputs("usage: bench_fleet mqtt|confirmed|http BROKERS|URL PIS FIRST SECONDS\n", stderr),
               64;
    set_log_name("bench_fleet");
    set_log_level(LogLevel::error);
    const auto number = [&](int i) { return static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10)); };
    try {
        return Fleet(argv[1], argv[2], number(3), number(4)).run(seconds(number(5))) ? 0 : 75;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "bench_fleet: %s\n", error.what());
        return 70;
    }
}
