#include "base/mistyped.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/log.hpp"
#include "base/nearest.hpp"
#include "base/other_names.hpp"

namespace ble {
namespace {

constexpr std::string_view prefix = "BLEPIPE_";

// Without the prefix, by the alphabet. tests/cli/test_common.py compares them with what --help of each tool tells.
constexpr std::string_view of_any_tool[] = {"ACK",
                                            "ADAPTER",
                                            "ADDRESSES",
                                            "ALLOW",
                                            "ALPN",
                                            "API_KEYS_FILE",
                                            "BIND",
                                            "BY",
                                            "CAFILE",
                                            "CAPATH",
                                            "CERT",
                                            "CHECK",
                                            "CLIENT_CA",
                                            "CLIENT_ID",
                                            "CLIENT_TIMEOUT",
                                            "CLOCK_IS_RIGHT",
                                            "COALESCE",
                                            "CONFIRM",
                                            "CONFIRM_TIMEOUT",
                                            "COUNT",
                                            "COUNTS",
                                            "DB",
                                            "DENY",
                                            "DETAIL",
                                            "DEVICE",
                                            "DOCTOR",
                                            "DRAIN_TIMEOUT",
                                            "DROP_AFTER",
                                            "EACH",
                                            "EVENT_TIMEOUT",
                                            "EVERY",
                                            "FILTER",
                                            "FORGET",
                                            "FORMAT",
                                            "HASH_EPOCH",
                                            "HASH_KEY",
                                            "HASH_KEY_FILE",
                                            "HOLD",
                                            "IMPORT",
                                            "INFLIGHT",
                                            "INSECURE",
                                            "INSTANCE",
                                            "IRK",
                                            "JSON",
                                            "KEEPALIVE",
                                            "KEY",
                                            "LIMIT",
                                            "LINGER",
                                            "MAX_ADVERTISERS_PER_BATCH",
                                            "MAX_AGE",
                                            "MAX_CLIENTS",
                                            "MAX_CLIENTS_PER_ADDRESS",
                                            "MAX_RATE",
                                            "METRICS",
                                            "METRICS_LISTEN",
                                            "MIN_RSSI",
                                            "MOST",
                                            "MQTT_VERSION",
                                            "NAMES",
                                            "NOW",
                                            "ORIGIN",
                                            "PASSIVE",
                                            "PING",
                                            "PIS",
                                            "PLACE",
                                            "PLAIN",
                                            "POLICY",
                                            "PORT",
                                            "PREFIX",
                                            "QUESTION_TIMEOUT",
                                            "QUEUE",
                                            "REBUILD_ROLLUPS",
                                            "RECORD",
                                            "REJECT",
                                            "REJECT_MAX",
                                            "REPLAY",
                                            "RESUME",
                                            "RETAIN",
                                            "RETAIN_ROLLUPS",
                                            "REVERSE",
                                            "ROWS",
                                            "RUN_FOR",
                                            "SHARDS",
                                            "SHARE",
                                            "SINCE",
                                            "SLOW",
                                            "SORT",
                                            "SPEED",
                                            "SPOOL",
                                            "SPOOL_MAX",
                                            "SPOOL_MAX_BYTES",
                                            "STATS",
                                            "STATS_UPDATE",
                                            "STATUS_TOPIC",
                                            "STAY",
                                            "STRICT",
                                            "TIMEOUT",
                                            "TLS",
                                            "TOKEN",
                                            "TOKEN_FILE",
                                            "TOPIC_DEVICE",
                                            "TRUSTED_PROXY",
                                            "UNTIL",
                                            "URL",
                                            "WATCHDOG",
                                            "WINDOW",
                                            "WWW"};

constexpr std::string_view of_scripts[] = {"BACKUP_KEEP", "BIN",     "BLUEZ",    "CHAINS",  "FUZZ",
                                           "KILLS",       "LIBEXEC", "PREVIOUS", "RELEASE", "SEED",
                                           "SHARED",      "SOURCE",  "UNITS"};

std::vector<std::string> names_of_all(std::span<const std::string> own) {
    std::vector<std::string> names;
    for (const auto &name : own)
        if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
    names.insert(names.end(), std::begin(of_any_tool), std::end(of_any_tool));
    return names;
}

}  // namespace

std::string no_such_option(std::string_view word, std::span<const std::string> names) {
    const std::string typed(word.substr(0, word.find('=')));
    std::string text = "there is no option " + printable(typed);
    std::string meant = by_other_name(typed, names);
    if (meant.empty() && typed.starts_with("--")) meant = nearest(typed, names);
    if (meant.empty()) return text;
    text += "; did you mean " + meant + "?";
    if (meant.ends_with("-file") && !typed.ends_with("file"))
        text += " A secret is read from a file: other users of this machine can read what is typed";
    return text;
}

std::vector<std::string> strange_environment(const char *const *environment,
                                             std::span<const std::string> own) {
    const auto names = names_of_all(own);
    const auto is_in = [](const auto &list, std::string_view name) {
        return std::find(std::begin(list), std::end(list), name) != std::end(list);
    };
    std::vector<std::string> warnings;
    for (; *environment != nullptr; ++environment) {
        const std::string_view entry(*environment);
        if (!entry.starts_with(prefix)) continue;
        const auto name = entry.substr(prefix.size(), entry.find('=') - prefix.size());
        if (is_in(names, name) || is_in(of_scripts, name)) continue;
        std::string text =
            printable(std::string(prefix).append(name)) + " in the environment is no setting of blepipe";
        if (const auto meant = nearest(name, names); !meant.empty())
            text.append("; did you mean ").append(prefix).append(meant).append("?");
        warnings.push_back(std::move(text));
    }
    return warnings;
}

std::string shown_word(std::string_view word) {
    constexpr std::string_view hidden = "...", scheme = "://", keyword = "password";
    std::string shown(word);
    if (const auto at = shown.find('=', std::min(shown.find(keyword), shown.size())); at != shown.npos)
        shown.replace(at + 1, shown.npos, hidden);
    const auto begin = shown.find(scheme), end = shown.rfind('@');
    if (begin == shown.npos || end == shown.npos || end < begin) return printable(shown);
    const auto colon = shown.find(':', begin + scheme.size());
    if (colon < end) shown.replace(colon + 1, end - colon - 1, hidden);
    return printable(shown);
}

bool is_number(std::string_view word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_url(std::string_view word) {
    return word.find("://") != std::string_view::npos;
}

bool is_file(const std::string &word) {
    struct stat info {};
    if (::stat(word.c_str(), &info) == 0) return !S_ISDIR(info.st_mode);
    const std::string ending = std::filesystem::path(word).extension();
    return ending.size() > 2 && ending.size() < 9 &&
           std::any_of(ending.begin() + 1, ending.end(),
                       [](unsigned char c) { return std::isalpha(c) != 0; });
}

}  // namespace ble
