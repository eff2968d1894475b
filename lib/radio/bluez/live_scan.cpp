#include "radio/bluez/live_scan.hpp"

#include <poll.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace ble {

namespace {

using std::chrono::milliseconds;
using Clock = LiveSource::Clock;

// Until something has to be done, at most a second: a clock that is set meanwhile is noticed by then.
int wait_ms(std::span<LiveSource *const> sources, std::optional<Time> window_ends) {
    milliseconds wait(1000);
    for (const auto *source : sources)
        if (const auto due = source->due())
            wait = std::min(wait, std::chrono::ceil<milliseconds>(*due - Clock::now()));
    if (window_ends) wait = std::min(wait, std::chrono::ceil<milliseconds>(*window_ends - now()));
    return static_cast<int>(std::max<std::int64_t>(wait.count(), 0));
}

}  // namespace

void scan_live(std::span<LiveSource *const> sources, ReportSink &sink, Lifecycle &life, LineWriter &writer) {
    std::vector<pollfd> fds(1 + sources.size());
    bool listening = false;
    while (!life.stopping()) {
        // The packets that are read now are of the time before, or of a clock that was set meanwhile.
        const Time present = now();
        for (auto *source : sources) source->handle(present, sink);
        const bool before =
            std::exchange(listening, std::all_of(sources.begin(), sources.end(),
                                                 [](const auto *source) { return source->listening(); }));
        if (before || listening) sink.advance(present);
        if (before && !listening) sink.finish();
        if (std::all_of(sources.begin(), sources.end(), [](const auto *source) { return source->alive(); }))
            life.progress();
        writer.flush();
        if (sink.satisfied()) break;
        fds[0] = {life.fd(), POLLIN, 0};
        for (std::size_t i = 0; i < sources.size(); ++i)
            fds[i + 1] = {sources[i]->fd(), sources[i]->events(), 0};
        ::poll(fds.data(), fds.size(), wait_ms(sources, listening ? sink.due() : std::nullopt));
        if (fds[0].revents != 0) life.handle();
    }
    if (listening) sink.advance(now());
    sink.finish();
}

}  // namespace ble
