#include "blescan/options.hpp"

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "base/host.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "batch/json_text.hpp"
#include "batch/safe_text.hpp"
#include "radio/air/address.hpp"
#include "radio/capture/replay.hpp"

namespace ble {

using std::chrono::milliseconds;

namespace {

// The code for a wrong value, by where it came from.
ExitCode wrong(const CommandLine &line, const std::string &option) {
    return line.on_command_line(option) ? ExitCode::usage : ExitCode::config;
}

void check_text(const std::string &value, const CommandLine &line, const std::string &option,
                std::size_t least, std::size_t most) {
    if (is_text(value, least, most)) return;
    throw Error(wrong(line, option), option + " " + printable(value) + ": " + std::to_string(least) + " to " +
                                         std::to_string(most) + " characters of UTF-8 are expected");
}

void declare_source_and_output(ScanOptions &o, CommandLine &line) {
    line.group("Radio");
    line.choice("--source", o.source, {"bluez", "monitor"},
                "bluez: bluetoothd sends reports over D-Bus; monitor: read every report from the kernel "
                "(needs CAP_NET_RAW)",
                "SCAN_SOURCE");
    line.texts("--adapter NAME|ADDRESS", o.adapters,
               "hci0, its address, or any (the default); may be repeated");
    line.flag("--passive", o.passive,
              "only listen, send no scan requests (bluetoothd needs Experimental = true)");
    line.duration("--watchdog SECONDS", o.watchdog,
                  "restart the scan after this long without an advertisement; 0: never");
    line.text("--record FILE", o.record, "write all reports into a btsnoop capture (--source monitor)");
    line.group("Capture");
    line.text("--replay FILE", o.replay, "read a capture: btsnoop, pcap or pcapng; - is standard input");
    line.text("--speed N", o.speed,
              "speed of the replay: 1 as recorded, 10 ten times as fast, max without waiting");
    line.flag("--now", o.now, "shift all times, so that the capture ends when the replay ends");
    line.flag("--strict", o.strict, "exit 65 when the capture is cut short or damaged");
    line.group("Output");
    line.flag("--each", o.each, "print every advertising report instead of batches");
    line.choice("--format", o.format, {"json", "table"},
                "json: one line each, for pipes; table: columns for people");
    line.flag("--counts", o.counts, "write only how many advertisers were in each zone");
    line.flag("--detail", o.profile.detail, "add what advertisers say: services, beacons, TX power …");
    line.flag("--addresses", o.profile.addresses, "add addresses (personal data)");
    line.flag("--names", o.profile.names, "add local names (personal data)");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end after N lines; 0: no limit");
    line.text("--hash ADDRESS", o.hash, "print the device_hash of ADDRESS, and end", "-");
    declare_doctor(o.doctor, line, "what a scan needs");
}

void declare_identity_and_windows(ScanOptions &o, CommandLine &line) {
    line.group("This scanner");
    line.text("--device-id ID", o.device_id,
              "name of this scanner, 3 to 50 characters; default: the host name. If the host name is a "
              "common one, a part of the machine's id is added",
              "DEVICE_ID");
    line.text("--name TEXT", o.name, "name of this scanner for people", "DEVICE_NAME");
    line.text("--location TEXT", o.location, "place of this scanner for people", "DEVICE_LOCATION");
    line.text("--hash-key FILE", o.hash_key, "hash addresses with the key in FILE", "BLEPIPE_HASH_KEY_FILE");
    line.duration("--hash-epoch TIME", o.hash_epoch,
                  "change all hashes after this time, as 24h (at midnight UTC); 0: never");
    line.group("Who is reported");
    line.text("--irk FILE", o.irk,
              "recognise private addresses with the keys in FILE; each line is NAME KEY [ADDRESS]");
    line.texts("--allow FILTER", o.allow, "report only these advertisers; may be repeated");
    line.texts("--deny FILTER", o.deny,
               "do not report these advertisers, even if --allow names them. FILTER is address:c4:f7:*, "
               "name:Ruuvi*, identity:*, uuid:feaa, company:0x0499, or @FILE with one filter a line");
    line.group("Scan windows");
    line.duration("--window SECONDS", o.window, "length of a window", "SCAN_DURATION");
    line.duration("--interval SECONDS", o.interval, "pause between windows; default for a replay: 0",
                  "SCAN_INTERVAL");
    line.number("--near DBM", o.near_dbm, -127, 20, "the zone is near from this RSSI on", "NEAR_THRESHOLD");
    line.number("--medium DBM", o.medium_dbm, -127, 20, "the zone is medium from this RSSI on",
                "MEDIUM_THRESHOLD");
    line.number("--min-rssi DBM", o.min_rssi_dbm, -127, 20, "hide weaker reports");
}

std::string instead_of(const std::string &word) {
    const bool adapter = parse_address(word) || (word.starts_with("hci") && is_number(word.substr(3)));
    return (adapter ? "--adapter " : "--replay ") + word;
}

}  // namespace

void declare_scan_options(ScanOptions &o, CommandLine &line) {
    declare_source_and_output(o, line);
    declare_identity_and_windows(o, line);
    line.stray(instead_of);
    line.epilogue(
        "Try:  blescan --window 5 --interval 0 | jq\n"
        "      blescan --replay examples/sample.btsnoop | jq\n"
        "      blescan --replay FILE --each | head\n"
        "      blescan --replay FILE --speed 1 --now | blesend --broker HOST");
}

namespace {

void check_hash_epoch(const ScanOptions &o, const CommandLine &line) {
    constexpr milliseconds least(60'000), most(366LL * 86'400'000);
    if (o.hash_epoch.count() == 0) return;
    const auto bad = [&](const char *what) { return Error(wrong(line, "--hash-epoch"), what); };
    if (o.hash_epoch < least || o.hash_epoch > most)
        throw bad("--hash-epoch: 1 minute to 366 days are expected, or 0");
    if (o.hash_epoch.count() % 1000 != 0) throw bad("--hash-epoch: whole seconds are expected");
    if (!o.rules.key) throw bad("--hash-epoch needs a key: --hash-key FILE");
}

void check_hash(const ScanOptions &o) {
    if (!parse_address(o.hash))
        throw Error(ExitCode::usage,
                    "--hash " + printable(o.hash) + ": an address is expected, as in c4:f7:c1:4c:c1:c0");
}

// Radio or capture: each has options that say nothing of the other.
void check_source(const ScanOptions &o, const CommandLine &line) {
    if (o.live()) {
        for (const auto *option : {"--speed", "--now", "--strict"})
            if (line.on_command_line(option))
                throw Error(ExitCode::usage, std::string(option) + " is for captures: --replay FILE");
    } else {
        for (const auto *option : {"--source", "--adapter", "--passive", "--watchdog", "--record"})
            if (line.on_command_line(option))
                throw Error(ExitCode::usage, std::string(option) + " is for a radio, not with --replay");
    }
    if (!o.record.empty() && o.source != "monitor")
        throw Error(ExitCode::usage, "--record needs --source monitor");
}

void settle_windows(ScanOptions &o, const CommandLine &line) {
    constexpr milliseconds least(100), most(7 * 86'400'000);
    if (!line.given("--interval") && !o.replay.empty()) o.interval = milliseconds(0);
    if (o.window < least || o.window > most)
        throw Error(wrong(line, "--window"), "--window: 100 milliseconds to 7 days are expected");
    if (o.interval > most) throw Error(wrong(line, "--interval"), "--interval: at most 7 days are expected");
    if (o.near_dbm < o.medium_dbm)
        throw Error(wrong(line, line.on_command_line("--near") ? "--near" : "--medium"),
                    "--near must not be below --medium");
}

void settle_names(ScanOptions &o, const CommandLine &line) {
    if (o.device_id.empty()) {
        o.default_id = default_device_id();
        o.device_id = o.default_id->id;
    }
    if (!o.each) check_text(o.device_id, line, "--device-id", 3, 50);
    check_text(o.name, line, "--name", 0, longest_name);
    check_text(o.location, line, "--location", 0, longest_location);
    for (const auto &[option, value] :
         {std::pair("--device-id", o.device_id), {"--name", o.name}, {"--location", o.location}})
        if (const auto why = why_unsafe(value); !why.empty())
            throw Error(wrong(line, option),
                        std::string(option) + " " + printable(value) + ": it " + std::string(why));
}

}  // namespace

void validate_scan_options(ScanOptions &o, const CommandLine &line) {
    o.rules.key = read_hash_key(o);
    check_hash_epoch(o, line);
    if (!o.hash.empty()) return check_hash(o);
    validate_doctor(o.doctor, line);
    o.rules.identities = read_identities(o);
    o.rules.filter = read_filter(o, wrong(line, "--allow"), wrong(line, "--deny"));
    const auto factor = parse_speed(o.speed);
    if (!factor)
        throw Error(wrong(line, "--speed"),
                    "--speed " + printable(o.speed) + ": max, or a number from 0.001 to 1000000 is expected");
    o.speed_factor = *factor;
    check_source(o, line);
    settle_windows(o, line);
    if (o.counts && (o.each || o.profile.any()))
        throw Error(wrong(line, "--counts"),
                    "--counts cannot be used with --each, --detail, --addresses or --names, which show "
                    "single advertisers");
    settle_names(o, line);
    if (o.common.check) check_place("the recording", o.record);
}

}  // namespace ble
