#include "blesub/confirmer.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds gather_for(20);
constexpr std::size_t most_lines =
    100'000;                               // beyond it what was not said is forgotten: it will be sent again
constexpr std::size_t most_ranges = 1000;  // in one confirmation, so that it stays below 64 KiB

// As few ranges as there are, of at most `most_ranges`; what they hold goes from `seqs`.
Confirmation::Ranges take_ranges(std::set<std::uint64_t> &seqs) {
    Confirmation::Ranges ranges;
    auto next = seqs.begin();
    for (; next != seqs.end(); ++next) {
        if (!ranges.empty() && ranges.back().second + 1 == *next)
            ranges.back().second = *next;
        else if (ranges.size() == most_ranges)
            break;
        else
            ranges.emplace_back(*next, *next);
    }
    seqs.erase(seqs.begin(), next);
    return ranges;
}

MqttOptions options_of_announcer(MqttOptions options) {
    if (!options.client_id.empty()) options.client_id += "-confirm";
    options.keepalive = std::max<milliseconds>(options.keepalive, least_keepalive_of_publisher);
    return options;
}

}  // namespace

Confirmer::Confirmer(const MqttOptions &options)
    : announcer_(options_of_announcer(options)), wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_fd_) throw system_error("make an eventfd");
}

void Confirmer::note(std::string_view topic, const std::vector<std::string> &lines) {
    std::vector<LineName> names;
    for (const auto &line : lines)
        if (auto name = name_line(parser_, line)) names.push_back(std::move(*name));
    const std::lock_guard guard(lock_);
    if (noted_lines_ + names.size() > most_lines) return;
    for (const auto &name : names) {
        News &news = noted_[{std::string(topic), name.device_id, name.run_id}];
        if (name.is_gap)
            news.gaps.emplace(name.from_seq, name.to_seq);
        else
            news.seqs.insert(name.from_seq);
    }
    noted_lines_ += names.size();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(wake_fd_.get(), &one, sizeof one);
}

milliseconds Confirmer::timeout() const {
    const auto link = announcer_.timeout();
    if (!due_) return link;
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*due_ - Clock::now()));
    return link.count() < 0 ? left : std::min(left, link);
}

void Confirmer::step() {
    announcer_.step();
    std::uint64_t count = 0;
    if (::read(wake_fd_.get(), &count, sizeof count) > 0 && !due_) due_ = Clock::now() + gather_for;
    if (due_ && Clock::now() >= *due_) gather();
    publish();
}

void Confirmer::gather() {
    due_.reset();
    const std::lock_guard guard(lock_);
    for (auto &[run, news] : noted_) {
        News &all = waiting_[run];
        all.seqs.merge(news.seqs);
        all.gaps.merge(news.gaps);
    }
    noted_.clear();
}

void Confirmer::publish() {
    while (!waiting_.empty() && announcer_.ready()) {
        const auto &[topic, device_id, run_id] = waiting_.begin()->first;
        News &news = waiting_.begin()->second;
        Confirmation confirmation{device_id, run_id, take_ranges(news.seqs), {}};
        while (!news.gaps.empty() && confirmation.gaps.size() + confirmation.batches.size() < most_ranges)
            confirmation.gaps.push_back(news.gaps.extract(news.gaps.begin()).value());
        announcer_.publish(confirmation_topic(topic, run_id), print_confirmation(confirmation));
        if (news.seqs.empty() && news.gaps.empty()) waiting_.erase(waiting_.begin());
    }
    if (!waiting_.empty()) return;
    const std::lock_guard guard(lock_);
    if (noted_.empty()) noted_lines_ = 0;
}

void Confirmer::close() {
    gather();
    publish();
    announcer_.close();
}

}  // namespace ble
