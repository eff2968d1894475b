#include <simdjson.h>

#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "base/digest.hpp"
#include "base/hex_text.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "batch/batch.hpp"
#include "batch/json_error.hpp"
#include "batch/json_text.hpp"
#include "batch/names.hpp"
#include "batch/safe_text.hpp"
#include "batch/sender.hpp"

namespace ble {

namespace {

namespace dom = simdjson::dom;

constexpr std::size_t max_depth = 16;
constexpr std::int64_t max_seq = (std::int64_t{1} << 53) - 1;  // what every JSON reader can hold exactly

using Reason = std::string;  // why something is refused; empty: it is fine

// The known members of one object: gathered in one pass, then read in a fixed order. The names of the others go to `others`, which
// is emptied first.
template <std::size_t N>
struct Members {
    Members(const std::array<std::string_view, N> &known, Names &unknown) : names(known), others(unknown) {
        others.clear();
    }

    // Members come in about the order of the names: each is looked for behind the last one first.
    bool take(std::string_view key, dom::element value) {
        for (std::size_t tried = 0, i = next; tried < N; ++tried, i = i + 1 < N ? i + 1 : 0) {
            if (names[i] != key) continue;
            if (values[i]) known_twice = key;
            values[i] = value;
            next = i + 1 < N ? i + 1 : 0;
            return true;
        }
        others.add(key);
        return false;
    }
    // Why the object is not to be read: which of two members counts, readers do not agree about.
    Reason fault() const {
        const auto name = known_twice.data() != nullptr ? known_twice : others.twice();
        return name.data() == nullptr ? Reason() : "member twice: " + printable(name);
    }
    // Null is the same as absent.
    const dom::element *find(std::size_t index) const {
        return values[index] && !values[index]->is_null() ? &*values[index] : nullptr;
    }

    const std::array<std::string_view, N> &names;
    Names &others;
    std::array<std::optional<dom::element>, N> values{};
    std::size_t next = 0;
    std::string_view known_twice;
};

Reason wrong(std::string_view member, std::string_view why) {
    return std::string(member).append(": ").append(why);
}

// Integers, and floating-point numbers that are one (-67.0).
std::optional<std::int64_t> integer(dom::element value) {
    std::int64_t number = 0;
    if (value.get(number) == simdjson::SUCCESS) return number;
    double real = 0;
    if (value.is_double() && value.get(real) == simdjson::SUCCESS && std::abs(real) <= double(max_seq) &&
        std::trunc(real) == real) {
        return static_cast<std::int64_t>(real);
    }
    return std::nullopt;
}

template <class Integer>
Reason read_integer(dom::element value, std::string_view member, std::int64_t least, std::int64_t most,
                    Integer &out) {
    const auto number = integer(value);
    if (!number) return wrong(member, "not an integer");
    if (*number < least || *number > most) {
        return wrong(member, "not in " + std::to_string(least) + " to " + std::to_string(most));
    }
    out = static_cast<Integer>(*number);
    return {};
}

Reason read_text(dom::element value, std::string_view member, std::string &out) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return wrong(member, "not a string");
    out.assign(text);
    return {};
}

// A name for something: bounded in characters, and none of them does anything where it is shown.
Reason read_identifier(dom::element value, std::string_view member, std::size_t least, std::size_t most,
                       std::string &out) {
    if (Reason reason = read_text(value, member, out); !reason.empty()) return reason;
    const Reason why = why_no_name(out, least, most);
    return why.empty() ? why : wrong(member, why);
}

Reason read_time(dom::element value, std::string_view member, Time &out) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return wrong(member, "not a string");
    const auto time = parse_rfc3339(text);
    if (!time) return wrong(member, "not an RFC 3339 date and time");
    out = *time;
    return {};
}

Reason read_hash(dom::element value, DeviceHash &out) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return "device_hash: not a string";
    if (text.size() != DeviceHash::length) return "device_hash: not 64 hexadecimal digits";
    // Without branches, so that the compiler takes many bytes at once: real hashes defeat branch prediction.
    DeviceHash::Digits digits;
    unsigned char others = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto small = static_cast<unsigned char>(byte | 0x20);  // of a letter; a digit stays as it is
        const bool digit = static_cast<unsigned char>(byte - '0') < 10;
        const bool letter = static_cast<unsigned char>(small - 'a') < 6;
        others |= static_cast<unsigned char>(!(digit | letter));
        digits[i] = static_cast<char>(small);
    }
    if (others != 0) return "device_hash: not 64 hexadecimal digits";
    out = DeviceHash(digits);
    return {};
}

