// Messages about unknown options, words and names in the environment.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ble {

// "there is no option --broke; did you mean --broker?" `word` as it was typed, perhaps with "=VALUE"; `names`: all options, "--broker" and "-t".
std::string no_such_option(std::string_view word, std::span<const std::string> names);

// A warning for each name BLEPIPE_… in the environment that no tool, script or unit of blepipe has. `own`: those of
// this tool. The names of other tools are accepted, because services share one environment.
std::vector<std::string> strange_environment(const char *const *environment,
                                             std::span<const std::string> own);

// A word that was typed, for a message: printable, and without the password that a URL or a list of PostgreSQL's keywords may hold.
std::string shown_word(std::string_view word);

// For CommandLine::stray(): what kind of word it is.
bool is_number(std::string_view word);
bool is_url(std::string_view word);
bool is_file(
    const std::string &word);  // of that name there is one, or it ends as the name of a file does: walk.pcap

}  // namespace ble
