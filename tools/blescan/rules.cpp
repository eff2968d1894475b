#include "blescan/rules.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "batch/json_text.hpp"
#include "blescan/options.hpp"

namespace ble {

namespace {

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

template <class Read>
void read_filters(const std::vector<std::string> &arguments, const std::string &option, ExitCode wrong,
                  Read read) {
    for (const auto &argument : arguments) {
        try {
            if (!is_text(argument, 1, 4096) || std::any_of(argument.begin(), argument.end(), is_control))
                throw std::string("UTF-8 without control characters is expected");
            read(argument);
        } catch (const std::string &wanted) {
            throw Error(wrong, option + " '" + printable(argument) + "': " + wanted);
        }
    }
}

bool names_file(const std::string &argument) {
    return argument.starts_with('@');
}

bool in_files(const std::vector<std::string> &filters) {
    return std::any_of(filters.begin(), filters.end(), names_file);
}

bool filters_in_files(const ScanOptions &options) {
    return in_files(options.allow) || in_files(options.deny);
}

}  // namespace

std::optional<std::string> read_hash_key(const ScanOptions &options) {
    return find_key(options.hash_key, "BLEPIPE_HASH_KEY");
}

std::shared_ptr<IdentityResolver> read_identities(const ScanOptions &options) {
    if (options.irk.empty()) return nullptr;
    guard_key_file(options.irk);
    return std::make_shared<IdentityResolver>(read_text_file(options.irk, "keys"), options.irk);
}

Filter read_filter(const ScanOptions &options, ExitCode wrong_allow, ExitCode wrong_deny) {
    Filter filter;
    read_filters(options.allow, "--allow", wrong_allow, [&](const auto &rule) { filter.allow(rule); });
    read_filters(options.deny, "--deny", wrong_deny, [&](const auto &rule) { filter.deny(rule); });
    return filter;
}

bool any_file(const ScanOptions &options) {
    return options.rules.key || options.rules.identities || filters_in_files(options);
}

void read_rules_again(const ScanOptions &options, Rules &rules) {
    if (rules.key)
        read_again("hash keys", [&] {
            auto key = read_hash_key(options);
            check_still_there(true, key.has_value(), "the key");
            rules.key = std::move(key);
        });
    if (rules.identities) read_again("keys of --irk", [&] { rules.identities = read_identities(options); });
    if (filters_in_files(options))
        read_again("filters",
                   [&] { rules.filter = read_filter(options, ExitCode::config, ExitCode::config); });
}

}  // namespace ble