Reason read_zone(dom::element value, Zone &out) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return "zone: not a string";
    for (const Zone zone : {Zone::near, Zone::medium, Zone::far}) {
        if (text != zone_name(zone)) continue;
        out = zone;
        return {};
    }
    return "zone: not near, medium or far";
}

// `fault`: why the whole line is not to be read.
Reason read_detection(dom::element element, Detection &out, Names &others, Reason &fault) {
    static constexpr std::array<std::string_view, 5> names{"device_hash", "rssi", "zone", "timestamp",
                                                           "count"};
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return "not an object";
    Members<5> members{names, others};
    for (const auto [key, value] : object) {
        if (members.take(key, value)) continue;
        out.details += out.details.empty() ? '{' : ',';
        append_json_string(out.details, key);
        out.details += ':';
        out.details += simdjson::minify(value);
    }
    if (fault = members.fault(); !fault.empty()) return fault;
    if (!out.details.empty()) out.details += '}';
    escape_unsafe(out.details);
    for (std::size_t i = 0; i < 4; ++i) {
        if (!members.find(i)) return wrong(names[i], "absent");
    }
    Reason reason = read_hash(*members.find(0), out.device_hash);
    if (reason.empty()) reason = read_integer(*members.find(1), "rssi", -127, 20, out.rssi_dbm);
    if (reason.empty()) reason = read_zone(*members.find(2), out.zone);
    if (reason.empty()) reason = read_time(*members.find(3), "timestamp", out.timestamp);
    if (const auto *count = members.find(4); count && reason.empty()) {
        reason = read_integer(*count, "count", 0, UINT32_MAX, out.count.emplace());
    }
    return reason;
}

struct Member {
    enum Name {
        format,
        device_id,
        name,
        location,
        version,
        timestamp,
        run_id,
        seq,
        window_ms,
        interval_ms,
        clock,
        hash_id,
        occupancy,
        detections,
        gap,
        archive,
        sender
    };
};
constexpr std::array<std::string_view, 17> member_names{
    "format",    "device_id",  "name",      "location",    "version", "timestamp",
    "run_id",    "seq",        "window_ms", "interval_ms", "clock",   "hash_id",
    "occupancy", "detections", "gap",       "archive",     "sender"};

// Reads members one after the other until one is refused.
class MemberReader {
  public:
    explicit MemberReader(const Members<member_names.size()> &members) : members_(members) {}

    bool has(Member::Name member) const { return members_.find(member) != nullptr; }
    // Calls read(element, name), which returns a reason, when the member is there.
    template <class Read>
    void optional(Member::Name member, Read read) {
        if (const auto *value = members_.find(member); value && reason_.empty())
            reason_ = read(*value, member_names[member]);
    }
    template <class Read>
    void required(Member::Name member, Read read) {
        if (!has(member)) refuse(wrong(member_names[member], "absent"));
        optional(member, read);
    }
    void identifier(Member::Name member, std::size_t least, std::size_t most, std::string &out) {
        required(member,
                 [&](auto value, auto name) { return read_identifier(value, name, least, most, out); });
    }
    void milliseconds(Member::Name member, std::optional<std::uint32_t> &out) {
        optional(member, [&](auto value, auto name) {
            return read_integer(value, name, 0, UINT32_MAX, out.emplace());
        });
    }
    void refuse(Reason reason) {
        if (reason_.empty()) reason_ = std::move(reason);
    }
    const Reason &reason() const { return reason_; }
    MemberReader afresh() const { return MemberReader(members_); }

  private:
    const Members<member_names.size()> &members_;
    Reason reason_;
};

Reason read_format(dom::element value, std::string_view member) {
    const auto number = integer(value);
    if (!number) return wrong(member, "not an integer");
    if (*number != 1) return wrong(member, std::to_string(*number) + " needs a newer blepipe than this one");
    return {};
}

