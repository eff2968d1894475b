#include "batch/archive.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/limits.hpp"
#include "batch/json_text.hpp"
#include "batch/safe_text.hpp"

namespace ble {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t most_seq = (std::int64_t{1} << 53) - 1;  // what every JSON reader can hold exactly

void append(std::string &out, std::string_view name, std::string_view text) {
    out.append(out.back() == '{' ? "\"" : ",\"").append(name).append("\":");
    append_json_string(out, text);
}

void append(std::string &out, std::string_view name, std::int64_t number) {
    out.append(out.back() == '{' ? "\"" : ",\"").append(name).append("\":").append(std::to_string(number));
}

void append(std::string &out, std::string_view name, Time time) {
    append(out, name, std::string_view(format_ms(time)));
}

void append(std::string &out, std::string_view name, bool synced) {
    append(out, name, std::string_view(synced ? "synced" : "unsynced"));
}

template <class T>
void append(std::string &out, std::string_view name, const std::optional<T> &value) {
    if (value) append(out, name, *value);
}

void append(std::string &out, std::string_view name, const std::optional<std::string> &value) {
    if (value) append(out, name, std::string_view(*value));
}

std::string begin_of(const std::string &device_id) {
    std::string out = "{";
    append(out, "format", std::int64_t{1});
    append(out, "device_id", std::string_view(device_id));
    return out;
}

// Members of one object, which are what they should be, or std::invalid_argument.
class Members {
  public:
    explicit Members(const Json &object, const char *what) : object_(object) {
        if (!object.is_object()) throw std::invalid_argument(std::string(what) + ": not an object");
    }

    const Json *find(const char *name) const {
        const auto found = object_.find(name);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }
    const Json &need(const char *name) const {
        if (const Json *const value = find(name)) return *value;
        throw std::invalid_argument(std::string(name) + ": absent");
    }
    std::string text(const char *name, std::size_t least, std::size_t most) const {
        const Json &value = need(name);
        if (!value.is_string()) throw std::invalid_argument(std::string(name) + ": not a string");
        const auto &text = value.get_ref<const std::string &>();
        const std::string why = why_no_name(text, least, most);
        if (!why.empty()) throw std::invalid_argument(std::string(name) + ": " + why);
        return text;
    }
    std::optional<std::string> text_if(const char *name, std::size_t least, std::size_t most) const {
        return find(name) == nullptr ? std::nullopt : std::optional(text(name, least, most));
    }
    std::int64_t number(const char *name) const {
        const Json &value = need(name);
        if (!value.is_number_integer() ||
            (value.is_number_unsigned() && value.get<std::uint64_t>() > most_seq) ||
            value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > most_seq)
            throw std::invalid_argument(std::string(name) + ": not in 0 to " + std::to_string(most_seq));
        return value.get<std::int64_t>();
    }
    Time time(const char *name) const {
        const Json &value = need(name);
        const auto time =
            value.is_string() ? parse_rfc3339(value.get_ref<const std::string &>()) : std::optional<Time>();
        if (!time) throw std::invalid_argument(std::string(name) + ": not an RFC 3339 date and time");
        return *time;
    }
    std::optional<Time> time_if(const char *name) const {
        return find(name) == nullptr ? std::nullopt : std::optional(time(name));
    }
    std::optional<bool> clock_if(const char *name) const {
        const Json *const value = find(name);
        if (value == nullptr) return {};
        if (*value != "synced" && *value != "unsynced")
            throw std::invalid_argument(std::string(name) + ": not synced or unsynced");
        return *value == "synced";
    }

