// blequery's options: man/blequery.1.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "store/questions.hpp"

namespace ble {

struct QueryOptions {
    CommonOptions common;
    std::vector<std::string> words;
    std::string db = default_state_path("ble.db");
    std::string device, place, address, hash_key, format = "auto", by = "place";
    std::optional<Time> since, until;
    std::chrono::milliseconds hash_epoch{0};
    QuestionLimits limits;
    bool serve = false;

    // Of the words and the others, after validate_query_options().
    std::string question;
    std::vector<std::string> hashes;  // of track
    Scope scope;
};

void declare_query_options(QueryOptions &options, CommandLine &line);
void validate_query_options(QueryOptions &options, const CommandLine &line);

}  // namespace ble