Reason read_clock(dom::element value, std::string_view member, std::optional<bool> &synced) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS || (text != "synced" && text != "unsynced"))
        return wrong(member, "not synced or unsynced");
    synced = text == "synced";
    return {};
}

Reason read_occupancy(dom::element value, std::string_view member, Occupancy &out, Names &others) {
    static constexpr std::array<std::string_view, 3> names{"near", "medium", "far"};
    std::uint32_t *const counts[] = {&out.near, &out.medium, &out.far};
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return wrong(member, "not an object");
    Members<3> members{names, others};
    for (const auto [key, element] : object) members.take(key, element);
    if (Reason fault = members.fault(); !fault.empty()) return wrong(member, fault);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto *count = members.find(i);
        if (count == nullptr) return wrong(member, std::string(names[i]) + ": absent");
        if (Reason reason = read_integer(*count, names[i], 0, UINT32_MAX, *counts[i]); !reason.empty())
            return wrong(member, reason);
    }
    return {};
}

Reason read_detections(dom::element value, std::string_view member, ParsedBatch &out, Names &others) {
    dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return wrong(member, "not an array");
    out.batch.detections.reserve(array.size());
    std::size_t index = 0;
    Reason fault;
    for (const dom::element element : array) {
        Detection &detection = out.batch.detections.emplace_back();
        if (Reason reason = read_detection(element, detection, others, fault); !reason.empty()) {
            if (!fault.empty()) return wrong("detections[" + std::to_string(index) + "]", fault);
            out.batch.detections.pop_back();
            out.rejected.push_back({index, std::move(reason)});
        }
        ++index;
    }
    return {};
}

void read_position(MemberReader &members, RunPosition &position) {
    members.identifier(Member::run_id, 1, 64, position.run_id);
    members.required(Member::seq, [&](auto value, auto name) {
        return read_integer(value, name, 0, max_seq, position.seq);
    });
}

void read_sender(MemberReader &members, std::optional<std::string> &sender) {
    members.optional(Member::sender, [&](auto value, auto name) {
        return read_identifier(value, name, 1, 128, sender.emplace());
    });
}

Reason read_archive(dom::element value, std::string_view member, Archived &out, Names &others) {
    static constexpr std::array<std::string_view, 3> names{"received_at", "age_s", "digest"};
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return wrong(member, "not an object");
    Members<3> members{names, others};
    for (const auto [key, element] : object) members.take(key, element);
    if (Reason fault = members.fault(); !fault.empty()) return wrong(member, fault);
    for (std::size_t i = 0; i < 2; ++i)
        if (members.find(i) == nullptr) return wrong(names[i], "absent");
    Reason reason = read_time(*members.find(0), names[0], out.received_at);
    if (reason.empty()) reason = read_integer(*members.find(1), names[1], 0, max_seq, out.age_s);
    if (members.find(2) == nullptr || !reason.empty()) return reason;
    std::string_view text;
    Sha256 bytes{};
    if (members.find(2)->get(text) != simdjson::SUCCESS || (text.size() != 32 && text.size() != 64) ||
        !parse_hex(text, std::span(bytes).first(text.size() / 2)))
        return wrong(names[2], "not 32 or 64 hexadecimal digits");
    out.digest.emplace(reinterpret_cast<const char *>(bytes.data()), text.size() / 2);
    return {};
}

// When its window was, as far as these members can be read.
void read_window(const MemberReader &all, Batch &batch) {
    MemberReader members = all.afresh(), clock = all.afresh();
    members.optional(Member::timestamp, [&](auto value, auto name) {
        return read_time(value, name, batch.timestamp.emplace());
    });
    members.milliseconds(Member::window_ms, batch.window_ms);
    if (!members.reason().empty()) batch.timestamp.reset();
    clock.optional(Member::clock,
                   [&](auto value, auto name) { return read_clock(value, name, batch.clock_synced); });
}

// Of a batch that is refused for another reason.
std::optional<Gap> hole_of(const MemberReader &all) {
    Batch batch;
    MemberReader members = all.afresh();
    members.identifier(Member::device_id, 3, 50, batch.device_id);
    read_position(members, batch.position.emplace());
    if (!members.reason().empty()) return {};
    read_window(all, batch);
    return gap_for(batch, "rejected");
}

