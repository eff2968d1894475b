#include "blesub/confirmer.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds gather_for(20);
// Beyond it what was not said is forgotten: it will be sent again.
constexpr std::size_t most_lines = 100'000;

// How many lines a confirmation may have where the broker takes so many bytes, with names of so many.
std::size_t lines_within(std::size_t packet, std::size_t names) {
    const std::size_t rest = names + 200;
    return packet < rest + confirmed_line_size
               ? 1
               : std::min(most_confirmed_lines, (packet - rest) / confirmed_line_size);
}

std::vector<Confirmation::Line> take_lines(std::set<Confirmation::Line> &from, std::size_t most) {
    std::vector<Confirmation::Line> lines;
    while (!from.empty() && lines.size() < most) lines.push_back(from.extract(from.begin()).value());
    return lines;
}

MqttOptions options_of_announcer(MqttOptions options) {
    if (!options.client_id.empty()) options.client_id += "-confirm";
    return options;
}

}  // namespace

Confirmer::Confirmer(const MqttOptions &options, std::optional<std::string> key)
    : announcer_(options_of_announcer(options)), key_(std::move(key)) {}

void Confirmer::note(std::string_view topic, std::vector<NamedLine> &&lines) {
    if (lines.empty() || lines_ + lines.size() > most_lines) return;
    for (auto &[name, digest] : lines) {
        News &news = waiting_[{std::string(topic), std::move(name.device_id), std::move(name.run_id)}];
        (name.is_gap ? news.gaps : news.batches).insert({name.from_seq, name.to_seq, digest});
    }
    lines_ += lines.size();
    if (!due_) due_ = Clock::now() + gather_for;
}

void Confirmer::renew(const std::optional<std::string> &password, std::optional<std::string> key) {
    key_ = std::move(key);
    announcer_.renew(password);
}

milliseconds Confirmer::timeout() const {
    const auto link = announcer_.timeout();
    if (!due_ || !announcer_.ready()) return link;
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*due_ - Clock::now()));
    return link.count() < 0 ? left : std::min(left, link);
}

void Confirmer::step() {
    announcer_.step();
    if (due_ && Clock::now() >= *due_) publish();
}

void Confirmer::publish() {
    while (!waiting_.empty() && announcer_.ready()) {
        const auto &[topic, device_id, run_id] = waiting_.begin()->first;
        News &news = waiting_.begin()->second;
        const std::string where = confirmation_topic(topic, device_id);
        const std::size_t most =
            lines_within(announcer_.packet_maximum(), where.size() + device_id.size() + run_id.size());
        Confirmation confirmation{device_id, run_id, take_lines(news.batches, most), {}};
        confirmation.gaps = take_lines(news.gaps, most - confirmation.batches.size());
        std::string text = print_confirmation(confirmation);
        if (key_) text = seal_confirmation(std::move(text), where, *key_);
        announcer_.publish(where, text);
        if (news.batches.empty() && news.gaps.empty()) waiting_.erase(waiting_.begin());
    }
    if (!waiting_.empty()) return;
    lines_ = 0;
    due_.reset();
}

void Confirmer::close() {
    publish();
    announcer_.close();
}

}  // namespace ble
