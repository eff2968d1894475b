// blequery --serve: a question a line, an answer a line, for a program that asks often.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "blequery/options.hpp"

namespace ble {

class Serving {
  public:
    // As for open_questions().
    Serving(const QueryOptions &options, std::function<bool()> go_on)
        : base_(options), go_on_(std::move(go_on)) {}

    // `line`: the words of a command line, between TABs. The answer: a status as HTTP has it, a blank, a JSON object.
    std::string answer(std::string_view line);

  private:
    std::string ask_store(const QueryOptions &options);

    const QueryOptions &base_;
    std::function<bool()> go_on_;
    std::unique_ptr<Questions> questions_;  // null: to be opened
    Throttle trouble_said_;
};

// Until the end of standard input, or until asked to stop.
ExitCode serve(const QueryOptions &options, Lifecycle &life, const std::function<bool()> &go_on);

}  // namespace ble