// What people call a Pi is not worth a batch: it is stored without a name that breaks the rules.
Reason read_name(dom::element value, std::string_view member, std::size_t most,
                 std::optional<std::string> &out, std::vector<std::string> &left_out) {
    if (Reason reason = read_text(value, member, out.emplace()); !reason.empty()) return reason;
    if (const Reason why = why_no_name(*out, 0, most); !why.empty()) {
        out.reset();
        left_out.push_back(wrong(member, why));
    }
    return {};
}

InvalidLine refuse(const MemberReader &members, bool named) {
    InvalidLine invalid{members.reason()};
    MemberReader again = members.afresh();
    std::optional<std::string> sender;
    read_sender(again, sender);
    std::string device_id;
    again.identifier(Member::device_id, 3, 50, device_id);
    invalid.from = sender ? *sender : again.reason().empty() ? device_id : "";
    if (named) invalid.hole = hole_of(members);
    return invalid;
}

ParsedLine read_batch(MemberReader &members, Names &others) {
    ParsedBatch parsed;
    Batch &batch = parsed.batch;
    members.optional(Member::format, read_format);
    members.identifier(Member::device_id, 3, 50, batch.device_id);
    members.optional(Member::name, [&](auto value, auto name) {
        return read_name(value, name, longest_name, batch.name, parsed.left_out);
    });
    members.optional(Member::location, [&](auto value, auto name) {
        return read_name(value, name, longest_location, batch.location, parsed.left_out);
    });
    members.optional(Member::version, [&](auto value, auto name) -> Reason {
        if (value.is_string()) return read_name(value, name, longest_version, batch.version, parsed.left_out);
        parsed.left_out.push_back(wrong(name, "not a string"));  // other programs' may be a number
        return {};
    });
    members.optional(Member::timestamp, [&](auto value, auto name) {
        return read_time(value, name, batch.timestamp.emplace());
    });
    if (members.has(Member::run_id) || members.has(Member::seq))
        read_position(members, batch.position.emplace());
    members.milliseconds(Member::window_ms, batch.window_ms);
    members.milliseconds(Member::interval_ms, batch.interval_ms);
    members.optional(Member::clock,
                     [&](auto value, auto name) { return read_clock(value, name, batch.clock_synced); });
    members.optional(Member::hash_id, [&](auto value, auto name) {
        return read_identifier(value, name, 1, 64, batch.hash_id.emplace());
    });
    members.optional(Member::occupancy, [&](auto value, auto name) {
        return read_occupancy(value, name, batch.occupancy.emplace(), others);
    });
    members.optional(Member::archive, [&](auto value, auto name) {
        return read_archive(value, name, batch.archive.emplace(), others);
    });
    read_sender(members, batch.sender);
    members.required(Member::detections,
                     [&](auto value, auto name) { return read_detections(value, name, parsed, others); });
    if (!members.reason().empty()) return refuse(members, true);
    return parsed;
}

Reason read_hole(dom::element value, Gap &gap, Names &others) {
    static constexpr std::array<std::string_view, 6> names{"from_seq", "to_seq", "reason",
                                                           "from",     "to",     "clock"};
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return "gap: not an object";
    Members<6> members{names, others};
    for (const auto [key, element] : object) members.take(key, element);
    if (Reason fault = members.fault(); !fault.empty()) return wrong("gap", fault);
    for (std::size_t i = 0; i < 3; ++i) {
        if (!members.find(i)) return wrong(names[i], "absent");
    }
    Reason reason = read_integer(*members.find(0), "from_seq", 0, max_seq, gap.from_seq);
    if (reason.empty()) reason = read_integer(*members.find(1), "to_seq", 0, max_seq, gap.to_seq);
    if (reason.empty()) reason = read_identifier(*members.find(2), "reason", 1, 64, gap.reason);
    if (reason.empty() && gap.to_seq < gap.from_seq) reason = "to_seq: before from_seq";
    if (const auto *from = members.find(3); from && reason.empty())
        reason = read_time(*from, names[3], gap.lost.from.emplace());
    if (const auto *to = members.find(4); to && reason.empty())
        reason = read_time(*to, names[4], gap.lost.to.emplace());
    if (const auto *clock = members.find(5); clock && reason.empty())
        reason = read_clock(*clock, names[5], gap.lost.clock_synced);
    return reason;
}

