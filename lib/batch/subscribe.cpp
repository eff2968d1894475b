#include "batch/subscribe.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/log.hpp"

namespace ble {

namespace {

using Json = nlohmann::json;

constexpr std::size_t max_message = 64 * 1024;
constexpr std::size_t max_values = 1000;

// Reads a list of strings into `out`; returns why not.
std::string read_list(const Json &list, const std::string &name, std::set<std::string, std::less<>> &out) {
    if (!list.is_array()) return name + ": not an array";
    if (list.size() > max_values) return name + ": more than " + std::to_string(max_values) + " values";
    for (const Json &value : list) {
        if (!value.is_string()) return name + ": holds something that is no string";
        out.insert(value.get<std::string>());
    }
    return {};
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// Looks at a message while it is parsed, before anything is built of it: at how deep it is, and for members of one name.
class Watch {
  public:
    // Is it to be built? So deep a message is no subscription anyhow.
    bool look(int depth, Json::parse_event_t event, const Json &parsed) {
        constexpr std::size_t deepest = 4;
        const auto level = static_cast<std::size_t>(depth);
        if (level > deepest) return false;
        if (event == Json::parse_event_t::object_start) names_[level].clear();
        if (event == Json::parse_event_t::key && !names_[level - 1].insert(parsed.get<std::string>()).second)
            twice_ = parsed.get<std::string>();
        return true;
    }
    // A name that one object has twice: of which its last member would count, and others may take the first. Empty: none.
    const std::string &twice() const { return twice_; }

  private:
    std::set<std::string> names_[5];  // of the object that is open at each depth
    std::string twice_;
};

bool is_hash(const std::string &text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::variant<Subscription, std::string> parse_subscribe(std::string_view message) {
    if (message.size() > max_message) return "longer than " + std::to_string(max_message) + " bytes";
    Watch watch;
    const auto look = [&](int depth, Json::parse_event_t event, const Json &parsed) {
        return watch.look(depth, event, parsed);
    };
    const Json json = Json::parse(message.begin(), message.end(), look, false);
    if (json.is_discarded()) return "not JSON";
    if (!watch.twice().empty()) return "member twice: " + printable(watch.twice());
    if (!json.is_object() || json.size() != 1 || !json.contains("subscribe") ||
        !json["subscribe"].is_object())
        return "not {\"subscribe\":{\"device_id\":[…],\"device_hash\":[…],\"rssi_min\":…}}";
    Subscription filter;
    for (const auto &[name, value] : json["subscribe"].items()) {
        std::string reason;
        if (name == "device_id") {
            reason = read_list(value, name, filter.device_ids_);
        } else if (name == "device_hash") {
            std::set<std::string, std::less<>> hashes;
            reason = read_list(value, name, hashes);
            for (const std::string &hash : hashes) filter.device_hashes_.insert(lower(hash));
            if (!std::all_of(filter.device_hashes_.begin(), filter.device_hashes_.end(), is_hash))
                reason = "device_hash: not 64 hexadecimal digits";
        } else if (name == "rssi_min") {
            const bool in_range = value.is_number_integer() && value >= -127 && value <= 20;
            if (in_range) filter.rssi_min_ = value.get<int>();
            if (!in_range && !value.is_null()) reason = "rssi_min: not an integer in -127 to 20";
        } else {
            reason = printable(name) + ": not known; use device_id, device_hash or rssi_min";
        }
        if (!reason.empty()) return reason;
    }
    return filter;
}

bool Subscription::matches(const EventView::Detection &detection) const {
    if (rssi_min_ && detection.rssi_dbm.value_or(-128) < *rssi_min_) return false;
    return device_hashes_.empty() || device_hashes_.contains(detection.device_hash);
}

std::optional<std::string> Subscription::apply(const EventView &event) const {
    if (!device_ids_.empty() && event.device_id && !device_ids_.contains(*event.device_id))
        return std::nullopt;
    if (!event.detections || (device_hashes_.empty() && !rssi_min_)) return std::string(event.line);
    const auto &all = *event.detections;
    const auto count = std::count_if(all.begin(), all.end(), [&](const auto &one) { return matches(one); });
    if (count == 0) return std::nullopt;
    if (static_cast<std::size_t>(count) == all.size()) return std::string(event.line);
    // The bytes around the array stay as they are; between the first and the last detection only those that match.
    std::string out(event.line.substr(0, all.front().begin));
    for (const auto &detection : all) {
        if (!matches(detection)) continue;
        if (out.size() > all.front().begin) out += ',';
        out.append(event.line, detection.begin, detection.end - detection.begin);
    }
    out.append(event.line, all.back().end);
    return out;
}

}  // namespace ble
