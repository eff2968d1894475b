#include "batch/confirmation.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "base/digest.hpp"
#include "batch/json_text.hpp"
#include "batch/sender.hpp"
#include "batch/topic.hpp"

namespace ble {
namespace {

using Json = nlohmann::json;
using Lines = std::vector<Confirmation::Line>;

constexpr std::size_t longest = 64 * 1024;
constexpr std::string_view level = "/stored/", mac_member = ",\"mac\":\"", end = "\"}";

std::string mac_of(std::string_view text, std::string_view topic, std::string_view key) {
    return hex(hmac_sha256(key, std::string(topic).append("\n").append(text)));
}

void append_lines(std::string &out, const Lines &lines, bool gaps) {
    for (const auto &[from, to, digest] : lines) {
        if (out.back() == ']') out += ',';
        out.append("[").append(std::to_string(from)).append(",");
        if (gaps) out.append(std::to_string(to)).append(",");
        out.append("\"").append(hex(digest)).append("\"]");
    }
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool read_digest(const Json &value, LineDigest &digest) {
    if (!value.is_string()) return false;
    const auto &text = value.get_ref<const std::string &>();
    if (text.size() != 2 * digest.size()) return false;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        digest[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return true;
}

bool read_lines(const Json &list, bool gaps, Lines &lines) {
    if (!list.is_array()) return false;
    for (const Json &entry : list) {
        const std::size_t numbers = gaps ? 2 : 1;
        if (!entry.is_array() || entry.size() != numbers + 1 || !entry.front().is_number_unsigned() ||
            !entry[numbers - 1].is_number_unsigned())
            return false;
        auto &line = lines.emplace_back();
        line.from_seq = entry.front().get<std::uint64_t>();
        line.to_seq = entry[numbers - 1].get<std::uint64_t>();
        if (!read_digest(entry.back(), line.digest)) return false;
    }
    return true;
}

}  // namespace

std::optional<NamedLine> name_line(const ParsedLine &parsed, std::string_view line) {
    if (std::holds_alternative<InvalidLine>(parsed)) return {};
    const Sha256 content = content_digest(line);
    NamedLine out;
    std::copy_n(content.begin(), out.digest.size(), out.digest.begin());
    if (const auto *gap = std::get_if<Gap>(&parsed)) {
        out.name = {gap->device_id, gap->run_id, true, gap->from_seq, gap->to_seq};
    } else {
        const auto &batch = std::get<ParsedBatch>(parsed).batch;
        const auto position = batch.position.value_or(RunPosition{hex(content), 0});
        out.name = {batch.device_id, position.run_id, false, position.seq, position.seq};
    }
    return out;
}

std::string print_confirmation(const Confirmation &confirmation) {
    std::string out = "{\"device_id\":";
    append_json_string(out, confirmation.device_id);
    out += ",\"run_id\":";
    append_json_string(out, confirmation.run_id);
    out += ",\"stored\":[";
    append_lines(out, confirmation.batches, false);
    out += "],\"gaps\":[";
    append_lines(out, confirmation.gaps, true);
    return out + "]}";
}

std::string seal_confirmation(std::string text, std::string_view topic, std::string_view key) {
    const std::string mac = mac_of(text, topic, key);
    text.pop_back();
    return text.append(mac_member).append(mac).append(end);
}

bool is_sealed(std::string_view text, std::string_view topic, std::string_view key) {
    constexpr std::size_t seal_size = mac_member.size() + 2 * sizeof(Sha256) + end.size();
    if (text.size() < seal_size || !text.ends_with(end)) return false;
    const auto seal = text.substr(text.size() - seal_size);
    if (!seal.starts_with(mac_member)) return false;
    const auto told = seal.substr(mac_member.size(), 2 * sizeof(Sha256));
    const std::string body = std::string(text.substr(0, text.size() - seal_size)) + "}";
    return equal_secrets(told, mac_of(body, topic, key));
}

std::optional<Confirmation> parse_confirmation(std::string_view text) {
    if (text.size() > longest) return {};
    const auto shallow = [](int depth, Json::parse_event_t, Json &) { return depth <= 4; };
    const Json json = Json::parse(text.begin(), text.end(), shallow, false);
    if (!json.is_object()) return {};
    const auto member = [&](const char *name) -> const Json & {
        static const Json absent;
        const auto found = json.find(name);
        return found == json.end() ? absent : *found;
    };
    const Json &device_id = member("device_id"), &run_id = member("run_id");
    Confirmation out;
    if (!device_id.is_string() || !run_id.is_string() || !read_lines(member("stored"), false, out.batches) ||
        !read_lines(member("gaps"), true, out.gaps))
        return {};
    out.device_id = device_id.get<std::string>();
    out.run_id = run_id.get<std::string>();
    return out;
}

std::string confirmation_topic(std::string_view topic, std::string_view device_id) {
    if (topic.find('/') != std::string_view::npos && last_level(topic) == device_id)
        topic.remove_suffix(device_id.size() + 1);
    std::string out = std::string(topic).append(level);
    return is_topic_level(device_id) ? out.append(device_id) : out.append(hex(sha256(device_id)));
}

bool is_confirmation_topic(std::string_view topic) {
    const auto last = topic.rfind('/');
    return last != std::string_view::npos && topic.substr(0, last + 1).ends_with(level);
}

}  // namespace ble