ParsedLine read_gap(MemberReader &members, Names &others) {
    Gap gap;
    members.optional(Member::format, read_format);
    if (members.has(Member::detections)) members.refuse("gap: a line with a gap cannot have detections too");
    members.identifier(Member::device_id, 3, 50, gap.device_id);
    members.identifier(Member::run_id, 1, 64, gap.run_id);
    read_sender(members, gap.sender);
    members.required(Member::gap, [&](auto value, auto) { return read_hole(value, gap, others); });
    if (!members.reason().empty()) return refuse(members, false);
    return gap;
}

ParsedLine read_state(std::string_view line) {
    auto state = parse_archived(line);
    if (auto *device = std::get_if<ArchivedDevice>(&state)) return std::move(*device);
    if (auto *run = std::get_if<ArchivedRun>(&state)) return std::move(*run);
    return InvalidLine{std::move(std::get<std::string>(state))};
}

bool names_a_batch(std::string_view member) {
    return member == member_names[Member::device_id] || member == member_names[Member::run_id] ||
           member == member_names[Member::seq];
}

bool is_report(const Names &members) {
    return members.has("address") && members.has("address_type") && members.has("event_type");
}

InvalidLine too_long() {
    return {"longer than " + std::to_string(max_line) + " bytes"};
}

InvalidLine explain(simdjson::error_code error, std::string_view line) {
    if (error == simdjson::DEPTH_ERROR)
        return {"nested deeper than " + std::to_string(max_depth) + " levels"};
    return explain_json_error(line, simdjson::error_message(error));
}

}  // namespace

struct BatchParser::Impl {
    Takes takes;
    std::size_t room;
    dom::parser parser{room};
    std::unique_ptr<char[]> padded{new char[room + simdjson::SIMDJSON_PADDING]};
    Names names;

    // Room for the longest line is set aside once; pages that no line reached are never touched.
    explicit Impl(Takes what)
        : takes(what), room(max_line + sender_room + (what == Takes::archives ? archive_room : 0)) {
        if (parser.allocate(room, max_depth) != simdjson::SUCCESS) throw std::bad_alloc();
    }
};

BatchParser::BatchParser(Takes takes) : impl_(std::make_unique<Impl>(takes)) {}
BatchParser::~BatchParser() = default;
BatchParser::BatchParser(BatchParser &&) noexcept = default;
BatchParser &BatchParser::operator=(BatchParser &&) noexcept = default;

ParsedLine BatchParser::parse(std::string_view line) {
    const bool archive_only = line.size() > max_line && without_sender(line).size() > max_line;
    if (line.size() > impl_->room || (archive_only && impl_->takes != Takes::archives)) return too_long();
    if (has_byte_order_mark(line)) return InvalidLine{"not JSON at byte 0: a byte order mark"};
    std::memcpy(impl_->padded.get(), line.data(), line.size());
    std::memset(impl_->padded.get() + line.size(), 0, simdjson::SIMDJSON_PADDING);
    dom::element root;
    if (const auto error = impl_->parser.parse(impl_->padded.get(), line.size(), false).get(root))
        return explain(error, line);
    dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return InvalidLine{"not a JSON object"};
    Members<member_names.size()> members{member_names, impl_->names};
    for (const auto [key, value] : object) members.take(key, value);
    MemberReader reader(members);
    if (Reason fault = members.fault(); !fault.empty()) {
        reader.refuse(std::move(fault));
        return refuse(reader, !reader.has(Member::gap) && !names_a_batch(members.known_twice));
    }
    if (reader.has(Member::archive)) {
        if (impl_->takes != Takes::archives) {
            reader.refuse("archive: this is a line of bleexport: use bleingest --import");
            return refuse(reader, false);
        }
        if (!reader.has(Member::detections)) return read_state(line);
    } else if (archive_only) {
        return too_long();
    }
    if (!reader.has(Member::device_id) && is_report(members.others)) {
        reader.refuse("one advertising report, as of blescan --each, and no batch: leave out --each");
        return refuse(reader, false);
    }
    return reader.has(Member::gap) ? read_gap(reader, impl_->names) : read_batch(reader, impl_->names);
}

}  // namespace ble
