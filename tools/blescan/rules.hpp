// Who is reported, and under which name: what files tell, and SIGHUP reads again.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/exit_code.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/filter.hpp"

namespace ble {

struct ScanOptions;

struct Rules {
    std::optional<std::string> key;                // of hashes
    std::shared_ptr<IdentityResolver> identities;  // null: nobody is known
    Filter filter;
};

// Each throws Error: of a file, what is wrong in which; of an argument of --allow and --deny, with these codes.
std::optional<std::string> read_hash_key(const ScanOptions &options);
std::shared_ptr<IdentityResolver> read_identities(const ScanOptions &options);
Filter read_filter(const ScanOptions &options, ExitCode wrong_allow, ExitCode wrong_deny);

// Is there anything that read_rules_again() would read?
bool any_file(const ScanOptions &options);
// For SIGHUP: reads the files of `options` again, each kind by itself. One that is wrong is said and stays as it is in `rules`.
void read_rules_again(const ScanOptions &options, Rules &rules);

}  // namespace ble