  private:
    const Json &object_;
};

ArchivedDevice read_device(const Members &members, std::string device_id) {
    ArchivedDevice device;
    device.device_id = std::move(device_id);
    device.name = members.text_if("name", 0, longest_name);
    device.location = members.text_if("location", 0, longest_location);
    device.sender = members.text_if("sender", 1, 128);
    device.version = members.text_if("version", 0, longest_version);
    device.first_seen = members.time_if("first_seen");
    device.last_seen = members.time_if("last_seen");
    device.last_conflict = members.time_if("last_conflict");
    device.last_received = members.time("last_received");
    device.is_active = members.number("is_active") != 0;
    device.conflicts = members.number("conflicts");
    return device;
}

ArchivedGap read_gap(const Json &value) {
    const Members members(value, "gaps");
    return {members.number("from_seq"),
            members.number("to_seq"),
            members.text("reason", 1, 64),
            members.time("noticed_at"),
            {members.time_if("from"), members.time_if("to"), members.clock_if("clock")}};
}

ArchivedRun read_run(const Members &members, std::string device_id, std::string run_id) {
    ArchivedRun run;
    run.device_id = std::move(device_id);
    run.run_id = std::move(run_id);
    run.hash_id = members.text_if("hash_id", 1, 64);
    run.from_seq = members.number("from_seq");
    run.to_seq = members.number("to_seq");
    run.last_end = members.time_if("last_end");
    run.last_synced = members.clock_if("last_clock");
    if (members.find("open_from") != nullptr) run.open_from = members.number("open_from");
    const Json &gaps = members.need("gaps");
    if (!gaps.is_array()) throw std::invalid_argument("gaps: not an array");
    std::int64_t least = run.from_seq;
    for (const Json &value : gaps) {
        const auto &gap = run.gaps.emplace_back(read_gap(value));
        if (gap.from_seq < least || gap.to_seq < gap.from_seq || gap.to_seq > run.to_seq)
            throw std::invalid_argument("gaps: not in order, or outside from_seq to to_seq");
        least = gap.to_seq + 1;
    }
    if (run.to_seq < run.from_seq) throw std::invalid_argument("to_seq: before from_seq");
    return run;
}

}  // namespace

std::string print_archived(const ArchivedDevice &device) {
    std::string out = begin_of(device.device_id).append(",\"archive\":{\"device\":{");
    append(out, "name", device.name);
    append(out, "location", device.location);
    append(out, "sender", device.sender);
    append(out, "version", device.version);
    append(out, "first_seen", device.first_seen);
    append(out, "last_seen", device.last_seen);
    append(out, "last_received", device.last_received);
    append(out, "is_active", std::int64_t{device.is_active ? 1 : 0});
    append(out, "conflicts", device.conflicts);
    append(out, "last_conflict", device.last_conflict);
    return out.append("}}}");
}

std::string print_archived(const ArchivedRun &run) {
    std::string out = begin_of(run.device_id);
    append(out, "run_id", std::string_view(run.run_id));
    out.append(",\"archive\":{\"run\":{");
    append(out, "hash_id", run.hash_id);
    append(out, "from_seq", run.from_seq);
    append(out, "to_seq", run.to_seq);
    append(out, "last_end", run.last_end);
    append(out, "last_clock", run.last_synced);
    append(out, "open_from", run.open_from);
    out.append(",\"gaps\":[");
    for (const auto &gap : run.gaps) {
        out.append(out.back() == '[' ? "{" : ",{");
        append(out, "from_seq", gap.from_seq);
        append(out, "to_seq", gap.to_seq);
        append(out, "reason", std::string_view(gap.reason));
        append(out, "noticed_at", gap.noticed_at);
        append(out, "from", gap.lost.from);
        append(out, "to", gap.lost.to);
        append(out, "clock", gap.lost.clock_synced);
        out += '}';
    }
    return out.append("]}}}");
}

std::variant<ArchivedDevice, ArchivedRun, std::string> parse_archived(std::string_view line) {
    try {
        const Json root = Json::parse(line);
        const Members all(root, "line");
        const Members archive(all.need("archive"), "archive");
        std::string device_id = all.text("device_id", 3, 50);
        if (const Json *const device = archive.find("device"))
            return read_device(Members(*device, "device"), std::move(device_id));
        return read_run(Members(archive.need("run"), "run"), std::move(device_id), all.text("run_id", 1, 64));
    } catch (const std::invalid_argument &wrong) {
        return std::string("archive: ") + wrong.what();
    } catch (const Json::exception &wrong) {
        return std::string("archive: ") + wrong.what();
    }
}

}  // namespace ble
